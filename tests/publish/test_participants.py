"""A table of many more people than the tree has images of, and one who does not want to wait for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.errors import PublishCancelled
from core.publish.participants import people_of
from core.publish.schema import schema_named
from core.publish.tables import Table
from core.publish.tree import scan
from core.publish.values import Wanted
from core.publish.walk import walk
from tests.publish.staged import MAKERS

AGE = {"age": Wanted("age", ("age",), "float")}


def people(count: int) -> Table:
    return Table(("participant_id", "age"), tuple({"participant_id": f"sub-{n}", "age": "40"} for n in range(count)))


def test_a_table_ten_times_as_long_takes_about_ten_times_as_long() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        people_of(people(count), AGE, (), lambda: None)
        return time.process_time() - began

    seconds(100)
    assert seconds(20_000) < 50 * max(seconds(2_000), 1e-3)


def test_values_are_kept_of_those_who_are_here_and_everybody_else_is_told() -> None:
    table = Table(people(5).heads, (*people(5).rows, {"participant_id": "2", "age": "41"}, {"participant_id": "9"}))
    found, troubles = people_of(table, AGE, {"sub-1", "sub-2"}, lambda: None)
    assert dict(found.values) == {"sub-1": {"age": 40.0}, "sub-2": {}}
    assert [one.detail for one in troubles if one.code == "participant-twice"] == ["sub-2"]
    told = [(one.code, one.detail) for one in found.unmatched({"sub-1", "sub-2", "sub-7"})]
    assert told == [
        ("participant-missing", "sub-7"),
        *(("participant-alone", name) for name in ("sub-0", "sub-3", "sub-4", "sub-9")),
    ]


@pytest.mark.parametrize("schema", ["isles24", "arc", "bids"])
def test_reading_a_folder_ends_when_the_user_stops(tmp_path: Path, schema: str) -> None:
    root = MAKERS[schema](tmp_path / "tree")
    asked, walked = 0, 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    def step() -> None:
        nonlocal walked
        walked += 1

    walk(root, pause=step)
    scan(root, schema_named(schema), count)
    assert asked > walked, "asked while the rows are made, too"
    for turn in (1, walked + 1, asked):
        at = iter(range(1, asked + 1))
        with pytest.raises(PublishCancelled):
            scan(root, schema_named(schema), lambda: next(at) >= turn)  # noqa: B023
