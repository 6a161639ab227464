"""Gauges say what is used of which limit, in words as well as in colour."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.gpu import Gpu
from core.resources.reading import Reading
from core.ui.gauges import (
    disk_gauge,
    disk_to_limit_s,
    gauge_html,
    gpu_gauge,
    memory_gauge,
    of_limit,
    size,
    to_limit,
)
from tests.ui.readings import GB, GIB, disk, memory, reading


def test_one_gib_is_shown_as_one_gib() -> None:
    gauge = memory_gauge(memory(used=256 << 20, limit=GIB))
    assert (gauge.text, gauge.percent, gauge.source) == ("0.25 of 1.00 GiB", "25 %", "cgroup v2")


@pytest.mark.parametrize(("percent", "level"), [(69.9, "calm"), (70.0, "high"), (87.9, "high"), (88.0, "critical")])
def test_memory_ladder(percent: float, level: str) -> None:
    assert memory_gauge(memory(used=int(percent * 1000), limit=100_000)).level == level


def test_a_large_disk_of_ones_own_is_calm_while_many_gb_are_free() -> None:
    gauge = disk_gauge(disk(used=900 * GB, limit=1000 * GB, source="file system"))
    assert (gauge.percent, gauge.level) == ("90 %", "calm")
    assert disk_gauge(disk(used=996 * GB, limit=1000 * GB, source="file system")).level == "critical"


@pytest.mark.parametrize(("used", "level"), [(34, "calm"), (35, "high"), (44, "high"), (45, "critical")])
def test_disk_ladder(used: int, level: str) -> None:
    assert disk_gauge(disk(used=used * GB)).level == level


def test_disk_units_are_the_limits() -> None:
    assert disk_gauge(disk()).text == "3.00 of 50.0 GB"
    mine = disk(used=GIB, limit=16 * GIB, source="STROKESCOPE_DISK_LIMIT")
    assert disk_gauge(mine).text == "1.00 of 16.0 GiB"


def test_a_full_file_system_is_said() -> None:
    gauge = disk_gauge(disk(free=GB))
    assert gauge.text == "3.00 of 50.0 GB, only 1.00 GB free"
    assert gauge.level == "critical"


def test_disk_before_it_is_measured() -> None:
    gauge = disk_gauge(disk(used=None))
    assert (gauge.text, gauge.percent, gauge.level) == ("measuring, of 50.0 GB", "–", "calm")


@pytest.mark.parametrize("details", [False, True])
def test_never_colour_alone(details: bool) -> None:
    drawn = gauge_html(memory_gauge(memory(used=14 * GIB)), details=details)
    assert "<b>critical</b>" in drawn
    assert "93 %" in drawn
    assert "width:93.3%" in drawn
    assert "<b>" not in gauge_html(memory_gauge(memory()), details=details)


def test_more_than_all_stays_in_the_bar() -> None:
    drawn = gauge_html(memory_gauge(memory(used=3 * GIB, limit=GIB)))
    assert "width:100.0%" in drawn
    assert "300 %" in drawn


def test_names_cannot_inject() -> None:
    assert "<script>" not in gauge_html(disk_gauge(disk(source="<script>")), details=True)


def test_small_use_of_a_large_limit_keeps_its_own_unit() -> None:
    assert of_limit(61e6, 50e9, binary=False) == "61.0 MB of 50.0 GB"
    assert of_limit(0, 50e9, binary=False) == "0.00 of 50.0 GB"


@given(count=st.floats(0, 1e15), binary=st.booleans())
def test_a_size_reads_back(count: float, binary: bool) -> None:
    match = re.fullmatch(r"([\d.]+) ([kKMGT])i?B", size(count, binary=binary))
    assert match is not None
    step = 1024.0 if binary else 1000.0
    value = float(match[1]) * step ** (1 + "KMGT".index(match[2].upper()))
    assert value == pytest.approx(count, rel=0.006, abs=6.0)


@pytest.mark.parametrize(
    ("seconds", "told"), [(None, "–"), (12.4, "12 s"), (119.0, "119 s"), (600.0, "10 min"), (3601.0, "–")]
)
def test_time_to_limit(seconds: float | None, told: str) -> None:
    assert to_limit(seconds) == f"time to limit: {told}"
    assert f"time to limit: {told}" in gauge_html(memory_gauge(memory()), details=True, below=to_limit(seconds))


def grown(*used: int | None) -> list[Reading]:
    """A disk of 50 GB, measured every 15 s."""
    return [replace(reading(15.0 * n), disk=disk(used=None if u is None else u * GB)) for n, u in enumerate(used)]


@pytest.mark.parametrize(
    ("used", "seconds"),
    [
        ((), None),
        ((3,), None),
        ((3, 3, 3), None),
        ((3, 8, 8), None),
        ((3, 8, 13), 111.0),
        ((None, 3, 8, 13), 111.0),
        ((3, 8, 4, 13), None),
        ((10, 30, 50), 0.0),
    ],
)
def test_a_disk_that_grows_step_by_step(used: tuple[int | None, ...], seconds: float | None) -> None:
    found = disk_to_limit_s(grown(*used))
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.5))


def test_gpu() -> None:
    gauge = gpu_gauge(Gpu("Tesla T4", 16 * GIB, 15 * GIB, None))
    assert (gauge.text, gauge.percent, gauge.level) == ("15.0 of 16.0 GiB", "94 %", "critical")
    assert gpu_gauge(Gpu("strange", 0, 0, None)).fraction is None
