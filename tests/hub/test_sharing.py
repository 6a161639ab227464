"""Sharing: one transfer for many, each of whom may stop or fail alone, and all see how far it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import DiskFull, FetchCancelled
from core.hub.attempt import Attempt
from core.hub.cache import Cache, Key
from core.hub.fetch import Fetcher, Outcome, Want
from core.hub.turns import FRONT, Turn, Turns
from core.imaging.nifti import check_file, promised_bytes
from core.sources.hub import make_fetcher, open_hub
from core.sources.protocol import Fetched, Progress
from tests.hub.conftest import PATIENT, drafts, settings_for
from tests.hub.large import CASE, NAMES, StopAt, check, images, reader, serve
from tests.hub.other_process import wait_for
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO

BACK = Turn("a", background=True)
IMAGE = images()["dwi"]
LONG_S = 60.0


def never() -> bool:
    return False


def want(case_id: str = CASE) -> dict[str, Want]:
    return {"dwi": Want(Key(REPO, COMMIT, case_id, "dwi"), len(IMAGE))}


class Steps:
    """A pull of IMAGE in steps of 100 KB that begins where a part ends and waits for a sign after `free` of them."""

    def __init__(self, free: int = 5) -> None:
        self.froms: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._free = free

    def __call__(self, names: Sequence[str], attempt: Attempt) -> None:
        for name in names:
            draft = attempt.resumed(name, 0, len(IMAGE)) or attempt.open(name, 0, len(IMAGE))
            self.froms.append(draft.bytes)
            steps = range(draft.bytes, len(IMAGE), 100_000)
            for count, at in enumerate(steps):
                draft.write(IMAGE[at : at + 100_000])
                attempt.reached(name, draft.bytes)
                if count + 1 >= self._free:
                    self.begun.set()
                    while not self.go.wait(0.02):
                        if attempt.cancelled():
                            raise FetchCancelled("stopped", hint="")
                if attempt.cancelled():
                    raise FetchCancelled("stopped", hint="")


class Session:
    """One who fetches in a thread of his own."""

    def __init__(self, pool: ThreadPoolExecutor, fetcher: Fetcher, pull: Steps, turn: Turn = FRONT, case: str = CASE):
        self.stop, self.notes, self.done = threading.Event(), list[str](), list[int]()
        self.future = pool.submit(fetcher.get, want(case), pull, self._report, self.stop.is_set, turn)

    def _report(self, done: int, total: int | None, note: str) -> None:
        self.done.append(done)
        self.notes.append(note)

    def outcome(self) -> Outcome:
        return self.future.result(LONG_S)


def fetcher_on(folder: Path, places: int = 6) -> Fetcher:
    return Fetcher(Cache(folder), check_file, promised_bytes, Turns(places))


def whole(outcome: Outcome) -> bool:
    kept = outcome.files["dwi"]
    return kept is not None and kept.path.read_bytes() == IMAGE


def test_when_the_one_who_transfers_stops_a_watcher_goes_on_from_the_part(tmp_path: Path) -> None:
    fetcher, first, second = fetcher_on(tmp_path), Steps(), Steps(free=100)
    with ThreadPoolExecutor(3) as pool:
        owner = Session(pool, fetcher, first)
        assert first.begun.wait(LONG_S)
        watchers = [Session(pool, fetcher, second) for _ in range(2)]
        wait_for(lambda: all(500_000 in watcher.done for watcher in watchers))
        owner.stop.set()
        with pytest.raises(FetchCancelled):
            owner.outcome()
        assert all(whole(watcher.outcome()) for watcher in watchers)
    assert second.froms == [500_000]
    assert all(watcher.done == sorted(watcher.done) for watcher in watchers)
    assert drafts(tmp_path) == []


def test_ten_sessions_on_the_hub_of_whom_some_stop(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    server.bandwidth = 2_000_000.0
    users = [StopAt(300_000 * number if number % 3 else 10**9) for number in range(10)]

    def one(user: StopAt) -> Fetched | None:
        try:
            return source.fetch(CASE, NAMES, user.report, user.cancelled)
        except FetchCancelled:
            return None

    with ThreadPoolExecutor(10) as pool:
        fetched = list(pool.map(one, users))
    for number in (0, 3, 6, 9):
        found = fetched[number]
        assert found is not None
        check(found)
    assert drafts(tmp_path) == []


def test_who_leaves_a_prefetch_demotes_it(tmp_path: Path) -> None:
    fetcher, behind, mine = fetcher_on(tmp_path), Steps(), Steps()
    with ThreadPoolExecutor(2) as pool:
        prefetch = Session(pool, fetcher, behind, BACK)
        assert behind.begun.wait(LONG_S)
        watcher = Session(pool, fetcher, mine)
        wait_for(fetcher.turns.busy)
        watcher.stop.set()
        with pytest.raises(FetchCancelled):
            watcher.outcome()
        assert not fetcher.turns.busy()
        behind.go.set()
        assert whole(prefetch.outcome())


def test_a_prefetch_without_room_does_not_fail_those_who_wait_for_it(tmp_path: Path) -> None:
    fetcher, mine = fetcher_on(tmp_path), Steps(free=100)
    begun, go = threading.Event(), threading.Event()

    def full(names: Sequence[str], attempt: Attempt) -> None:
        begun.set()
        assert go.wait(LONG_S)
        raise DiskFull("the disk is full", hint="free some space")

    with ThreadPoolExecutor(2) as pool:
        prefetch = pool.submit(fetcher.get, want(), full, lambda *_: None, never, BACK)
        assert begun.wait(LONG_S)
        watcher = Session(pool, fetcher, mine)
        wait_for(fetcher.turns.busy)
        go.set()
        with pytest.raises(DiskFull):
            prefetch.result(LONG_S)
        assert whole(watcher.outcome())


def test_a_source_says_what_a_transfer_waits_for(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source, seen = reader(server, tmp_path), list[Progress]()
    check(source.fetch(CASE, NAMES, seen.append))
    assert seen[-1].done == seen[-1].total and seen[-1].note == ""
    done = [progress.done for progress in seen]
    assert done == sorted(done)


def test_the_sources_of_a_process_share_its_places(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    cache, settings = Cache(tmp_path), settings_for(server, tmp_path)
    fetcher, begun = make_fetcher(cache), threading.Event()
    one, two = (open_hub(REPO, revision, settings, cache, PATIENT, fetcher) for revision in (COMMIT, "main"))
    two.refresh()
    server.bandwidth = 250_000.0  # 12 s for the case

    def report(progress: Progress) -> None:
        begun.set()

    with ThreadPoolExecutor(1) as pool:
        front = pool.submit(one.fetch, CASE, NAMES, report)
        assert begun.wait(LONG_S)
        with pytest.raises(FetchCancelled, match="in the background gave way"):
            two.fetch(CASE, NAMES[:1], turn=BACK)
        server.bandwidth = None
        check(front.result(LONG_S))
