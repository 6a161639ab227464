"""Two faults of the Hub at once: right bytes or our HubError, soon, and nothing half-written.

A flipped byte strikes only the calls that can see it: where an answer has no checksum (JSON, the footer of a Parquet
file), the connection (TLS) has one.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.hub.conftest import IMPATIENT, PATIENT
from tests.hub.matrix import CALLS, Call, Outcome, play, prepare, world
from tests.hubserver import Fault
from tests.hubserver.faults import Kind
from tests.stress import campaign
from tests.stress.campaign import sizes

DEADLINE_S = 60.0  # the calls' own limits come to some seconds; the rest is for a busy machine
CHECKED = ("case", "whole file")
KINDS: tuple[Kind, ...] = (
    "silent",
    "drop",
    "delay",
    "status",
    "json",
    "dead",
    "circle",
    "scheme",
    "heads",
    "short",
    "shifted",
    "ignore_range",
    "hang",
    "trickle",
    "drip",
    "slow",
    "reset",
    "truncate",
    "longer",
    "flip",
)


def a_fault(call: Call, random: Random) -> Fault:
    """Any fault that can strike the call."""
    return Fault(
        random.choice([kind for kind in KINDS if kind != "flip" or call.name in CHECKED]),
        times=random.choice((1, 1, 2, 3, None)),
        status=random.choice((401, 403, 404, 416, 429, 500, 502, 503, 504)),
        headers=random.choice(
            ((), (("Retry-After", "1"),), (("Retry-After", "soon"),), (("RateLimit", '"api";r=0;t=5'),))
        ),
        delay_s=random.choice((0.01, 0.05, 0.2)),
        rate=random.choice((50_000, 400_000)),
    )


@sizes(sample=14, campaign=560)
def test_two_faults_at_once(tmp_path: Path, count: int) -> None:
    prepared = prepare(tmp_path / "prepared", PATIENT)
    seen = {"right": 0, "error": 0}

    def one(number: int, random: Random) -> None:
        folder = tmp_path / str(number)
        call = CALLS[number % len(CALLS)]
        faults = [a_fault(call, random) for _ in range(2)]
        with world(redirect=random.random() < 0.3) as server:
            outcome: Outcome = play(server, call, folder, prepared, IMPATIENT, *faults)
            seen["error" if outcome.error else "right"] += 1
            assert outcome.seconds < DEADLINE_S, faults
            assert play(server, call, folder, prepared, PATIENT).error is None, faults

    campaign.play(count, one)
    assert count < 100 or min(seen.values()) > 0
