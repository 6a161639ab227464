"""Images that are not packed: a page's checksum is held against them, and without one they are fetched twice."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import HubCorrupt, HubNotFound, HubServerError
from core.hub.page import find_value, is_summed, walk_pages
from core.hub.thrift import Odd
from tests.hub.conftest import drafts, source_on
from tests.hub.test_page import chunk_of
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, nifti, shard

CASE = "sub-stroke0001"
IMAGE = nifti(3, (80, 80, 80), packed=False)  # large enough to be kept as a part
WAYS = {
    "plain": {"compression": "NONE", "use_dictionary": False},
    "version 2": {"compression": "NONE", "use_dictionary": False, "data_page_version": "2.0"},
    "SNAPPY": {"compression": "SNAPPY", "use_dictionary": False},
    "dictionary": {"compression": "NONE", "use_dictionary": True},
}


def serve(server: HubServer, way: str, checksum: bool) -> None:
    """A dataset of one image that is not packed."""
    table = pq.read_table(io.BytesIO(shard([Case(CASE, {"dwi": IMAGE})], columns=["dwi"])))
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=checksum, **WAYS[way])
    server.add_dataset(REPO, COMMIT, {"data/train-00000-of-00001.parquet": sink.getvalue()})


def flips(server: HubServer, times: int | None) -> None:
    server.faults.add(Fault("flip", where="resolve", times=times))


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_flipped_byte_is_noticed_and_fetched_again(tmp_path: Path, way: str, checksum: bool) -> None:
    with HubServer() as server:
        serve(server, way, checksum)
        source = source_on(server, tmp_path)
        source.refresh()
        flips(server, 1)
        fetched = source.fetch(CASE, ["dwi"])
        assert fetched.files["dwi"].path.read_bytes() == IMAGE
        assert fetched.requests == (2 if checksum else 4 if way in ("plain", "version 2") else fetched.requests)
        assert drafts(tmp_path) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_checksum_that_is_never_right_is_an_error(tmp_path: Path, way: str) -> None:
    with HubServer() as server:
        serve(server, way, checksum=True)
        source = source_on(server, tmp_path)
        source.refresh()
        flips(server, None)
        with pytest.raises(HubCorrupt):
            source.fetch(CASE, ["dwi"])
        assert source.cached(CASE) == frozenset()
        assert drafts(tmp_path) == []


def test_answers_that_always_differ_are_an_error(tmp_path: Path) -> None:
    with HubServer() as server:
        serve(server, "plain", checksum=False)
        source = source_on(server, tmp_path)
        source.refresh()
        for times in (1, 1):  # the first and the third answer: those that are written down
            server.faults.add(Fault("flip", where="resolve", times=times), Fault("delay", where="resolve", times=1))
        with pytest.raises(HubCorrupt, match="differently"):
            source.fetch(CASE, ["dwi"])
        assert source.cached(CASE) == frozenset()
        assert drafts(tmp_path) == []


def test_without_a_fault_it_costs_a_second_request_and_with_a_checksum_none(tmp_path: Path) -> None:
    for checksum, requests in ((False, 2), (True, 1)):
        with HubServer() as server:
            serve(server, "plain", checksum)
            source = source_on(server, tmp_path / str(checksum))
            source.refresh()
            fetched = source.fetch(CASE, ["dwi"])
            assert (fetched.requests, fetched.bytes_fetched // len(IMAGE)) == (requests, requests)


def test_what_broke_off_before_the_comparison_is_compared_later(tmp_path: Path) -> None:
    with HubServer() as server:
        serve(server, "plain", checksum=False)
        source = source_on(server, tmp_path)
        source.refresh()
        server.faults.add(Fault("delay", where="resolve", times=1), Fault("status", where="resolve", times=None))
        with pytest.raises(HubServerError):
            source.fetch(CASE, ["dwi"])
        assert source.cached(CASE) == frozenset()  # whole, but nothing vouches for it
        server.faults.clear()
        flips(server, 1)
        fetched = source_on(server, tmp_path).fetch(CASE, ["dwi"])  # the comparison is what is flipped
        assert fetched.files["dwi"].path.read_bytes() == IMAGE


def test_a_part_keeps_the_checksum_of_its_page(tmp_path: Path) -> None:
    with HubServer() as server:
        serve(server, "plain", checksum=True)
        source = source_on(server, tmp_path)
        source.refresh()
        server.faults.add(Fault("truncate", where="resolve"), Fault("status", where="resolve", status=404, times=None))
        with pytest.raises(HubNotFound):
            source.fetch(CASE, ["dwi"])
        server.faults.clear()
        flips(server, 1)
        fetched = source_on(server, tmp_path).fetch(CASE, ["dwi"])
        assert fetched.files["dwi"].path.read_bytes() == IMAGE


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_sums_of_a_page(version: str) -> None:
    value = bytes(range(256)) * 10
    chunk = bytearray(chunk_of(value, data_page_version=version, write_page_checksum=True))
    found = find_value(bytes(chunk), len(chunk), has_levels=True)
    assert found is not None and found.page is not None
    assert zlib.crc32(value, found.page[0]) == found.page[1]
    assert is_summed(bytes(chunk))
    walk_pages(bytes(chunk))
    chunk[-5] ^= 1
    with pytest.raises(Odd):
        walk_pages(bytes(chunk))
    bare = chunk_of(value, data_page_version=version)
    assert not is_summed(bare)
