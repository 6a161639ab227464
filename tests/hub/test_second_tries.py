"""Second tries: after wrong bytes, from the start; after a full disk, from the part; and no third one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import BadVolume, DiskFull, HubCorrupt, HubServerError
from core.hub.attempt import Attempt
from core.hub.cache import Cache, Key
from core.hub.fetch import Fetcher, Want
from core.imaging.nifti import check_file, promised_bytes
from tests.hub.conftest import drafts
from tests.hub.large import CASE, images, reader, serve
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO

IMAGE = images()["dwi"]


def key(name: str) -> Key:
    return Key(REPO, COMMIT, CASE, name)


def wants(*names: str) -> dict[str, Want]:
    return {name: Want(key(name), len(IMAGE)) for name in names}


def never() -> bool:
    return False


def silent(done: int, total: int | None, note: str) -> None:
    """Nobody watches."""


def pull_right(names: Sequence[str], attempt: Attempt) -> None:
    for name in names:
        draft = attempt.resumed(name, 0, len(IMAGE)) or attempt.open(name, 0, len(IMAGE))
        draft.write(IMAGE[draft.bytes :])


def test_wrong_bytes_of_one_image_spoil_no_other(tmp_path: Path) -> None:
    fetcher, tries = Fetcher(Cache(tmp_path), check_file, promised_bytes), list[tuple[str, ...]]()

    def pull(names: Sequence[str], attempt: Attempt) -> None:
        tries.append(tuple(names))
        for name in names:
            draft = attempt.resumed(name, 0, len(IMAGE)) or attempt.open(name, 0, len(IMAGE))
            draft.write((IMAGE if name != "adc" else IMAGE[:-9] + bytes(9))[draft.bytes :])

    with pytest.raises(HubCorrupt, match=f"adc of {CASE}"):
        fetcher.get(wants("dwi", "adc", "cbf"), pull, silent, never)
    assert tries == [("dwi", "adc", "cbf"), ("adc",), ("cbf",)]
    assert fetcher.cache.held([key(name) for name in ("dwi", "adc", "cbf")]) == {"dwi", "cbf"}
    assert drafts(tmp_path) == []


def test_a_resumed_part_that_turns_out_wrong_was_the_first_try(tmp_path: Path) -> None:
    fetcher, begun = Fetcher(Cache(tmp_path), check_file, promised_bytes), list[int]()

    def pull(names: Sequence[str], attempt: Attempt) -> None:
        draft = attempt.resumed("dwi", 0, len(IMAGE))
        begun.append(draft.bytes if draft else 0)
        if len(begun) == 1:
            attempt.open("dwi", 0, len(IMAGE)).write(IMAGE[:600_000])
            raise HubServerError("the Hub answered with an error of its own (500)", hint="try again")
        draft = draft or attempt.open("dwi", 0, len(IMAGE))
        draft.write((IMAGE[:-9] + bytes(9))[draft.bytes :])

    with pytest.raises(HubServerError):
        fetcher.get(wants("dwi"), pull, silent, never)
    with pytest.raises(HubCorrupt, match=f"dwi of {CASE}"):
        fetcher.get(wants("dwi"), pull, silent, never)
    assert begun == [0, 600_000, 0]
    assert drafts(tmp_path) == []


def test_an_image_that_the_check_refuses_is_named(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise BadVolume("the header gives impossible voxel sizes", hint="check the header")

    tries: list[Sequence[str]] = []

    def pull(names: Sequence[str], attempt: Attempt) -> None:
        tries.append(names)
        pull_right(names, attempt)

    with pytest.raises(HubCorrupt, match=f"dwi of {CASE} is no image .*impossible voxel sizes"):
        Fetcher(Cache(tmp_path), refuse).get(wants("dwi"), pull, silent, never)
    assert len(tries) == 2
    assert drafts(tmp_path) == []


def test_wrong_bytes_for_ever_are_told_after_two_requests(server: HubServer, tmp_path: Path) -> None:
    serve(server)
    source = reader(server, tmp_path)
    server.reset_counts()
    server.faults.add(Fault("flip", "/resolve/", None))
    with pytest.raises(HubCorrupt, match=f"dwi of {CASE}"):
        source.fetch(CASE, ["dwi"])
    assert server.requests == 2
    assert drafts(tmp_path) == []


def test_what_was_complete_when_the_rest_broke_off_is_kept(tmp_path: Path) -> None:
    fetcher = Fetcher(Cache(tmp_path), check_file, promised_bytes)

    def broken(names: Sequence[str], attempt: Attempt) -> None:
        attempt.open("dwi", 0, len(IMAGE)).write(IMAGE)
        attempt.open("adc", 0, len(IMAGE)).write(IMAGE[:-1])
        raise HubServerError("the Hub answered with an error of its own (500)", hint="try again")

    with pytest.raises(HubServerError):
        fetcher.get(wants("dwi", "adc"), broken, silent, never)
    assert fetcher.cache.held([key("dwi"), key("adc")]) == {"dwi"}
    assert {path.name for path in drafts(tmp_path)} == {".part-adc", ".part-adc.json"}


class Disk:
    """A pull to a disk that is full in the image's middle, so many times."""

    def __init__(self, times: int) -> None:
        self.times, self.resumed = times, list[int]()

    def __call__(self, names: Sequence[str], attempt: Attempt) -> None:
        for name in names:
            draft = attempt.resumed(name, 0, len(IMAGE))
            self.resumed.append(draft.bytes if draft else 0)
            draft = draft or attempt.open(name, 0, len(IMAGE))
            self.times -= 1
            if self.times >= 0:
                draft.write(IMAGE[draft.bytes : len(IMAGE) // 2])
                raise DiskFull("the disk is full", hint="free some space")
            draft.write(IMAGE[draft.bytes :])


def test_a_full_disk_makes_room_and_goes_on_from_the_part(tmp_path: Path) -> None:
    fetcher = Fetcher(Cache(tmp_path), check_file, promised_bytes)
    with pytest.raises(DiskFull):  # nothing else is here that could go
        fetcher.get(wants("dwi"), Disk(1), silent, never)
    assert drafts(tmp_path) == []
    fetcher.get(wants("adc"), Disk(0), silent, never)
    disk = Disk(1)
    kept = fetcher.get(wants("dwi"), disk, silent, never).files["dwi"]
    assert kept is not None and kept.path.read_bytes() == IMAGE
    assert disk.resumed == [0, len(IMAGE) // 2]
    assert fetcher.cache.held([key("dwi"), key("adc")]) == {"dwi"}


def test_a_disk_that_stays_full_is_told_and_left_clean(tmp_path: Path) -> None:
    fetcher, disk = Fetcher(Cache(tmp_path), check_file, promised_bytes), Disk(3)
    fetcher.get(wants("adc"), Disk(0), silent, never)
    with pytest.raises(DiskFull):
        fetcher.get(wants("dwi"), disk, silent, never)
    assert disk.times == 1
    assert drafts(tmp_path) == []
