"""Charts draw the history against the limit, with fixed axes, and survive an empty one."""

from __future__ import annotations

import json

import pytest

from core.ui.charts import MINUTES, cpu_chart, memory_chart
from core.ui.style import ACCENT, AMBER, RED
from tests.ui.readings import GIB, reading


def test_lines_of_the_ladder() -> None:
    figure = memory_chart([reading(limit=10 * GIB)])
    heights = {round(shape.y0, 2): shape.line.color for shape in figure.layout.shapes}
    assert heights == {7.0: AMBER, 8.0: AMBER, 8.8: RED}
    assert figure.layout.yaxis.range == (0, 10.0)
    assert figure.layout.xaxis.range == (-MINUTES, 0)


def test_roles_are_stacked_and_the_rest_is_other() -> None:
    figure = memory_chart([reading(0.0), reading(120.0, used=8 * GIB)])
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces) == ["app", "worker", "other", "container, used"]
    assert list(traces["app"].y) == pytest.approx([0.5, 4.0])
    assert list(traces["other"].y) == pytest.approx([0.125, 1.0])
    assert list(traces["app"].x) == pytest.approx([-2.0, 0.0])
    assert traces["container, used"].line.color == ACCENT


def test_small_limits_are_in_mib() -> None:
    figure = memory_chart([reading(used=100 << 20, limit=500 << 20)])
    assert figure.layout.yaxis.title.text == "RAM, MiB"
    assert figure.layout.yaxis.range == (0, 500.0)


def test_zoom() -> None:
    assert memory_chart([reading(used=GIB)], zoom=True).layout.yaxis.range[1] == pytest.approx(1.25)


def test_empty_history_is_a_figure() -> None:
    for figure in (memory_chart([]), memory_chart([], zoom=True), cpu_chart([])):
        json.loads(figure.to_json())


def test_unknown_load_is_a_gap() -> None:
    figure = cpu_chart([reading(0.0, load=None), reading(2.0, load=50.0)])
    assert list(figure.data[0].y) == [None, 50.0]


def test_transparent() -> None:
    layout = memory_chart([reading()]).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
