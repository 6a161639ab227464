"""Charts tell the history against the limit, with a specification that stays the same from tick to tick."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.beats import Beat, Vitals
from core.resources.network import Network
from core.resources.pressure import Pressure
from core.ui import charts
from core.ui.charts import Chart, disk_chart, last_minutes_chart, memory_chart, network_chart, pressure_chart
from core.ui.style import AMBER, RED
from tests.ui.readings import GB, GIB, disk, reading


def rules(chart: Chart) -> list[tuple[float, str]]:
    """The ladder's lines of a chart."""
    lines = [layer for layer in chart.spec["layer"] if isinstance(layer["mark"], dict) and "color" in layer["mark"]]
    found = [(layer["encoding"].get("y", {}).get("datum"), layer["mark"]) for layer in lines]
    return [(round(y, 2), mark["color"]) for y, mark in found if y is not None and mark["type"] == "rule"]


def y_scale(chart: Chart) -> Mapping[str, Any]:
    """The vertical axis' scale."""
    found: list[Mapping[str, Any]] = [
        layer["encoding"]["y"]["scale"] for layer in chart.spec["layer"] if "scale" in layer["encoding"].get("y", {})
    ]
    assert all(one == found[0] for one in found)
    return found[0]


def test_lines_of_the_ladder() -> None:
    chart = memory_chart([reading(limit=10 * GIB)])
    assert rules(chart) == [(7.0, AMBER), (8.0, AMBER), (8.8, RED)]
    assert y_scale(chart)["domain"] == [0, 10.0]
    assert rules(disk_chart([reading()])) == [(35.0, AMBER), (40.0, AMBER), (45.0, RED)]


def test_roles_are_stacked_and_the_rest_is_other() -> None:
    columns = memory_chart([reading(0.0), reading(120.0, used=8 * GIB)]).columns
    assert list(columns) == ["ago", "app", "worker", "supervisor", "other", "container, used"]
    assert columns["ago"] == pytest.approx([-2.0, 0.0])
    assert columns["app"] == pytest.approx([0.5, 4.0])
    assert columns["other"] == pytest.approx([0.125, 1.0])
    assert columns["container, used"] == pytest.approx([1.0, 8.0])


def test_small_limits_are_in_mib() -> None:
    chart = memory_chart([reading(used=100 << 20, limit=500 << 20)])
    assert chart.spec["title"]["text"] == "RAM by process, MiB"
    assert y_scale(chart)["domain"] == [0, 500.0]


def test_zoom_leaves_the_limit_out() -> None:
    chart = memory_chart([reading(used=GIB)], zoom=True)
    assert "domain" not in y_scale(chart)
    assert rules(chart) == []
    assert charts.THE_REST not in disk_chart([reading()], zoom=True).columns


def test_disk_by_use_adds_up_to_what_is_used() -> None:
    now = replace(reading(), disk=replace(disk(used=3 * GB), parts=(("cache", GB), ("logs", GB // 2))))
    columns = disk_chart([now]).columns
    assert (columns["cache"], columns["logs"], columns["tmp"]) == ([1.0], [0.5], [0.0])
    assert columns[charts.THE_REST] == [1.5]
    unknown = replace(reading(), disk=disk(used=None))
    assert disk_chart([unknown]).columns["cache"] == [None]


def test_pressure_and_network_have_gaps_where_nobody_counts() -> None:
    known = replace(reading(2.0, load=50.0), pressure=Pressure(12.0, 5.0, 3.0, 1.0, "cgroup v2"))
    columns = pressure_chart([reading(0.0, load=None), known]).columns
    assert columns[charts.CPU] == [None, 50.0]
    assert columns[charts.WAITED] == [None, 12.0]
    assert columns[charts.STALLED] == [None, 3.0]
    counted = [replace(reading(2.0 * n), network=Network(n * 4_000_000, n * 1_000_000)) for n in range(3)]
    columns = network_chart([reading(-2.0), *counted]).columns
    assert columns[charts.RECEIVED] == pytest.approx([None, None, 2.0, 2.0])
    assert columns[charts.SENT] == pytest.approx([None, None, 0.5, 0.5])


@given(shift=st.floats(0, 1e6), used=st.lists(st.integers(0, 15 * GIB), min_size=2, max_size=5))
def test_new_readings_leave_the_specification_as_it_was(shift: float, used: list[int]) -> None:
    before = [reading(2.0 * n) for n in range(4)]
    after = [reading(shift + 2.0 * n, used=size) for n, size in enumerate(used)]
    for make in (memory_chart, disk_chart, pressure_chart, network_chart):
        one, other = make(before), make(after)
        assert json.dumps(one.spec) == json.dumps(other.spec)
        assert one.alt == other.alt
        assert list(one.columns) == list(other.columns)


def test_a_moment_that_is_pointed_at_is_there_again_after_the_next_tick() -> None:
    ticks = [0.0, 2.003, 3.998, 6.01]
    before = memory_chart([reading(tick) for tick in ticks[:3]]).columns["ago"]
    after = memory_chart([reading(tick) for tick in ticks]).columns["ago"]
    assert set(before) < set(after)


def test_two_readings_of_one_moment_do_not_stand_on_each_other() -> None:
    columns = memory_chart([reading(0.0), reading(9.7), reading(10.0, used=2 * GIB)]).columns
    assert columns["ago"] == pytest.approx([-10.0 / 60.0, 0.0])
    assert columns["app"] == pytest.approx([0.5, 1.0])


def test_empty_history_is_a_chart() -> None:
    for chart in (memory_chart([]), disk_chart([]), pressure_chart([]), network_chart([]), last_minutes_chart([])):
        json.dumps(chart.spec)
        assert {len(column) for column in chart.columns.values()} == {0}


def test_the_last_minutes_name_the_step() -> None:
    def beat(at: float, used: float | None, phase: str = "") -> Beat:
        return Beat(at, "r", "app", 1, None, Vitals(used, 10.0, None, 1.0, 10.0), phase=phase)

    chart = last_minutes_chart([beat(0.0, 1.0), beat(60.0, 5.0, "decode"), beat(120.0, 9.0, "decode")])
    assert chart.columns["ago"] == pytest.approx([-2.0, -1.0, 0.0])
    assert chart.columns["until"] == pytest.approx([-1.0, 0.0, 0.0])
    assert chart.columns["step"] == ["", "decode", "decode"]
    assert chart.columns["RAM"] == pytest.approx([10.0, 50.0, 90.0])
    assert chart.columns["disk"] == pytest.approx([10.0, 10.0, 10.0])
    assert last_minutes_chart([beat(0.0, None)]).columns["RAM"] == [None]
