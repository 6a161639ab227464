"""The fault matrix: whatever the Hub does, right bytes or our error, and nothing half-written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import (
    HubCorrupt,
    HubDenied,
    HubError,
    HubNotFound,
    HubRateLimited,
    HubServerError,
    HubTimeout,
)
from core.sources.protocol import Source
from tests.hub.conftest import drafts, source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import case

RIGHT = "right"
CASE, NAMES = "sub-stroke0002", ("dwi", "adc", "lesion_mask")


def check(source: Source) -> None:
    seconds = source.check()
    assert seconds is not None
    assert seconds >= 0


def refresh(source: Source) -> None:
    listing = source.refresh()
    assert listing.complete
    assert [c.case_id for c in listing.cases] == ["sub-stroke0001", "sub-stroke0002", "sub-stroke0003"]
    assert [c.clinical.age for c in listing.cases] == [41.0, 42.0, 43.0]


def fetch(source: Source) -> None:
    images = case(2).images
    fetched = source.fetch(CASE, NAMES)
    assert {name: gzip.decompress(file.path.read_bytes()) for name, file in fetched.files.items()} == {
        name: gzip.decompress(images[name]) for name in NAMES
    }


CALLS: dict[str, Callable[[Source], None]] = {"check": check, "refresh": refresh, "case": fetch}
WAIT = (("Retry-After", "40"),)
TIMED = {"check": HubTimeout, "refresh": HubTimeout, "case": RIGHT}
ROWS: list[tuple[str, Fault, dict[str, object], type[HubError]]] = [
    # name, fault, outcome when it strikes once (by call, "" for the others), error when it strikes for ever
    ("401", Fault("status", status=401), {"": HubDenied}, HubDenied),
    ("403", Fault("status", status=403), {"": HubDenied}, HubDenied),
    ("404", Fault("status", status=404), {"": HubNotFound}, HubNotFound),
    ("429", Fault("status", status=429, headers=WAIT), {"": HubRateLimited}, HubRateLimited),
    ("500", Fault("status", status=500), {"": RIGHT}, HubServerError),
    ("503", Fault("status", status=503), {"": RIGHT}, HubServerError),
    ("silent", Fault("silent"), TIMED, HubTimeout),
    ("hang", Fault("hang"), {"": HubTimeout, "case": RIGHT}, HubError),
    ("reset", Fault("reset"), {"": RIGHT}, HubError),
    ("truncate", Fault("truncate"), {"": RIGHT}, HubError),
    ("short", Fault("short"), {"": RIGHT}, HubCorrupt),
    ("ignore_range", Fault("ignore_range"), {"": RIGHT}, HubCorrupt),
    ("shifted", Fault("shifted"), {"": RIGHT}, HubCorrupt),
    ("flip", Fault("flip"), {"": RIGHT}, HubCorrupt),
    ("json", Fault("json"), {"": RIGHT}, HubCorrupt),
]
HARMLESS = {  # faults of a body that these calls cannot meet, or that strike bytes they do not use
    ("check", "ignore_range"),
    ("check", "shifted"),
    ("refresh", "flip"),
}


def run(call: str, source: Source, fault: Fault, server: HubServer, expected: object) -> None:
    server.faults.add(fault)
    if expected == RIGHT:
        CALLS[call](source)
        return
    assert isinstance(expected, type)
    with pytest.raises(expected) as caught:
        CALLS[call](source)
    assert isinstance(caught.value, HubError)
    assert caught.value.hint


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("name", "fault", "once", "ever"), ROWS, ids=[row[0] for row in ROWS])
def test_once(
    call: str, name: str, fault: Fault, once: dict[str, object], ever: object, server: HubServer, tmp_path: Path
) -> None:
    source = ready(server, tmp_path, call)
    struck = Fault(fault.kind, where=where(call), times=1, status=fault.status, headers=fault.headers)
    expected = once.get(call, once.get("", RIGHT))
    run(call, source, struck, server, RIGHT if (call, name) in HARMLESS else expected)
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("name", "fault", "once", "ever"), ROWS, ids=[row[0] for row in ROWS])
def test_for_ever_and_then_well_again(
    call: str, name: str, fault: Fault, once: dict[str, object], ever: object, server: HubServer, tmp_path: Path
) -> None:
    source = ready(server, tmp_path, call)
    struck = Fault(fault.kind, where=where(call), times=None, status=fault.status, headers=fault.headers)
    run(call, source, struck, server, RIGHT if (call, name) in HARMLESS else ever)
    assert drafts(tmp_path) == []
    assert source.cached(CASE) in (frozenset(), frozenset(NAMES))
    server.faults.clear()
    CALLS[call](source)


def where(call: str) -> str:
    """The requests that matter to the call."""
    return "/api/" if call == "check" else "/resolve/"


def ready(server: HubServer, folder: Path, call: str) -> Source:
    """A source whose tree is known, and for a case its footers too."""
    source = source_on(server, folder)
    if call == "case":
        source.refresh()
    return source
