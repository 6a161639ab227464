"""One shard: any rows come back through two independent readers, and no byte of it can change unseen."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadTree, PublishError, ShardDamaged
from core.hub.footer import footer_start, parse_footer
from core.hub.page import find_value
from core.publish.columns import Layout, lay_out, raw
from core.publish.readback import read_shard
from core.publish.rows import FileRef, Row
from core.publish.schema import Column, Schema, features
from core.publish.shard import compare, make_shard
from core.publish.writer import expected_bytes, write_rows
from tests.publish.staged import noise_file, plan_of

SCHEMA = Schema(
    "bids",
    (
        Column("subject_id", "string"),
        Column("dwi", "image"),
        Column("runs", "images"),
        Column("age", "float"),
        Column("count", "int"),
    ),
)
LAYOUT = lay_out(features(SCHEMA))


def silent(count: int) -> None: ...


@st.composite
def _rows(draw: st.DrawFn) -> list[tuple[dict[str, list[tuple[str, int]]], dict[str, Any]]]:
    """Rows as columns of (file name, size), and values."""
    name = st.text("aä😀 '\"$\\\u202e.", min_size=1, max_size=6).filter(lambda text: text not in (".", ".."))
    file = st.tuples(name.map(lambda text: f"{text}.nii.gz"), st.integers(1, 3000))
    return [
        (
            {"dwi": draw(st.lists(file, max_size=1)), "runs": draw(st.lists(file, max_size=40))},
            {
                "subject_id": draw(st.none() | st.text(max_size=300).filter(_is_utf8)),
                "age": draw(st.none() | st.floats(allow_nan=True)),
                "count": draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
            },
        )
        for _ in range(draw(st.integers(1, 3)))
    ]


def _is_utf8(text: str) -> bool:
    return not any(0xD800 <= ord(letter) < 0xE000 for letter in text)


def put(root: Path, rows: list[tuple[dict[str, list[tuple[str, int]]], dict[str, Any]]]) -> list[Row]:
    """Their files, and the rows as a scan would give them."""
    made = []
    for at, (columns, values) in enumerate(rows):
        files: dict[str, tuple[FileRef, ...]] = {}
        for column, held in columns.items():
            files[column] = tuple(noise_file(root, f"{at}{column}{n}/{name}", s, s) for n, (name, s) in enumerate(held))
        made.append(Row(str(at), files, values))
    return made


def held(cell: Any) -> list[tuple[str, bytes]]:
    """A cell as (name, bytes) of its images."""
    each = [cell] if isinstance(cell, dict) else cell or []
    return [(one["path"], one["bytes"]) for one in each]


@settings(max_examples=10)
@given(rows=_rows())
def test_any_rows_come_back_through_pyarrow(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[dict[str, list[tuple[str, int]]], dict[str, Any]]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    source, shard = put(root, rows), root / "out" / "a.parquet"
    made = make_shard(shard, root, source, LAYOUT, silent)
    assert made.bytes == shard.stat().st_size <= expected_bytes(source, LAYOUT)
    assert made.sha256 == hashlib.sha256(shard.read_bytes()).hexdigest()
    table = pq.read_table(shard)
    table.validate(full=True)
    for row, found in zip(source, table.to_pylist(), strict=True):
        for column, files in row.files.items():
            assert held(found[column]) == [(file.name, (root / file.path).read_bytes()) for file in files]
            assert (found[column] is None) == (not files)
        for column, value in row.values.items():
            lost = isinstance(value, float) and math.isnan(value)
            assert found[column] == (None if lost else value)
    assert [one.sha256 for one in made.sums] == [
        hashlib.sha256((root / file.path).read_bytes()).hexdigest() for row in source for file in row.images
    ]


def test_the_types_and_the_metadata_are_those_that_datasets_writes(tmp_path: Path) -> None:
    make_shard(tmp_path / "a.parquet", tmp_path, put(tmp_path, [({}, {})]), LAYOUT, silent)
    found = pq.read_schema(tmp_path / "a.parquet")
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert dict(zip(found.names, found.types, strict=True)) == {
        "subject_id": pa.string(),
        "dwi": image,
        "runs": pa.list_(pa.field("element", image)),
        "age": pa.float64(),
        "count": pa.int64(),
    }
    assert found.metadata == {b"huggingface": LAYOUT.metadata.encode()}


def test_the_dashboards_own_reader_finds_every_image_by_one_range(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "isles24")
    for shard in plan.shards:
        (row,) = shard.rows
        made = io.BytesIO()
        written = write_rows(made, plan.root, shard.rows, plan.layout, silent)
        data = made.getvalue()
        start = footer_start(data, len(data))
        assert written.footer == data[start:-8]
        footer = parse_footer(data[start:], len(data))
        assert not footer.unread, "the statistics prove every scalar"
        (found,) = footer.rows
        assert dict(found.scalars) == dict(row.values)
        for name, image in found.images.items():
            assert image.present == bool(row.files[name]) and image.plain
            if image.present:
                chunk = data[image.start : image.stop]
                value = find_value(chunk, len(chunk), image.levels)
                assert value is not None and value.page is not None
                assert chunk[value.start : value.stop] == (plan.root / row.files[name][0].path).read_bytes()


def test_no_byte_of_an_image_or_of_the_footer_changes_unseen(tmp_path: Path) -> None:
    rows = put(tmp_path, [({"dwi": [("a.nii", 300)], "runs": [("b.nii", 200), ("c.nii", 1)]}, {"subject_id": "x"})])
    place = tmp_path / "a.parquet"
    made = make_shard(place, tmp_path, rows, LAYOUT, silent)
    data, good = place.read_bytes(), read_shard(place)
    changed = tmp_path / "changed.parquet"
    for at in range(0, len(data), 11):
        changed.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        try:
            found = read_shard(changed)
        except ShardDamaged:
            continue
        assert found.sha256 != made.sha256
        assert set(found.images.values()) <= set(good.images.values()), "its page's checksum does not tell"
    for length in range(0, len(data), 37):
        changed.write_bytes(data[:length])
        with pytest.raises(ShardDamaged):
            read_shard(changed)


def test_what_is_read_is_held_against_the_source_in_every_cell(tmp_path: Path) -> None:
    cells = {"dwi": [("a.nii", 300)], "runs": [("b.nii", 200), ("c.nii", 1)]}
    (row,) = put(tmp_path, [(cells, {"subject_id": "x", "age": 5.0, "count": None})])
    made = make_shard(tmp_path / "a.parquet", tmp_path, [row], LAYOUT, silent)
    found = read_shard(tmp_path / "a.parquet")
    compare(found, [row], LAYOUT, made.sums)
    place = (0, "runs")
    wrong = (
        dataclasses.replace(found, values=({**found.values[0], "age": 6.0},)),
        dataclasses.replace(found, values=({**found.values[0], "count": 0},)),
        dataclasses.replace(found, values=found.values * 2),
        dataclasses.replace(found, images={**found.images, place: found.images[place][::-1]}),
        dataclasses.replace(found, images={**found.images, place: found.images[place][:1]}),
        dataclasses.replace(found, names={**found.names, place: ("b.nii", "d.nii")}),
        dataclasses.replace(found, metadata="{}"),
    )
    for other in wrong:
        with pytest.raises(ShardDamaged):
            compare(other, [row], LAYOUT, made.sums)
    with pytest.raises(ShardDamaged):
        compare(found, [row], LAYOUT, made.sums[::-1])


def test_what_is_there_stays_when_the_source_cannot_be_read(tmp_path: Path) -> None:
    rows = put(tmp_path, [({"dwi": [("a.nii", 300)]}, {})])
    place = tmp_path / "out" / "a.parquet"
    make_shard(place, tmp_path, rows, LAYOUT, silent)
    before = place.read_bytes()
    (tmp_path / rows[0].images[0].path).unlink()
    with pytest.raises(PublishError, match="cannot be read"):
        make_shard(place, tmp_path, rows, LAYOUT, silent)
    assert place.read_bytes() == before and [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (row,) = put(tmp_path, [({"dwi": [("a.nii", 300)]}, {})])
    target = tmp_path / "annex-object"
    place = tmp_path / row.images[0].path
    place.rename(target)
    place.symlink_to(os.path.relpath(target, place.parent))
    made = make_shard(tmp_path / "a.parquet", tmp_path, [row], LAYOUT, silent)
    assert made.sums[0].sha256 == hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", "text"), ("count", 1.5), ("count", 2**63), ("subject_id", 5), ("subject_id", "\ud800"), ("age", True)],
)
def test_a_value_of_another_type_is_refused(column: str, value: Any) -> None:
    (field,) = (field for field in LAYOUT.columns if field.name == column)
    with pytest.raises(BadTree, match=column):
        raw(field.leaves[0], value)


@pytest.mark.parametrize("info", [{}, {"info": {"features": {}}}, {"info": {"features": {"a": {"_type": "Image"}}}}])
def test_features_that_we_do_not_write_are_refused(info: dict[str, object]) -> None:
    with pytest.raises(BadTree):
        lay_out(info)


def test_a_layout_is_a_value() -> None:
    assert dataclasses.replace(LAYOUT) == lay_out(features(SCHEMA)) and isinstance(LAYOUT, Layout)
