"""Two faults of the Hub at once: right bytes or our HubError, soon, and nothing half-written.

A flipped byte of a footer is not among them: Parquet has no checksum to betray it, the connection (TLS) has.
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from core.errors import HubError
from tests.hub.conftest import drafts
from tests.hub.test_faults import CALLS, CASE, NAMES, ready
from tests.hubserver import Fault, HubServer
from tests.hubserver.faults import Kind
from tests.hubserver.shards import COMMIT, REPO
from tests.stress.campaign import play, sizes

DEADLINE_S = 60.0  # the calls' own limits come to 16 s; the rest is for a busy machine
KINDS: tuple[Kind, ...] = (
    "status",
    "silent",
    "hang",
    "reset",
    "truncate",
    "short",
    "shifted",
    "ignore_range",
    "flip",
    "drip",
    "delay",
    "json",
)


def a_fault(call: str, random: Random) -> Fault:
    """Any fault that can strike the call."""
    kinds = [kind for kind in KINDS if (call, kind) != ("refresh", "flip")]
    return Fault(
        random.choice(kinds),
        where=random.choice({"check": ("/api/",), "case": ("/resolve/",)}.get(call, ("/api/", "/resolve/", "."))),
        times=random.choice((1, 1, 2, 3, None)),
        status=random.choice((401, 403, 404, 416, 429, 500, 502, 503, 504)),
        headers=random.choice(((), (("Retry-After", "1"),), (("Retry-After", "soon"),))),
        delay_s=random.choice((0.01, 0.2, 0.5)),
    )


@sizes(sample=9, campaign=240)
def test_two_faults_at_once(tmp_path: Path, shards: dict[str, bytes], count: int) -> None:
    seen = {"right": 0, "error": 0}

    def one(number: int, random: Random) -> None:
        folder = tmp_path / str(number)
        call = list(CALLS)[number % len(CALLS)]
        faults = [a_fault(call, random) for _ in range(2)]
        with HubServer(redirect=random.random() < 0.3) as server:
            server.add_dataset(REPO, COMMIT, shards)
            source = ready(server, folder, call)
            server.faults.add(*faults)
            begun = time.monotonic()
            try:
                CALLS[call](source)
                seen["right"] += 1
            except HubError as error:
                assert error.hint, faults
                seen["error"] += 1
            assert time.monotonic() - begun < DEADLINE_S, faults
            assert drafts(folder) == [], faults
            assert source.cached(CASE) <= frozenset(NAMES), faults
            server.faults.clear()
            CALLS[call](source)

    play(count, one)
    assert min(seen.values()) > 0
