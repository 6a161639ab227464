"""Rescan: what a staging folder notes of its source, and what of that is otherwise now.

Stats the source's files, and reads its tables again only if one of them, or the list of files, is not as it was noted.
Opens no image. Folders without the note, of older runs, are compared by their images' stamps alone (changes.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import BadTree, PublishCancelled, PublishError, SourceChanged
from core.publish.plan import Plan, key_of
from core.publish.records import Header, ShardRecord
from core.publish.rows import FileRef, Listing, Row
from core.publish.schema import Schema, schema_named
from core.publish.source import sum_file
from core.publish.staging import Staging
from core.publish.tree import Tree, scan
from core.publish.view import View
from core.publish.walk import walk

SOURCE = "source"  # a note: the tables, and a sum of the paths of all other files, of which the shards were planned
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Since:
    """What a source has that was not planned.

    Attributes:
        values: indices of shards whose rows have other values now, or more images.
        rows: ids of rows that are in no shard.
    """

    values: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Noted:
    """The note.

    Attributes:
        tables: files that values were read from, with the sha256 of each.
        listing: sum of the paths of all other files. keys: sum of the shards' keys at that time.
        rows: how many there were.
    """

    tables: tuple[tuple[FileRef, str], ...]
    listing: str
    keys: str
    rows: int


def note_source(staging: Staging, tree: Tree, plan: Plan, cancelled: Cancelled) -> None:
    """Note the source as it was scanned for this plan; nothing while shards are those of another one.

    Raises:
        SourceChanged: a table is not what the scan read. PublishCancelled, DiskFull, PublishError: it cannot be noted.
    """
    view = staging.view
    if any(kept.key != now.key for kept, now in zip(view.shards, plan.shards, strict=True)):
        return
    kept, listing, keys = _read(view.notes.get(SOURCE)), _sum(_others(tree)), _keys(view)
    same = kept is not None and (kept.listing, kept.keys) == (listing, keys)
    if same and kept is not None and [ref for ref, _ in kept.tables] == list(tree.tables):
        return
    seen = _seen(cancelled)
    tables = [[ref.path, ref.bytes, ref.mtime_ns, _table_sum(tree, ref, seen)] for ref in tree.tables]
    staging.note(SOURCE, {"tables": tables, "listing": listing, "keys": keys, "rows": len(tree.rows)})


def since(view: View, cancelled: Cancelled) -> Since:
    """What the source has now; nothing of one that is gone, or of which nothing was noted. Raises PublishCancelled."""
    kept, seen = _read(view.notes.get(SOURCE)), _seen(cancelled)
    if kept is None:
        return Since()
    try:
        listing, _ = walk(view.root, pause=lambda: seen(0))
        if not any(file.path in listing.files for shard in view.shards for file in shard.files):
            return Since()
        if kept.keys == _keys(view) and _is_as_noted(listing, kept, seen):
            return Since()
        tree = scan(view.root, schema_named(view.header.schema.name), cancelled)
    except BadTree:
        return Since()
    rows, metadata = {row.row_id: row for row in tree.rows}, view.header.layout.metadata
    known = {row_id for shard in view.shards for row_id in shard.rows}
    return Since(
        tuple(shard.index for shard in view.shards if is_other(view.header, metadata, shard, rows)),
        tuple(row_id for row_id in rows if row_id not in known),
    )


def is_other(header: Header, metadata: str, shard: ShardRecord, rows: Mapping[str, Row]) -> bool:
    """Whether a shard's rows have other values or more images now than it was planned with.

    What is not there any more is no change: it can be compared no more. Images of other sizes are changes.py's.

    Args:
        metadata: the dataset's (Layout.metadata). rows: of the source now, by id.
    """
    now = [rows[row_id] for row_id in shard.rows if row_id in rows]
    kept = {file.path: file.bytes for file in shard.files}
    there = {file.path: file.bytes for row in now for file in row.images}
    if any(path not in kept for path in there) or any(_has_more(row, header.schema) for row in now):
        return True
    if len(now) < len(shard.rows) or there != kept:
        return False
    return key_of([_as_planned(row, header.schema) for row in now], metadata) != shard.key


def _has_more(row: Row, schema: Schema) -> bool:
    """Whether it has a value in a column that there was not."""
    known = {column.name for column in schema.columns}
    return any(value is not None for name, value in row.values.items() if name not in known)


def _as_planned(row: Row, schema: Schema) -> Row:
    """The row with the columns that there were, in their order."""
    files = {column.name: row.files.get(column.name, ()) for column in schema.images}
    return Row(row.row_id, files, {column.name: row.values.get(column.name) for column in schema.scalars})


def _is_as_noted(listing: Listing, kept: _Noted, seen: Callable[[int], None]) -> bool:
    """Whether the same files are there, and the tables have the same bytes; those with new times alone are summed."""
    tables = {ref.path for ref, _ in kept.tables}
    if _sum(path for path in listing.files if path not in tables) != kept.listing:
        return False
    return all(_same(listing, ref, sha256, seen) for ref, sha256 in kept.tables)


def _same(listing: Listing, was: FileRef, sha256: str, seen: Callable[[int], None]) -> bool:
    now = listing.files.get(was.path)
    if now is None or now.bytes != was.bytes:
        return False
    try:
        return now == was or sum_file(listing.place(now.path), now, seen) == sha256
    except PublishCancelled:
        raise
    except PublishError:
        return False


def _table_sum(tree: Tree, ref: FileRef, seen: Callable[[int], None]) -> str:
    """The sha256 of a table; "" for one that cannot be read, of which the validation tells."""
    try:
        return sum_file(tree.root / ref.path, ref, seen)
    except (PublishCancelled, SourceChanged):
        raise
    except PublishError:
        return ""


def _others(tree: Tree) -> Sequence[str]:
    """Paths of all files that are no tables."""
    tables = {file.path for file in tree.tables}
    return sorted({file.path for file in (*tree.images, *tree.loose)} - tables)


def _keys(view: View) -> str:
    return _sum(shard.key for shard in view.shards)


def _sum(texts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode() + b"\0")
    return found.hexdigest()


def _read(told: object) -> _Noted | None:
    """The note as it lies in the record; None if there is none that can be read."""
    try:
        if not isinstance(told, dict):
            return None
        tables = tuple((FileRef(str(p), int(size), int(time)), str(sha)) for p, size, time, sha in told["tables"])
        return _Noted(tables, str(told["listing"]), str(told["keys"]), int(told["rows"]))
    except (LookupError, TypeError, ValueError):
        return None


def _seen(cancelled: Cancelled) -> Callable[[int], None]:
    def passed(count: int) -> None:
        if cancelled():
            raise PublishCancelled("stopped", hint="start again: it goes on where it stopped")

    return passed
