"""Plan: which rows go into which shard, and what each shard is called.

Decided from sizes that the scan saw; opens no file and writes nothing. What it will cost is needs.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadPlan
from core.publish.columns import Layout, lay_out, raw
from core.publish.rows import FileRef, Row
from core.publish.schema import Schema, features
from core.publish.tree import Tree
from core.publish.writer import MAX_PAGE, expected_bytes

LIMIT = 500_000_000  # bytes of a shard, as `datasets` takes them
MOST_ROWS = 256  # of one shard
MOST_CHUNKS = 8000  # of one shard, each a column of a row: its footer stays below 1 MB, and readable for our own reader
MOST_SHARDS = 10_000  # files that the Hub takes in one folder
FOLDER = "data"


@dataclass(frozen=True)
class ShardPlan:
    """One shard to come.

    Attributes:
        index: from 0.
        name: its path in the repository and in the staging folder.
        rows: in the tree's order.
        bytes: that it will have, a little more rather than less.
        key: sum of what will be in it, as far as the scan knows: rows, values, files and their sizes.
    """

    index: int
    name: str
    rows: tuple[Row, ...]
    bytes: int
    key: str

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Its images' files, row by row in the order of the columns: as they lie in the shard."""
        return tuple(file for row in self.rows for file in row.images)


@dataclass(frozen=True)
class Plan:
    """All shards of a dataset.

    Attributes:
        root: of the source.
        limit: bytes that no shard exceeds, unless one row alone does.
    """

    root: Path
    schema: Schema
    shards: tuple[ShardPlan, ...]
    limit: int

    @property
    def bytes(self) -> int:
        """Of all shards."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def largest(self) -> int:
        """Bytes of the largest shard."""
        return max(shard.bytes for shard in self.shards)

    @property
    def oversized(self) -> tuple[ShardPlan, ...]:
        """Shards of one row that is larger than the limit."""
        return tuple(shard for shard in self.shards if shard.bytes > self.limit)

    @property
    def layout(self) -> Layout:
        """How its columns are written."""
        return lay_out(features(self.schema))


def make_plan(tree: Tree, limit: int = LIMIT, one_row_per_shard: bool | None = None) -> Plan:
    """Put a tree's rows into shards.

    Args:
        limit: bytes of a shard. A row that is larger is alone in one (`Plan.oversized`).
        one_row_per_shard: by default what the schema says.

    Raises:
        BadPlan: no rows, a row twice, an image that no shard can hold, or more shards than the Hub takes. BadTree.
    """
    layout = lay_out(features(tree.schema))
    rows = _in_column_order(tree.rows, tree.schema)
    _check(rows, limit)
    if _chunks(layout) > MOST_CHUNKS:
        raise BadPlan(
            f"{len(layout.columns)} columns are more than a shard can hold", hint="take some out of participants.tsv"
        )
    _check_values(rows, layout)
    alone = tree.schema.one_row_per_shard if one_row_per_shard is None else one_row_per_shard
    groups = [(row,) for row in rows] if alone else list(_packed(rows, layout, limit))
    if len(groups) > MOST_SHARDS:
        raise BadPlan(
            f"{len(groups)} shards are more than the {MOST_SHARDS} that the Hub takes in one folder",
            hint="allow larger shards, with several rows each",
        )
    shards = tuple(
        ShardPlan(
            at,
            shard_name(tree.schema.split, at, len(groups)),
            group,
            expected_bytes(group, layout),
            key_of(group, layout.metadata),
        )
        for at, group in enumerate(groups)
    )
    return Plan(tree.root, tree.schema, shards, limit)


def shard_name(split: str, index: int, count: int) -> str:
    """ "data/train-00000-of-00902.parquet"."""
    return f"{FOLDER}/{split}-{index:05d}-of-{count:05d}.parquet"


def _in_column_order(rows: Sequence[Row], schema: Schema) -> tuple[Row, ...]:
    """The rows with their images in the order of the columns, which is the order in a shard."""
    names = [column.name for column in schema.images]
    return tuple(Row(row.row_id, {name: row.files.get(name, ()) for name in names}, row.values) for row in rows)


def _packed(rows: Sequence[Row], layout: Layout, limit: int) -> Iterator[tuple[Row, ...]]:
    """Rows in their order, as many together as fit."""
    most = min(MOST_ROWS, max(1, MOST_CHUNKS // _chunks(layout)))
    held: list[Row] = []
    empty = size = expected_bytes([], layout)
    for row in rows:
        more = expected_bytes([row], layout) - empty
        if held and (size + more > limit or len(held) == most):
            yield tuple(held)
            held, size = [], empty
        held.append(row)
        size += more
    yield tuple(held)


def _chunks(layout: Layout) -> int:
    """Column chunks of one row."""
    return sum(len(field.leaves) for field in layout.columns)


def _check(rows: Sequence[Row], limit: int) -> None:
    if not rows:
        raise BadPlan("there are no rows to publish", hint="choose another folder or schema")
    if limit < 1:
        raise BadPlan(f"{limit} bytes are no limit of a shard", hint="give a limit above 0")
    known: set[str] = set()
    for row in rows:
        if row.row_id in known:
            raise BadPlan(f"{row.row_id} is there twice", hint="validate the folder first")
        known.add(row.row_id)
        for column, files in row.files.items():
            _check_cell(row.row_id, column, files)


def _check_values(rows: Sequence[Row], layout: Layout) -> None:
    """Every cell is what its column holds: nothing is refused after hours of building. Raises BadPlan, BadTree."""
    for field in layout.columns:
        for row in rows:
            if field.form == "image" and len(row.files.get(field.name, ())) > 1:
                raise BadPlan(f"{row.row_id} has several images for {field.name}", hint="validate the folder first")
            value = row.values.get(field.name)
            if field.form == "scalar" and value is not None:
                raw(field.leaves[0], value)


def _check_cell(row_id: str, column: str, files: Sequence[FileRef]) -> None:
    if sum(file.bytes + 4 for file in files) > MAX_PAGE:
        raise BadPlan(
            f"{column} of {row_id} has {sum(file.bytes for file in files) / 1e9:.1f} GB, a cell holds 2.1 GB",
            hint="compress the image, or leave it out",
        )
    for file in files:
        if file.bytes == 0:
            raise BadPlan(f"an image of {row_id} ({column}) is an empty file", hint="restore the file")
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise BadPlan(f"the name of an image of {row_id} ({column}) is no UTF-8", hint="rename the file") from None


def key_of(rows: Sequence[Row], metadata: str) -> str:
    """A sum of everything that is in a shard of these rows but the images' bytes, for which their sizes stand.

    Args:
        metadata: of the dataset (Layout.metadata).
    """
    told = [
        [
            row.row_id,
            sorted(row.values.items()),
            [[name, [[f.path, f.bytes] for f in refs]] for name, refs in row.files.items()],
        ]
        for row in rows
    ]
    return hashlib.sha256(json.dumps([metadata, told]).encode()).hexdigest()
