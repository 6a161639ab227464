"""Disk limits by tier, setting and file system; du that counts what is really there."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from core.resources.disk import (
    TIERS,
    FileSystem,
    Usage,
    at_least,
    decide_disk,
    disk_usage,
    measure_usage,
    stat_filesystem,
    tier_limit,
    writable_roots,
)
from core.settings import Settings

GB = 10**9
LARGE = FileSystem(1000 * GB, 300 * GB, 700 * GB)
FOREVER = float("inf")


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accelerator", "limit", "word"),
    [
        ("t4-small", 50 * GB, "tier t4-small"),
        ("l4x1", 400 * GB, "tier l4x1"),
        ("", 50 * GB, "tier cpu-basic"),
        ("none", 50 * GB, "tier cpu-basic"),
        ("zz900", 50 * GB, "not in our table"),
    ],
)
def test_tiers(tmp_path: Path, accelerator: str, limit: int, word: str) -> None:
    found = tier_limit(settings(tmp_path, space_id="a/b", accelerator=accelerator))
    assert found is not None
    assert found[0] == limit
    assert word in found[1]


def test_no_tier_off_a_space(tmp_path: Path) -> None:
    assert tier_limit(settings(tmp_path, space_id="", accelerator="t4-small")) is None


def test_unknown_tier_believes_the_person(tmp_path: Path) -> None:
    assert tier_limit(settings(tmp_path, space_id="a/b", accelerator="zz900", disk_limit="200G")) is None


def test_smallest_limit_with_its_use() -> None:
    usage = Usage(3 * GB, GB)
    reading = decide_disk((50 * GB, "tier t4-small"), None, LARGE, usage)
    assert (reading.limit_bytes, reading.limit_source, reading.used_bytes) == (50 * GB, "tier t4-small", 3 * GB)
    assert (reading.free_bytes, reading.cache_bytes) == (47 * GB, GB)
    reading = decide_disk((50 * GB, "tier t4-small"), 16 * GB, LARGE, usage)
    assert (reading.limit_bytes, reading.limit_source) == (16 * GB, "STROKESCOPE_DISK_LIMIT")
    reading = decide_disk(None, None, LARGE, usage)
    assert (reading.limit_source, reading.used_bytes, reading.free_bytes) == ("file system", 300 * GB, 700 * GB)


def test_a_full_file_system_is_told_under_a_larger_promise() -> None:
    nearly_full = FileSystem(1000 * GB, 999 * GB, GB)
    reading = decide_disk((50 * GB, "tier t4-small"), None, nearly_full, Usage(3 * GB, GB))
    assert reading.free_bytes == GB
    assert reading.fraction == pytest.approx(0.98)


def test_before_the_first_measurement() -> None:
    reading = decide_disk((50 * GB, "tier t4-small"), None, LARGE, None)
    assert (reading.used_bytes, reading.cache_bytes) == (None, None)


def test_used_more_than_allowed() -> None:
    reading = decide_disk(None, GB, LARGE, Usage(3 * GB, GB))
    assert (reading.free_bytes, reading.fraction) == (0, 1.0)


def test_no_file_system_answer() -> None:
    assert decide_disk(None, None, None, Usage(1, 1)).limit_bytes == min(TIERS.values())


def test_filesystem_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = stat_filesystem(tmp_path / "a" / "b")
    assert found is not None
    assert found.total_bytes == found.used_bytes + found.free_bytes


def test_du_agrees_with_du(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "small").write_bytes(b"x")
    os.link(tmp_path / "deep" / "er" / "file", tmp_path / "again")
    (tmp_path / "loop").symlink_to(tmp_path)
    total, complete = disk_usage([tmp_path], FOREVER, set())
    said = subprocess.run(["du", "-s", "-B1", str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert complete
    assert total == int(said.split()[0]) - tmp_path.stat().st_blocks * 512


def test_du_counts_holes_as_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**9)
    assert disk_usage([tmp_path], FOREVER, set())[0] < 10**6


def test_du_stops_in_time(tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / str(index)).mkdir()
    ticks = count()
    assert disk_usage([tmp_path], 3.0, set(), clock=lambda: float(next(ticks)))[1] is False


def test_usage_separates_the_cache(tmp_path: Path) -> None:
    mine = settings(tmp_path)
    for folder, size in ((mine.cache_dir, 40_000), (mine.state_dir, 8_000)):
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * size)
    usage = measure_usage(mine)
    assert usage.complete
    assert 40_000 <= usage.cache_bytes < usage.used_bytes
    assert 48_000 <= usage.used_bytes < 100_000


def test_nested_roots_count_once(tmp_path: Path) -> None:
    mine = Settings(cache_dir=tmp_path / ".cache" / "strokescope", state_dir=tmp_path / "state", space_id="a/b")
    roots = writable_roots(mine, home=tmp_path, scratch=tmp_path / "tmp")
    assert roots == (tmp_path / ".cache", tmp_path / "state", tmp_path / "tmp")
    mine.cache_dir.mkdir(parents=True)
    (mine.cache_dir / "file").write_bytes(b"x" * 50_000)
    inside, _ = disk_usage([mine.cache_dir], FOREVER, set())
    rest, _ = disk_usage(roots, FOREVER, set(), skip=frozenset({str(mine.cache_dir)}))
    assert inside >= 50_000
    assert rest < 20_000


def test_half_a_walk_does_not_say_that_files_have_gone() -> None:
    whole, half = Usage(40 * GB, GB), Usage(5 * GB, GB, complete=False)
    assert at_least(half, whole) == replace(whole, complete=False)
    assert at_least(half, None) == half and at_least(whole, half) == whole
    assert at_least(Usage(5 * GB, GB), whole).used_bytes == 5 * GB


def test_missing_folders_are_empty(tmp_path: Path) -> None:
    assert measure_usage(settings(tmp_path)) == Usage(0, 0, True)
