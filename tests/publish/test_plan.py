"""The plan: every row once and in its order, no shard beyond the limit, names as `datasets` finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadPlan, BadTree
from core.publish.plan import MOST_ROWS, MOST_SHARDS, Plan, make_plan, shard_name
from core.publish.rows import FileRef, Row
from core.publish.schema import Column, Schema
from core.publish.tree import Tree
from core.publish.writer import MAX_PAGE
from tests.publish.staged import built, noise, tree_of

SCHEMA = Schema(
    "bids", (Column("id", "string"), Column("image", "image"), Column("runs", "images")), one_row_per_shard=False
)


def tree(sizes: list[tuple[int, ...]], schema: Schema = SCHEMA) -> Tree:
    """Rows whose first size is an image's and whose others are runs'. No file is there."""
    rows = []
    for number, (first, *others) in enumerate(sizes):
        runs = tuple(FileRef(f"{number}/run-{at}.nii.gz", size, 1) for at, size in enumerate(others))
        image = (FileRef(f"{number}/image.nii.gz", first, 1),)
        rows.append(Row(f"row{number}", {"runs": runs, "image": image}, {"id": f"row{number}"}))
    return Tree(Path("/nowhere"), schema, tuple(rows))


def ids(plan: Plan) -> list[str]:
    return [row.row_id for shard in plan.shards for row in shard.rows]


@settings(max_examples=40)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=40),
    limit=st.integers(1000, 3 * 10**6),
)
def test_packed_rows_stay_below_the_limit_or_alone(sizes: list[tuple[int, ...]], limit: int) -> None:
    plan = make_plan(tree(sizes), limit)
    assert ids(plan) == [f"row{at}" for at in range(len(sizes))]
    for shard in plan.shards:
        assert shard.bytes <= limit or len(shard.rows) == 1
        assert shard.bytes > sum(file.bytes for file in shard.files)
        assert shard.name == shard_name("train", shard.index, len(plan.shards))
    assert list(plan.oversized) == [shard for shard in plan.shards if shard.bytes > limit]
    for one, other in zip(plan.shards, plan.shards[1:], strict=False):
        assert one.bytes + other.bytes > limit, "two neighbours would have fitted into one shard"


def test_the_size_that_is_planned_is_at_most_a_little_more_than_what_is_built(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 9, 500), limit=4500)
    assert 2 < len(plan.shards) < 9
    built(plan, tmp_path / "staging")
    for shard in plan.shards:
        size = (tmp_path / "staging" / shard.name).stat().st_size
        assert size <= shard.bytes <= size + 4000


def test_rows_of_isles24_and_arc_are_alone_however_small(tmp_path: Path) -> None:
    source = tree_of(tmp_path, "isles24")
    assert [shard.name for shard in make_plan(source).shards] == [
        f"data/train-{at:05d}-of-00003.parquet" for at in range(3)
    ]
    packed = make_plan(source, one_row_per_shard=False)
    assert len(packed.shards) == 1


def test_planning_opens_no_image(tmp_path: Path) -> None:
    source = noise(tmp_path, 2)
    for file in source.images:
        (tmp_path / file.path).unlink()
    assert len(make_plan(source, one_row_per_shard=True).shards) == 2


def test_there_are_not_too_many_rows_in_a_shard_nor_too_many_shards() -> None:
    assert len(make_plan(tree([(1,)] * (MOST_ROWS + 1))).shards) == 2
    with pytest.raises(BadPlan, match=f"{MOST_SHARDS + 1} shards"):
        make_plan(tree([(1,)] * (MOST_SHARDS + 1)), one_row_per_shard=True)


@pytest.mark.parametrize("sizes", [[(MAX_PAGE,)], [(1, MAX_PAGE // 2, MAX_PAGE // 2)]])
def test_what_no_shard_can_hold_is_refused(sizes: list[tuple[int, ...]]) -> None:
    with pytest.raises(BadPlan, match=r"has 2\.1 GB, a cell holds 2\.1 GB"):
        make_plan(tree(sizes))


def test_an_empty_file_no_rows_a_row_twice_and_a_name_that_is_no_text_are_refused() -> None:
    with pytest.raises(BadPlan, match=r"row1 .image. is an empty file"):
        make_plan(tree([(1,), (0,)]))
    with pytest.raises(BadPlan, match="no rows"):
        make_plan(tree([]))
    with pytest.raises(BadPlan, match="limit"):
        make_plan(tree([(1,)]), limit=0)
    row = tree([(1,)]).rows[0]
    with pytest.raises(BadPlan, match="twice"):
        make_plan(Tree(Path("/nowhere"), SCHEMA, (row, row)))
    two = Row("two", {"image": row.files["image"] * 2, "runs": ()}, {})
    with pytest.raises(BadPlan, match="several images"):
        make_plan(Tree(Path("/nowhere"), SCHEMA, (two,)))
    with pytest.raises(BadTree, match="'id'"):
        make_plan(Tree(Path("/nowhere"), SCHEMA, (Row("r", {}, {"id": 5}),)))
    odd = Row("odd", {"image": (FileRef(os.fsdecode(b"a\xff.nii"), 5, 1),), "runs": ()}, {})
    with pytest.raises(BadPlan, match="no UTF-8"):
        make_plan(Tree(Path("/nowhere"), SCHEMA, (odd,)))


def test_the_key_tells_rows_values_paths_and_sizes_apart_but_not_times() -> None:
    def key(path: str = "a", size: int = 5, time: int = 1, value: str = "x", column: str = "image") -> str:
        files = {"image": (), "runs": ()} | {column: (FileRef(path, size, time),)}
        return make_plan(Tree(Path("/nowhere"), SCHEMA, (Row("r", files, {"id": value}),))).shards[0].key

    assert key() == key(time=2)
    assert len({key(), key(path="b"), key(size=6), key(value="y"), key(column="runs")}) == 5
