"""Ranges: exactly the bytes asked for, or an error."""

from __future__ import annotations

import pytest

from core.errors import DiskFull, FetchCancelled, HubCorrupt, HubTimeout
from core.hub.client import Hub, RemoteFile
from core.hub.ranges import Line, copy_range, copy_whole, read_range, read_tail
from tests.hub.conftest import IMPATIENT, PATIENT, PERSISTENT
from tests.hubserver import Fault, HubServer
from tests.hubserver.faults import Kind
from tests.hubserver.shards import COMMIT, REPO

PATH = "data/train-00000-of-00003.parquet"
FILE = RemoteFile(REPO, COMMIT, PATH)


@pytest.fixture
def content(shards: dict[str, bytes]) -> bytes:
    return shards[PATH]


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub, PATIENT.transfer, lambda: False)


@pytest.fixture
def persistent_line(persistent: Hub) -> Line:
    return Line(persistent, PERSISTENT.transfer, lambda: False)


@pytest.fixture
def impatient_line(impatient: Hub) -> Line:
    return Line(impatient, IMPATIENT.transfer, lambda: False)


def test_one_request_for_one_range(server: HubServer, line: Line, content: bytes) -> None:
    assert read_range(line, FILE, 100, 5000) == content[100:5000]
    assert (line.traffic.requests, line.traffic.bytes) == (1, 4900)
    assert server.seen[0].range == "bytes=100-4999"


def test_nothing_costs_nothing(server: HubServer, line: Line) -> None:
    assert read_range(line, FILE, 7, 7) == b""
    assert server.requests == 0


def test_the_tail_tells_the_size(line: Line, content: bytes) -> None:
    assert read_tail(line, FILE, 1000) == (content[-1000:], len(content))
    assert read_tail(line, FILE, 10**9) == (content, len(content))
    known = RemoteFile(REPO, COMMIT, PATH, size=len(content))
    assert read_tail(line, known, 1000) == (content[-1000:], len(content))


def test_a_server_without_tails_is_noticed(server: HubServer, line: Line) -> None:
    server.faults.add(Fault("ignore_range"))
    assert read_tail(line, FILE, 1000) is None


@pytest.mark.parametrize("kind", ["reset", "truncate", "short", "ignore_range", "shifted"])
def test_a_fault_once_is_overcome(server: HubServer, line: Line, content: bytes, kind: Kind) -> None:
    server.faults.add(Fault(kind))
    assert read_range(line, FILE, 100, 60_000) == content[100:60_000]


@pytest.mark.parametrize("kind", ["hang", "silent", "drip"])
def test_a_stall_once_is_overcome(server: HubServer, persistent_line: Line, content: bytes, kind: Kind) -> None:
    server.faults.add(Fault(kind, delay_s=0.05))
    assert read_range(persistent_line, FILE, 100, 60_000) == content[100:60_000]


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_a_broken_transfer_goes_on_where_it_stopped(server: HubServer, line: Line, content: bytes, kind: Kind) -> None:
    server.faults.add(Fault(kind))
    assert read_range(line, FILE, 0, 60_000) == content[:60_000]
    assert sum(server.bytes_served.values()) <= 60_000 + 65_536
    if kind == "truncate":  # a reset may take bytes with it that were on their way
        assert server.seen[1].range == "bytes=30000-59999"


@pytest.mark.parametrize("kind", ["short", "ignore_range", "shifted"])
def test_wrong_answers_for_ever_are_corrupt(server: HubServer, line: Line, kind: Kind) -> None:
    server.faults.add(Fault(kind, times=None))
    with pytest.raises(HubCorrupt):
        read_range(line, FILE, 100, 60_000)
    assert server.requests == 2


@pytest.mark.parametrize("kind", ["silent", "hang", "drip"])
def test_a_stall_for_ever_is_told(server: HubServer, impatient_line: Line, kind: Kind) -> None:
    server.faults.add(Fault(kind, times=None, delay_s=0.02))
    with pytest.raises(HubTimeout):
        read_range(impatient_line, FILE, 100, 60_000)


def test_a_file_of_another_size_is_corrupt(line: Line, content: bytes) -> None:
    with pytest.raises(HubCorrupt):
        read_range(line, RemoteFile(REPO, COMMIT, PATH, size=len(content) + 1), 0, 10)
    with pytest.raises(HubCorrupt):
        copy_whole(line, FILE, len(content) - 1, bytearray().extend)
    with pytest.raises(HubCorrupt):
        read_range(line, FILE, len(content), len(content) + 10)


def test_an_ignored_range_is_left_at_once(server: HubServer, line: Line, content: bytes) -> None:
    server.add_dataset(REPO, COMMIT, {PATH: bytes(20_000_000)})
    server.faults.add(Fault("ignore_range", times=None))
    with pytest.raises(HubCorrupt):
        read_range(line, FILE, 0, 10)
    assert line.traffic.bytes < 5_000_000


@pytest.mark.parametrize("kind", [None, "reset", "truncate", "hang"])
def test_a_whole_file(server: HubServer, persistent_line: Line, content: bytes, kind: Kind | None) -> None:
    if kind:
        server.faults.add(Fault(kind))
    got = bytearray()
    copy_whole(persistent_line, FILE, len(content), got.extend)
    assert got == content


def test_what_the_receiver_raises_is_not_asked_again(server: HubServer, line: Line) -> None:
    def full(data: bytes) -> None:
        raise DiskFull("the disk is full", hint="free some space")

    with pytest.raises(DiskFull):
        copy_range(line, FILE, 0, 1000, full)
    assert server.requests == 1


def test_a_cancel_ends_a_transfer(server: HubServer, hub: Hub) -> None:
    server.bandwidth = 200_000
    got = bytearray()
    line = Line(hub, PATIENT.transfer, lambda: len(got) > 0)
    with pytest.raises(FetchCancelled):
        copy_range(line, FILE, 0, 70_000, got.extend)
    assert len(got) < 70_000


def test_what_cannot_be_held_is_refused(line: Line) -> None:
    with pytest.raises(HubCorrupt):
        read_range(line, FILE, 0, 10**12)
