"""Resuming: a transfer that broke off, was stopped or was killed goes on where it was, with the right bytes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from core.errors import FetchCancelled, HubServerError
from core.hub.cache import Cache
from core.hub.fetch import ELSEWHERE, Fetcher
from core.hub.shelf import KEEP_BYTES
from core.imaging.nifti import check_file, promised_bytes
from core.sources.hub import open_hub
from core.sources.protocol import Progress, Source
from tests.hub.conftest import PATIENT, drafts, settings_for, source_on
from tests.hub.large import CASE, LAYOUTS, NAMES, StopAt, check, held, images, part, reader, serve
from tests.hub.other_process import fetching, wait_for
from tests.hubserver import HubServer
from tests.hubserver.faults import Fault
from tests.hubserver.shards import COMMIT, REPO

QUICK, SLOW = 2_000_000.0, 250_000.0  # bytes per second: the case takes 1.5 s, 12 s
SLACK = 2000  # bytes of page headers


@pytest.fixture(params=LAYOUTS)
def source(request: pytest.FixtureRequest, server: HubServer, tmp_path: Path) -> Source:
    """The large case's, in each layout."""
    serve(server, request.param)
    return reader(server, tmp_path)


def whole() -> int:
    return sum(map(len, images().values()))


def stopped(server: HubServer, source: Source, folder: Path, done: int) -> int:
    """Bytes on disk after a fetch that its user stopped at so many bytes."""
    server.bandwidth, user = QUICK, StopAt(done)
    with pytest.raises(FetchCancelled):
        source.fetch(CASE, NAMES, user.report, user.cancelled)
    server.bandwidth = None
    return held(folder)


@pytest.mark.parametrize(("done", "restart"), [(400_000, False), (1_500_000, True)])
def test_after_a_cancel_only_the_rest_is_fetched(
    server: HubServer, source: Source, tmp_path: Path, done: int, restart: bool
) -> None:
    here = stopped(server, source, tmp_path, done)
    assert here > KEEP_BYTES
    again = source_on(server, tmp_path) if restart else source
    seen: list[int] = []
    fetched = again.fetch(CASE, NAMES, lambda progress: seen.append(progress.done))
    check(fetched)
    assert whole() - here <= fetched.bytes_fetched <= whole() - here + SLACK
    assert seen == sorted(seen) and seen[0] >= here  # what is here counts from the first moment
    assert drafts(tmp_path) == []


def test_a_transfer_that_breaks_goes_on_in_the_same_call(server: HubServer, source: Source) -> None:
    server.faults.add(Fault("truncate", where="resolve"))
    fetched = source.fetch(CASE, NAMES)
    check(fetched)
    assert fetched.bytes_fetched <= whole() + SLACK


def test_after_an_error_only_the_rest_is_fetched(server: HubServer, source: Source, tmp_path: Path) -> None:
    server.faults.add(Fault("truncate", where="resolve"), Fault("status", where="resolve", times=None))
    with pytest.raises(HubServerError):
        source.fetch(CASE, NAMES)
    here = held(tmp_path)
    assert here > KEEP_BYTES
    server.faults.clear()
    fetched = source_on(server, tmp_path).fetch(CASE, NAMES)
    check(fetched)
    assert whole() - here <= fetched.bytes_fetched <= whole() - here + SLACK


