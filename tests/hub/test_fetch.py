"""Fetching: one transfer for all, a cancel for one, and nothing left behind."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import BadSettings, DiskFull, FetchCancelled, HubServerError
from core.hub.attempt import Attempt
from core.hub.cache import Cache, Kept, Key
from core.hub.draft import Draft
from core.hub.fetch import Fetcher, Want
from core.hub.shelf import disk_error
from core.imaging.nifti import check_file
from tests.hub.conftest import drafts, source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, nifti

NAMES = ("dwi", "adc", "lesion_mask")
IMAGE = nifti(1)


def wants(*names: str) -> dict[str, Want]:
    return {name: Want(Key(REPO, COMMIT, "sub-01", name), len(IMAGE)) for name in names}


def never() -> bool:
    return False


def silent(done: int, total: int | None, note: str) -> None:
    """Nobody watches."""


class Pulls:
    """A pull of IMAGE that counts, and waits for a sign before its last byte."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, names: Sequence[str], attempt: Attempt) -> None:
        for name in names:
            self.names.append(name)
            draft = attempt.open(name, 0, len(IMAGE))
            draft.write(IMAGE[:-1])
            attempt.reached(name, len(IMAGE) - 1)
            self.begun.set()
            assert self.go.wait(30)
            draft.write(IMAGE[-1:])
            attempt.reached(name, len(IMAGE))


def test_ten_threads_cause_one_transfer(tmp_path: Path) -> None:
    fetcher, pull = Fetcher(Cache(tmp_path), check_file), Pulls()
    seen: list[tuple[int, int | None]] = []

    def watch(done: int, total: int | None, note: str) -> None:
        seen.append((done, total))

    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(fetcher.get, wants("dwi"), pull, watch, never) for _ in range(10)]
        pull.begun.wait(30)
        pull.go.set()
        files = [future.result().files["dwi"] for future in futures]
    assert pull.names == ["dwi"]
    assert len({kept.path for kept in files if kept}) == 1
    assert all(total == len(IMAGE) and done <= len(IMAGE) for done, total in seen)


def test_ten_sessions_cause_one_transfer_from_the_hub(server: HubServer, tmp_path: Path) -> None:
    source = source_on(server, tmp_path)
    source.refresh()
    server.reset_counts()
    server.latency_s = 0.2
    with ThreadPoolExecutor(10) as pool:
        fetched = list(pool.map(lambda _: source.fetch("sub-stroke0001", NAMES), range(10)))
    assert server.requests == 1
    assert sum(f.requests for f in fetched) == 1
    assert all(set(f.files) == set(NAMES) for f in fetched)


def test_who_waits_goes_on_when_the_first_one_cancels(tmp_path: Path) -> None:
    fetcher, first, second = Fetcher(Cache(tmp_path), check_file), Pulls(), Pulls()
    stop = threading.Event()
    second.go.set()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(fetcher.get, wants("dwi"), first, silent, stop.is_set)
        assert first.begun.wait(30)
        watched = threading.Event()

        def watch(done: int, total: int | None, note: str) -> None:
            watched.set()

        follower = pool.submit(fetcher.get, wants("dwi"), second, watch, never)
        assert watched.wait(30)
        stop.set()
        first.go.set()
        with pytest.raises(FetchCancelled):
            leader.result()
        assert follower.result().files["dwi"] is not None
    assert (first.names, second.names) == (["dwi"], ["dwi"])
    assert drafts(tmp_path) == []


def test_who_waits_may_cancel_alone(tmp_path: Path) -> None:
    fetcher, pull = Fetcher(Cache(tmp_path), check_file), Pulls()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fetcher.get, wants("dwi"), pull, silent, never)
        assert pull.begun.wait(30)
        asked = iter([False, False])
        with pytest.raises(FetchCancelled):
            fetcher.get(wants("dwi"), pull, silent, lambda: next(asked, True))
        pull.go.set()
        assert leader.result().files["dwi"] is not None


