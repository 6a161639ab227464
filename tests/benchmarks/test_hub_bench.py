"""The Hub's benchmark, on shards of a few KB: its lanes run, are held against the truth, and are told in the tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hub import LaneFailed, measure, turns
from benchmarks.hub_lanes import CASE, LANES, WAYS
from benchmarks.hub_report import Run, as_json, brief, detailed, judged, rows_of, targets_of
from benchmarks.hub_task import Task
from benchmarks.hub_world import World, column_spans, world

FLOOR, OURS = LANES["floor: one ranged GET of exactly these bytes"], LANES["Strokescope, footer unknown"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world"), scale=0.001, count=2) as made:
        yield made


def test_two_lanes_run_and_leave_nothing(built: World, tmp_path: Path) -> None:
    floor = measure(FLOOR, built, "loopback", 0, tmp_path / "lane")
    first, last = built.task.span
    assert (floor.requests, floor.served_mb, floor.seconds > 0, floor.rss_mb > 1) == (
        1, (last + 1 - first) / 1e6, True, True,
    )  # fmt: skip
    ours = measure(OURS, built, "loopback", 0, tmp_path / "lane")
    assert ours.served_mb >= floor.served_mb and ours.requests >= 2 and ours.disk_mb > 0
    assert list(tmp_path.iterdir()) == []


def test_a_lane_that_reads_something_else_fails(built: World, tmp_path: Path) -> None:
    lying = dataclasses.replace(built, truth={**built.truth, "span": "0" * 64})
    with pytest.raises(LaneFailed, match="instead of"):
        measure(FLOOR, lying, "loopback", 0, tmp_path / "lane")


def test_a_task_survives_the_way_to_another_process(built: World) -> None:
    assert Task.from_json(built.task.to_json()) == built.task


def test_the_truth_comes_from_the_shard(built: World, tmp_path: Path) -> None:
    assert built.truth["count"] == "2" and built.truth["header"] == "256x256x32x1"
    with pytest.raises(OSError, match="No such file"):
        column_spans(tmp_path / "none.parquet")


def run(title: str, repeat: int, seconds: float, line: str = "WAN", rss: float = 70.0) -> Run:
    return Run(line, CASE, title, repeat, seconds, 8.0, 1, rss, 8.0)


def test_ratios_are_medians_of_pairs_within_a_repeat() -> None:
    known = "Strokescope, footer known"
    floors = [run(FLOOR.title, n, s) for n, s in enumerate((1.0, 10.0, 2.0))]
    runs = [*(run(known, n, s) for n, s in enumerate((1.1, 12.0, 2.5))), *floors]
    row = next(row for row in rows_of(runs) if row.title == known)
    assert (row.times_floor, row.bytes_floor, row.seconds, row.fastest) == (1.2, 1.0, 2.5, 1.1)
    assert all(target.met for target in targets_of(rows_of(runs)))
    slow = [*floors, *(run(known, n, 20.0, rss=151.0) for n in range(3))]
    broken = [target.what for target in targets_of(rows_of(slow)) if not target.met]
    assert len(broken) == 2 and "seconds" in broken[0] and "RSS" in broken[1]
    assert judged(targets_of(rows_of(slow))).count("BROKEN") == 2


def test_the_tables_show_every_way_and_a_dash_where_none_ran() -> None:
    runs = [run(FLOOR.title, 0, 0.5, "loopback"), run(FLOOR.title, 0, 1.0), run(OURS.title, 0, 1.5)]
    rows = rows_of(runs)
    ours = next(line for line in brief(rows).splitlines() if OURS.title in line)
    assert ours == f"| {OURS.title} | 8.00 | 1 | – | 1.50 (1.5) | 70 | 8.00 |"
    assert detailed(rows).count(FLOOR.title) == 2
    assert len({line.count("|") for line in brief(rows).splitlines()}) == 1
    found = json.loads(as_json({"repeats": 1}, runs, rows, targets_of(rows)))
    assert len(found["runs"]) == 3 and len(found["rows"]) == 3


def test_everyone_is_measured_as_often_and_lanes_prepare_by_lanes_that_exist() -> None:
    order = list(turns(WAYS, ("loopback", "WAN"), 2))
    assert len(order) == len(set(order)) == 4 * len(WAYS)
    assert all(lane.prepare in LANES for lane in WAYS if lane.prepare)
    assert all(any(other.group == lane.group and "floor" in other.title for other in WAYS) for lane in WAYS)