def test_one_request_for_what_is_missing_of_neighbours(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    stopped(server, source, tmp_path, 400_000)
    fetched = source.fetch(CASE, NAMES)
    check(fetched)
    assert fetched.requests == 1


@pytest.mark.parametrize("where", [100, 300_000])
def test_a_part_that_was_changed_is_thrown_away(server: HubServer, source: Source, tmp_path: Path, where: int) -> None:
    stopped(server, source, tmp_path, 600_000)
    path = next(path for path in (part(tmp_path, name) for name in NAMES) if path.exists())
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    check(source.fetch(CASE, NAMES))
    assert drafts(tmp_path) == []


def test_a_part_whose_end_nobody_noted_is_believed_as_far_as_sums_vouch(
    server: HubServer, source: Source, tmp_path: Path
) -> None:
    stopped(server, source, tmp_path, 600_000)
    path = next(path for path in (part(tmp_path, name) for name in NAMES) if path.exists())
    with path.open("ab") as file:
        file.write(bytes(1000))
    check(source.fetch(CASE, NAMES))
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_that_is_not_packed_is_gone_on_with(server: HubServer, tmp_path: Path, layout: str) -> None:
    serve(server, layout, packed=False)
    source = reader(server, tmp_path)
    here = stopped(server, source, tmp_path, 600_000)
    fetched = source.fetch(CASE, NAMES)
    check(fetched, packed=False)
    whole = sum(map(len, images(packed=False).values()))
    again = whole if layout == "shards" else 0  # no checksum comes with these, so they are fetched twice and compared
    assert fetched.bytes_fetched <= whole - here + again + SLACK


def test_a_part_of_another_commit_is_not_gone_on_with(server: HubServer, source: Source, tmp_path: Path) -> None:
    stopped(server, source, tmp_path, 600_000)
    server.datasets[REPO].commit = "6" * 40
    moved = source_on(server, tmp_path, revision="6" * 40)
    moved.refresh()
    fetched = moved.fetch(CASE, NAMES)
    check(fetched)
    assert fetched.bytes_fetched >= whole()


@pytest.mark.parametrize(("layout", "killed"), [("files", False), ("shards", True)])
def test_two_processes_cause_one_transfer(server: HubServer, tmp_path: Path, layout: str, killed: bool) -> None:
    """The second sees how far the first is; when that one is killed, it goes on at once."""
    serve(server, layout)
    source = reader(server, tmp_path)
    server.bandwidth = SLOW
    notes, seen = set[str](), list[int]()
    with fetching(server, tmp_path, CASE) as other:
        wait_for(lambda: part(tmp_path, "dwi").exists() and held(tmp_path) > KEEP_BYTES)

        def report(progress: Progress) -> None:
            notes.add(progress.note)
            seen.append(progress.done)
            if progress.note == ELSEWHERE and progress.done > 2 * KEEP_BYTES:
                if killed:
                    other.kill()
                server.bandwidth = None

        fetched = source.fetch(CASE, NAMES, report)
        out, _ = other.communicate()
    check(fetched)
    assert ELSEWHERE in notes and seen[0] > KEEP_BYTES
    assert drafts(tmp_path) == []
    if killed:
        assert 0 < fetched.bytes_fetched < whole() - KEEP_BYTES
    else:
        assert json.loads(out)[1] >= whole() and fetched.bytes_fetched == 0
        assert seen == sorted(seen)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_process_that_was_stopped_is_not_waited_for_and_may_wake_up(
    server: HubServer, tmp_path: Path, layout: str
) -> None:
    serve(server, layout)
    cache = Cache(tmp_path)
    fetcher = Fetcher(cache, check_file, promised_bytes, patience_s=0.3)
    source = open_hub(REPO, COMMIT, settings_for(server, tmp_path), cache, PATIENT, fetcher)
    source.refresh()
    server.bandwidth, notes = SLOW, set[str]()
    with fetching(server, tmp_path, CASE) as other:
        wait_for(lambda: part(tmp_path, "dwi").exists() and held(tmp_path) > KEEP_BYTES)
        other.send_signal(signal.SIGSTOP)
        server.bandwidth = None
        fetched = source.fetch(CASE, NAMES, lambda progress: notes.add(progress.note))
        check(fetched)
        assert ELSEWHERE in notes and fetched.bytes_fetched >= whole()
        other.send_signal(signal.SIGCONT)
        out, _ = other.communicate(timeout=60)
        assert out
    check(fetched)
    assert drafts(tmp_path) == []
