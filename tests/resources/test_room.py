"""Room: the least that any limit leaves, asked anew where that is cheap, remembered and corrected where it is not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.disk import FileSystem, Usage, stat_filesystem
from core.resources.room import FRESH_S, LIMIT_S, MOST_RESERVE, Room, bytes_left
from core.settings import Settings

MB, GB = 10**6, 10**9
SIZES = st.integers(1, 10**13)


class World:
    """What the seams say; `walks` counts the measurements, each of which takes `takes_s`."""

    def __init__(self, used: int = 0, filesystem: FileSystem | None = None, takes_s: float = 0.0) -> None:
        self.used, self.filesystem, self.takes_s = used, filesystem, takes_s
        self.now, self.complete = 0.0, True
        self.limits: list[float] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def measure(self, settings: Settings, limit_s: float) -> Usage:
        self.limits.append(limit_s)
        self.now += self.takes_s
        self.begun.set()
        assert self.go.wait(30)
        return Usage(self.used, self.used, self.complete)

    @property
    def walks(self) -> int:
        return len(self.limits)

    def room(self, folder: Path, **values: object) -> Room:
        settings = Settings(cache_dir=folder / "cache", state_dir=folder / "state", **values)  # type: ignore[arg-type]
        return Room(settings, self.measure, lambda: self.filesystem, lambda: self.now)


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, max_size=2), st.none() | st.tuples(SIZES, SIZES), SIZES, SIZES)
def test_the_tightest_limit_decides(limits: list[int], disk: tuple[int, int] | None, used: int, more: int) -> None:
    filesystem = FileSystem(sum(disk), disk[0], disk[1]) if disk else None
    left = bytes_left(limits, filesystem, used)
    assert all(used + left <= 0.9 * limit + 1 for limit in limits)
    if filesystem is not None:
        assert left < filesystem.free_bytes + 1
        assert left >= filesystem.free_bytes - MOST_RESERVE or limits
    assert 0 <= left - bytes_left(limits, filesystem, used + more) <= more
    assert bytes_left([*limits, 1000], filesystem, used) <= left


def test_a_small_file_system_alone_is_asked_anew_and_nothing_is_walked(tmp_path: Path) -> None:
    world = World(filesystem=FileSystem(64 * MB, 4 * MB, 60 * MB))
    room = world.room(tmp_path)
    assert room() == pytest.approx(60 * MB - 6.4 * MB, abs=1)
    world.filesystem = FileSystem(64 * MB, 63 * MB, 1 * MB)
    assert room() < 0
    assert world.walks == 0


def test_a_large_file_system_keeps_no_more_than_a_gigabyte(tmp_path: Path) -> None:
    assert World(filesystem=FileSystem(1000 * GB, 950 * GB, 50 * GB)).room(tmp_path)() == 49 * GB


def test_a_tier_is_measured_now_and_then_and_corrected_between(tmp_path: Path) -> None:
    world = World(used=3 * GB, filesystem=FileSystem(1000 * GB, 300 * GB, 700 * GB))
    room = world.room(tmp_path, space_id="a/b", accelerator="t4-small")
    assert room() == 42 * GB
    room.wrote(5 * GB)
    assert room() == 37 * GB
    room.wrote(-6 * GB)
    world.now += FRESH_S / 2
    assert (room(), world.walks) == (43 * GB, 1)
    world.used = 20 * GB
    world.now += FRESH_S
    assert (room(), world.walks) == (25 * GB, 2)
    assert world.limits[1] == LIMIT_S < world.limits[0]


def test_slow_measurements_are_believed_longer(tmp_path: Path) -> None:
    world = World(takes_s=5.0)
    room = world.room(tmp_path, disk_limit=GB)
    room()
    world.now += 9 * FRESH_S
    assert (room(), world.walks) == (900 * MB, 1)
    world.now += 2 * FRESH_S
    assert (room(), world.walks) == (900 * MB, 2)


def test_a_walk_that_ran_out_of_time_does_not_promise_more(tmp_path: Path) -> None:
    world = World(used=600 * MB)
    room = world.room(tmp_path, disk_limit=GB)
    room()
    room.wrote(100 * MB)
    world.used, world.complete, world.now = 50 * MB, False, FRESH_S
    assert room() == 200 * MB
    world.complete, world.now = True, 2 * FRESH_S
    assert room() == 850 * MB


def test_one_thread_measures_and_the_others_do_not_wait(tmp_path: Path) -> None:
    world = World(used=100 * MB)
    room = world.room(tmp_path, disk_limit=GB)
    assert room() == 800 * MB
    world.now, world.used = FRESH_S, 200 * MB
    world.begun.clear()
    world.go.clear()
    thread = threading.Thread(target=room)
    thread.start()
    assert world.begun.wait(30)
    assert room() == 800 * MB  # what was known
    world.go.set()
    thread.join()
    assert (room(), world.walks) == (700 * MB, 2)


@pytest.mark.parametrize("limit", [None, "100M"])
def test_the_real_disk(tmp_path: Path, limit: str | None) -> None:
    values = {"STROKESCOPE_CACHE_DIR": tmp_path / "cache", "STROKESCOPE_STATE_DIR": tmp_path / "state"}
    room = Room(Settings.model_validate({**values, "STROKESCOPE_DISK_LIMIT": limit}))
    found = stat_filesystem(tmp_path)
    assert found is not None
    assert room() <= found.free_bytes
    if limit and found.free_bytes > 2 * GB:
        (tmp_path / "cache").mkdir()
        before = room()
        assert before == int(0.9 * 100 * 2**20)
        (tmp_path / "cache" / "x").write_bytes(b"x" * MB)
        room.wrote(MB)
        assert room() == before - MB
