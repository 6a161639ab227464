"""Listing against a Hub that fails, lingers or means harm: what is known is shown, and Cancel ends the work."""

from __future__ import annotations

import hashlib
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import FetchCancelled, HubError, HubOffline, HubTimeout
from core.hub import shards as shards_module
from core.hub.cache import Cache
from core.hub.catalog import Catalog
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled
from core.hub.ranges import Line
from core.hub.shards import held
from core.hub.thrift import MAX_VALUES, Odd, read_struct
from core.sources.hub import open_hub
from core.sources.protocol import Source, never
from tests.hub.conftest import PATIENT, settings_for, source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, case, shard
from tests.hubserver.shards import Options as Shape

LAST = "data/train-00002-of-00003.parquet"


def ids(source: Source) -> list[str]:
    return [c.case_id for c in source.listing().cases]


def lose_the_last(server: HubServer, folder: Path) -> None:
    """All footers but one are on disk, and that one's shard is out of order."""
    assert len(ids(source_on(server, folder, revision=None))) == 3
    (record,) = folder.rglob(f"{hashlib.sha256(LAST.encode()).hexdigest()[:24]}.json")
    record.unlink()
    server.faults.add(Fault("status", where="resolve.*00002-of", times=None))


def test_a_missing_footer_hides_no_other_case(server: HubServer, tmp_path: Path) -> None:
    lose_the_last(server, tmp_path)
    first, known = source_on(server, tmp_path, revision=None), "sub-stroke0001"
    assert ids(first) == [known, "sub-stroke0002"]
    image = first.fetch(known, ["dwi"]).files["dwi"].path
    settings = settings_for(server, tmp_path, HF_HUB_OFFLINE=True)
    offline = open_hub(REPO, None, settings, Cache(tmp_path), PATIENT)
    server.reset_counts()
    again = offline.listing()
    assert [c.case_id for c in again.cases] == [known, "sub-stroke0002"] and not again.complete
    assert offline.cached(known) == {"dwi"} and offline.fetch(known, ["dwi"]).files["dwi"].path == image
    with pytest.raises(HubOffline):
        offline.refresh()
    assert server.requests == 0


def test_what_did_not_come_is_asked_for_by_refresh_and_not_at_every_look(server: HubServer, tmp_path: Path) -> None:
    lose_the_last(server, tmp_path)
    source = source_on(server, tmp_path)
    listing = source.listing()
    assert not listing.complete
    server.reset_counts()
    assert source.listing() == listing and server.requests == 0
    server.faults.clear()
    assert source.refresh().complete
    assert source.listing().complete and len(ids(source)) == 3


def test_with_no_footer_at_all_the_failure_is_told(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {"a.parquet": shard([case(1)])})
        hub.faults.add(Fault("drop", where="resolve", times=None))
        source = source_on(hub, tmp_path)
        with pytest.raises(HubError):
            source.listing()
        hub.faults.clear()
        assert ids(source) == ["sub-stroke0001"]


def test_one_refresh_ends_after_its_total_time_and_the_next_goes_on(tmp_path: Path) -> None:
    files = {f"{n:02d}.parquet": shard([case(n, without=("ctp",))]) for n in range(40)}
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, files)
        client, now = Hub(hub.url, policies=PATIENT), [0.0]
        remote = [RemoteFile(REPO, COMMIT, path, len(data)) for path, data in files.items()]
        catalog = Catalog(client, REPO, COMMIT, tmp_path, files=remote, clock=lambda: now[0])
        hub.faults.add(Fault("silent", where="resolve.*39", times=None))  # so that it cannot all be there

        def late(done: int, total: int) -> None:
            now[0] += done and PATIENT.listing.total_s + 1

        with pytest.raises(HubTimeout, match=r"longer than 120 s; \d+ of 40 files") as caught:
            catalog.refresh(Line(client, PATIENT.listing, never), late)
        assert caught.value.hint
        assert 0 < len(catalog.known()) < 40
        hub.faults.clear()
        hub.reset_counts()
        missing = 40 - len(catalog.known())
        catalog.refresh(Line(client, PATIENT.listing, never))
        assert catalog.complete() and hub.requests == missing
        client.close()


def test_who_waits_for_a_lock_may_stop() -> None:
    lock = threading.Lock()
    with lock, pytest.raises(FetchCancelled), held(lock, lambda: True):
        pytest.fail("it is not ours")
    with pytest.raises(FetchCancelled), held(lock, lambda: True):  # its turn comes after the cancel: nothing is read
        pytest.fail("it was stopped")
    with held(lock, never):
        assert lock.locked()
    assert not lock.locked()


def test_a_footer_has_as_many_values_as_hundreds_of_groups_need_and_no_more() -> None:
    groups = 20
    data = shard([case(n) for n in range(groups)], Shape(rows_per_group=1))
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    read_struct(footer, most=MAX_VALUES * groups // 300)
    many = b"\x19\xf8" + b"\xff\xff\x7f" + bytes(2**21)  # a list of two million texts of no length
    tracemalloc.start()
    try:
        with pytest.raises(Odd):
            read_struct(many)
        assert tracemalloc.get_traced_memory()[1] < 100_000  # its length alone is too much: nothing is read
    finally:
        tracemalloc.stop()


def test_a_cancel_does_not_wait_for_the_footers_of_others(server: HubServer, tmp_path: Path) -> None:
    source, stop = source_on(server, tmp_path), threading.Event()
    with ThreadPoolExecutor(1) as pool, shards_module._PARSING:
        refreshed = pool.submit(source.refresh, cancelled=stop.is_set)
        wait_for(lambda: server.requests >= 4)  # the tree's, and all footers
        stop.set()
        with pytest.raises(FetchCancelled):
            refreshed.result(30)
    assert source.refresh().complete


def wait_for(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not seen() and time.monotonic() < end:
        time.sleep(0.01)
    assert seen()


ASKS: dict[str, Callable[[Source, Cancelled], object]] = {
    "listing": lambda source, cancelled: source.listing(cancelled),
    "case": lambda source, cancelled: source.case("sub-stroke0001", cancelled),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("where", ["revision", "tree", "resolve"])
def test_a_cancel_ends_the_requests(
    server: HubServer, tmp_path: Path, where: str, ask: Callable[[Source, Cancelled], object]
) -> None:
    server.faults.add(Fault("silent", where=where, times=None))
    source, stop = source_on(server, tmp_path, revision=None), threading.Event()
    server.reset_counts()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, source, stop.is_set)
        wait_for(lambda: server.requests > 0)
        stop.set()
        begun = time.monotonic()
        with pytest.raises(FetchCancelled):
            answer.result(60)
        assert time.monotonic() - begun < 10  # 0.1 s; the deadline is 30 s
    time.sleep(1.0)  # what was sent before the cancel may still be on its way to be counted
    server.reset_counts()
    time.sleep(0.3)
    assert server.requests == 0
    server.faults.clear()
    assert len(ids(source)) == 3  # and the next question is not spoilt
