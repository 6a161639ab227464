"""Shard: rows of a source tree as one Parquet file at its place: written beside, read back, compared, renamed.

Does not decide which rows go together (plan.py) and keeps no record (staging.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.publish.columns import Layout
from core.publish.readback import Found, damaged, read_shard
from core.publish.rows import Row, Scalar
from core.publish.source import Seen
from core.publish.writer import Sum, write_rows


@dataclass(frozen=True)
class Made:
    """A shard that lies at its place: its size and sum, and those of its images in the order of their columns."""

    bytes: int
    sha256: str
    sums: tuple[Sum, ...]


def make_shard(target: Path, root: Path, rows: Sequence[Row], layout: Layout, seen: Seen) -> Made:
    """Write the shard beside its place, read it back from the disk, compare it with the source, move it to its place.

    The same rows give the same bytes, whenever they are written.

    Raises:
        SourceChanged, PublishError, BadTree: as `write_rows`. ShardDamaged: what was read is not what was written.
        OSError: it cannot be written. After any error there is nothing at the place that was not there before.
    """
    part = part_of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as file:
            written = write_rows(file, root, rows, layout, seen)
            file.flush()
            os.fsync(file.fileno())
            with suppress(OSError):  # so that it is read from the disk and not from memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = read_shard(part, seen, written.footer)
        compare(found, rows, layout, written.sums)
        part.replace(target)
        sync_folder(target.parent)
    finally:
        with suppress(OSError):
            part.unlink()
    return Made(found.bytes, found.sha256, written.sums)


def part_of(target: Path) -> Path:
    """Where a shard lies while it is written; whoever writes holds the staging folder's lock."""
    return target.with_name(f".{target.name}.part")


def sync_folder(folder: Path) -> None:
    """Make sure that the names in the folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def compare(found: Found, rows: Sequence[Row], layout: Layout, sums: Sequence[Sum]) -> None:
    """Raise ShardDamaged unless the shard holds exactly these rows and the images with these sums."""
    left = iter(sums)
    if len(found.values) != len(rows) or found.metadata != layout.metadata:
        raise damaged()
    for number, row in enumerate(rows):
        for field in layout.columns:
            if field.form == "scalar":
                same = found.values[number].get(field.name) == _kept(row.values.get(field.name))
            else:
                refs, place = row.files.get(field.name, ()), (number, field.name)
                wanted = [(ref.path, next(left)) for ref in refs]
                same = all(path == one.path for path, one in wanted)
                same &= found.images.get(place) == tuple(one.sha256 for _, one in wanted)
                same &= found.names.get(place) == tuple(ref.name for ref in refs)
            if not same:
                raise damaged()


def _kept(value: Scalar) -> Scalar:
    """A scalar as it comes back: what is no number is null."""
    return None if value != value else value