def test_an_error_is_shared_and_then_forgotten(tmp_path: Path) -> None:
    fetcher = Fetcher(Cache(tmp_path), check_file)

    def broken(names: Sequence[str], attempt: Attempt) -> None:
        attempt.open(names[0]).write(IMAGE[:100])
        raise HubServerError("the Hub answered with an error of its own (500)", hint="try again")

    with pytest.raises(HubServerError):
        fetcher.get(wants("dwi"), broken, silent, never)
    assert drafts(tmp_path) == []
    pull = Pulls()
    pull.go.set()
    assert fetcher.get(wants("dwi"), pull, silent, never).files["dwi"] is not None


def test_a_full_disk_makes_room_once_and_then_says_so(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fetcher, pull = Fetcher(cache, check_file), Pulls()
    pull.go.set()
    fetcher.get(wants("adc"), pull, silent, never)

    class Disk:
        """Has room for as many images as evictions made."""

        calls = 0

        def __call__(self, names: Sequence[str], attempt: Attempt) -> None:
            self.calls += 1
            if cache.entries():
                attempt.open(names[0]).write(IMAGE[:50])
                raise disk_error(OSError(errno.ENOSPC, "no space"))
            pull(names, attempt)

    disk = Disk()
    assert fetcher.get(wants("dwi"), disk, silent, never).files["dwi"] is not None
    assert [entry.modality for entry in cache.entries()] == ["dwi"]
    with cache.lease([cache.entries()[0].path]), pytest.raises(DiskFull):
        fetcher.get(wants("cbf"), disk, silent, never)
    assert disk.calls == 3
    assert drafts(tmp_path) == []


def test_an_image_that_is_asked_for_too_is_not_evicted_for_another(tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda: 3 * len(IMAGE) // 2 - sum(path.stat().st_size for path in tmp_path.rglob("*.gz")))
    fetcher, pull = Fetcher(cache, check_file), Pulls()
    pull.go.set()
    dwi = fetcher.get(wants("dwi"), pull, silent, never).files["dwi"]
    with pytest.raises(DiskFull, match="in use"):
        fetcher.get(wants("dwi", "adc"), pull, silent, never)
    assert dwi is not None and dwi.path.exists() and pull.names == ["dwi"]
    assert fetcher.get(wants("adc"), pull, silent, never).files["adc"] is not None
    assert not dwi.path.exists()


def test_what_is_finished_is_not_evicted_before_the_fetch_returns(tmp_path: Path) -> None:
    cache, pull = Cache(tmp_path), Pulls()
    fetcher = Fetcher(cache, check_file)
    pull.go.set()
    fetcher.get(wants("dwi"), pull, silent, never)

    def greedy(names: Sequence[str], attempt: Attempt) -> None:
        assert cache.clear() == 0
        pull(names, attempt)

    assert all(
        kept and kept.path.exists() for kept in fetcher.get(wants("dwi", "adc"), greedy, silent, never).files.values()
    )
    assert cache.clear() > len(IMAGE)  # nothing stays on lease


def test_an_image_that_goes_before_it_could_be_leased_is_fetched_again(tmp_path: Path) -> None:
    class Hasty(Cache):
        """Somebody removes the first image at once."""

        gone = False

        def keep(self, key: Key, draft: Path, suffix: str, sha256: str, place: str = "") -> Kept:
            kept = super().keep(key, draft, suffix, sha256, place)
            if not self.gone:
                self.gone = self.clear() > 0
            return kept

    fetcher, pull = Fetcher(Hasty(tmp_path), check_file), Pulls()
    pull.go.set()
    kept = fetcher.get(wants("dwi"), pull, silent, never).files["dwi"]
    assert kept is not None and kept.path.exists() and pull.names == ["dwi", "dwi"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where a folder should be")
    with pytest.raises(BadSettings, match="cache folder"):
        Draft(Cache(tmp_path), Key(REPO, COMMIT, "sub-01", "dwi"))


def test_a_cancelled_fetch_from_the_hub_leaves_nothing(server: HubServer, tmp_path: Path) -> None:
    source = source_on(server, tmp_path)
    source.refresh()
    server.bandwidth = 100_000
    stop = threading.Event()
    with pytest.raises(FetchCancelled):
        source.fetch("sub-stroke0001", NAMES, lambda p: stop.set() if p.done else None, stop.is_set)
    assert drafts(tmp_path) == []
    assert source.cached("sub-stroke0001") == frozenset()
    server.bandwidth = None
    assert set(source.fetch("sub-stroke0001", NAMES).files) == set(NAMES)
