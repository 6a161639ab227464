"""Slots are whole or left out, go on where they stopped, and can be written when the disk is full."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.slots import PAYLOAD, SLOT, Slots, pack_slot, read_slots, unpack_slot


def test_the_newest_stay(tmp_path: Path) -> None:
    with Slots(tmp_path / "f", 4) as slots:
        for number in range(6):
            slots.write(b"%d" % number)
    assert [payload for _, payload in read_slots(tmp_path / "f").slots] == [b"2", b"3", b"4", b"5"]
    assert (tmp_path / "f").stat().st_size == 4 * SLOT
    with Slots(tmp_path / "f", 4) as slots:
        assert slots.write(b"6") == 6
    assert [number for number, _ in read_slots(tmp_path / "f").slots] == [3, 4, 5, 6]


def test_one_writer_at_a_time_when_asked(tmp_path: Path) -> None:
    with Slots(tmp_path / "f", 4, alone=True), pytest.raises(BlockingIOError):
        Slots(tmp_path / "f", 4, alone=True)
    Slots(tmp_path / "f", 4, alone=True).close()


@settings(max_examples=60)
@given(number=st.integers(0, 2**64 - 1), payload=st.binary(max_size=PAYLOAD), place=st.integers(0, SLOT - 1))
def test_a_flipped_byte_is_noticed(number: int, payload: bytes, place: int) -> None:
    slot = pack_slot(number, payload)
    assert unpack_slot(slot) == (number, payload)
    damaged = bytearray(slot)
    damaged[place] ^= 0x10
    assert unpack_slot(bytes(damaged)) in (None, (number, payload))  # behind the payload nothing counts
    if place < SLOT - PAYLOAD + len(payload):
        assert unpack_slot(bytes(damaged)) is None


@settings(max_examples=30)
@given(data=st.binary(max_size=3 * SLOT))
def test_strange_files_never_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("slots") / "f"
    path.write_bytes(data)
    assert read_slots(path).slots == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB that is really full when it is full."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("needs root and mount for a disk of its own")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write until the disk refuses."""
    with (folder / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError) as caught:
        while True:
            rest.write(b"x" * 4096)
    assert caught.value.errno == errno.ENOSPC


def test_a_full_disk_refuses_files_but_not_slots(small_disk: Path) -> None:
    slots = Slots(small_disk / "f", 8)
    fill(small_disk)
    for number in range(20):
        slots.write(b"%d" % number)
    assert len(read_slots(small_disk / "f").slots) == 8
    slots.close()
    with pytest.raises(OSError):
        Slots(small_disk / "g", 8)
