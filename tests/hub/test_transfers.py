"""Transfers among others: prefetches that give way, places that are taken, parts that are somebody else's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import FetchCancelled
from core.hub.attempt import Attempt
from core.hub.cache import Cache, Key
from core.hub.fetch import Fetcher, Want
from core.hub.locks import lock
from core.hub.turns import Turn, Turns
from core.imaging.nifti import check_file, promised_bytes
from tests.hub.conftest import drafts, source_on
from tests.hub.large import CASE, NAMES, StopAt, check, images, reader, serve
from tests.hub.other_process import wait_for
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, shard

LONG_S = 60.0
BEHIND = Turn("prefetch", background=True)
IMAGE = images()["dwi"]


def key(name: str) -> Key:
    return Key(REPO, COMMIT, CASE, name)


def wants(*names: str) -> dict[str, Want]:
    return {name: Want(key(name), len(IMAGE)) for name in names}


def never() -> bool:
    return False


def silent(done: int, total: int | None, note: str) -> None:
    """Nobody watches."""


class Slowly:
    """A pull of IMAGE that stops in its middle until it is told to go on, or cancelled."""

    def __init__(self) -> None:
        self.begun, self.go, self.resumed = threading.Event(), threading.Event(), list[int]()

    def __call__(self, names: Sequence[str], attempt: Attempt) -> None:
        for name in names:
            draft = attempt.resumed(name, 0, len(IMAGE))
            self.resumed.append(draft.bytes if draft else 0)
            draft = draft or attempt.open(name, 0, len(IMAGE))
            draft.write(IMAGE[draft.bytes : len(IMAGE) // 2])
            attempt.reached(name, draft.bytes)
            self.begun.set()
            while not self.go.wait(0.01):
                if attempt.cancelled():
                    raise FetchCancelled("stopped", hint="try again")
            draft.write(IMAGE[draft.bytes :])


def test_a_prefetch_gives_way_and_keeps_what_it_has(tmp_path: Path) -> None:
    fetcher, behind, front = Fetcher(Cache(tmp_path), check_file, promised_bytes), Slowly(), Slowly()
    with ThreadPoolExecutor(2) as pool:
        prefetch = pool.submit(fetcher.get, wants("dwi"), behind, silent, never, BEHIND)
        assert behind.begun.wait(LONG_S)
        browsed = pool.submit(fetcher.get, wants("adc"), front, silent, never, Turn("somebody"))
        with pytest.raises(FetchCancelled, match="gave way"):
            prefetch.result(LONG_S)
        with pytest.raises(FetchCancelled, match="gave way"):  # nor does another one begin
            fetcher.get(wants("cbf"), behind, silent, never, BEHIND)
        front.go.set()
        assert browsed.result(LONG_S).files["adc"] is not None
    behind.go.set()
    assert fetcher.get(wants("dwi"), behind, silent, never, BEHIND).files["dwi"] is not None
    assert behind.resumed == [0, len(IMAGE) // 2]


def test_a_prefetch_that_somebody_waits_for_is_a_prefetch_no_more(tmp_path: Path) -> None:
    fetcher, behind, front = Fetcher(Cache(tmp_path), check_file, promised_bytes), Slowly(), Slowly()
    joined = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        prefetch = pool.submit(fetcher.get, wants("dwi"), behind, silent, never, BEHIND)
        assert behind.begun.wait(LONG_S)

        def watch(done: int, total: int | None, note: str) -> None:
            joined.set()

        browsed = pool.submit(fetcher.get, wants("dwi"), front, watch, never)
        assert joined.wait(LONG_S)
        assert fetcher.turns.busy()
        other = pool.submit(fetcher.get, wants("adc"), front, silent, never)
        assert front.begun.wait(LONG_S)
        front.go.set()
        assert other.result(LONG_S).files["adc"] is not None
        behind.go.set()
        assert browsed.result(LONG_S).files == prefetch.result(LONG_S).files
    assert (behind.resumed, len(front.resumed)) == ([0], 1)


def test_a_prefetch_does_not_begin_without_requests_to_spare(tmp_path: Path) -> None:
    fetcher, pull = Fetcher(Cache(tmp_path), check_file), Slowly()
    pull.go.set()
    with pytest.raises(FetchCancelled):
        fetcher.get(wants("dwi"), pull, silent, never, BEHIND, lambda: False)
    assert fetcher.get(wants("dwi"), pull, silent, never, Turn(), lambda: False).transferred
    assert not fetcher.get(wants("dwi"), pull, silent, never, BEHIND, lambda: False).transferred  # it is here


def test_a_prefetch_leaves_what_another_process_fetches(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    with lock(tmp_path / key("adc").lock, never) as held, pytest.raises(FetchCancelled, match="gave way"):
        assert held  # as another process would
        source.fetch(CASE, NAMES, turn=BEHIND)
    check(source.fetch(CASE, NAMES, turn=BEHIND))


def test_who_waits_for_a_place_is_told_how_many_go_before(tmp_path: Path) -> None:
    fetcher, pull = Fetcher(Cache(tmp_path), check_file, turns=Turns(1)), Slowly()
    notes: dict[str, list[str]] = {"adc": [], "cbf": []}
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(fetcher.get, wants("dwi"), pull, silent, never)
        assert pull.begun.wait(LONG_S)
        rest = []
        for name, told in notes.items():

            def watch(done: int, total: int | None, note: str, told: list[str] = told) -> None:
                told.append(note)

            rest.append(pool.submit(fetcher.get, wants(name), pull, watch, never))
            wait_for(lambda told=told: bool(told))  # type: ignore[misc]
        wait_for(lambda: any("1 transfer before yours" in note for note in notes["cbf"]))
        pull.go.set()
        assert all(future.result(LONG_S).transferred for future in (first, *rest))
    assert notes["adc"][-1] == notes["cbf"][-1] == ""


def test_a_part_of_another_case_is_not_gone_on_with(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    server.bandwidth, user = 2_000_000, StopAt(600_000)
    with pytest.raises(FetchCancelled):
        source.fetch(CASE, ["dwi"], user.report, user.cancelled)
    server.bandwidth = None
    other = Case("sub-stroke0002", dict(images()))
    server.add_dataset("tester/other", COMMIT, {"data/0.parquet": shard([other], columns=("adc", *NAMES[::2]))})
    moved = source_on(server, tmp_path, "tester/other")
    folder = tmp_path / Key("tester/other", COMMIT, "sub-stroke0002", "dwi").folder
    folder.parent.mkdir(parents=True)
    shutil.copytree(tmp_path / key("dwi").folder, folder)
    fetched = moved.fetch("sub-stroke0002", ["dwi"])
    assert fetched.files["dwi"].path.read_bytes() == IMAGE
    assert fetched.bytes_fetched >= len(IMAGE)


def test_without_locks_it_works_but_leaves_nothing(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    (tmp_path / "locks").write_text("a file where a folder should be")
    server.bandwidth, user = 2_000_000, StopAt(1_500_000)
    with pytest.raises(FetchCancelled):
        source.fetch(CASE, NAMES, user.report, user.cancelled)
    assert drafts(tmp_path) == []
    server.bandwidth = None
    check(source.fetch(CASE, NAMES))
