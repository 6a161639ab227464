"""Columns: values out of a remote Parquet file of which only some bytes are here.

pyarrow reads through a file that has holes; a read that falls into a hole is an error, never zeros. For everything
that `page` cannot place by itself: several rows, compression, dictionaries, missing statistics. The footer must have
passed `parse_footer`. Does no transfer.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from core.errors import HubCorrupt
from core.hub.footer import MAGIC, Footer, Image, Row, Scalar, as_scalar
from core.hub.page import Pages, walk_pages
from core.hub.single import single_value
from core.hub.thrift import Odd, Short

MAX_SINGLE = 512 * 2**20  # bytes of a page that holds one image, once it is decompressed; it is in memory once
MAX_SHARED = 160 * 2**20  # bytes of any other page; pyarrow needs them three times
MAX_COLUMN = 8 * 2**30  # bytes of all pages of an image's column chunk (about 10 s); only one at a time is in memory
MAX_SCALARS = 64 * 2**20  # bytes of a file's small columns once they are decompressed
_MOST_COPIED = 64 * 2**30  # bytes that reading the rows before one of them may copy (about 10 s)
_BUFFER = 2**20

Segment = tuple[int, memoryview]  # where the bytes lie in the remote file, and the bytes


class HoledFile(io.RawIOBase):
    """A read-only file of `size` bytes of which only the segments are known."""

    def __init__(self, size: int, segments: Sequence[Segment]) -> None:
        self._size, self._segments, self._at = size, tuple(segments), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        if wanted <= 0:
            return b""
        for start, data in self._segments:
            if start <= self._at and self._at + wanted <= start + len(data):
                first = self._at - start
                self._at += wanted
                return bytes(data[first : first + wanted])
        raise OSError("a part of the file that was not fetched")


@contextmanager
def _opened(size: int, footer: bytes, segments: Sequence[Segment], coded: Sequence[str] = ()) -> Iterator[Any]:
    """pyarrow over the segments, text among `coded` left as a dictionary; its complaints become HubCorrupt."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        limit = 4 * len(footer) + 1024
        limits = {"thrift_string_size_limit": limit, "thrift_container_size_limit": limit}
        meta = pq.ParquetFile(pa.BufferReader(MAGIC + footer), **limits).metadata
        with HoledFile(size, segments) as holed:
            kinds = {c.path: c.physical_type for c in (meta.schema.column(n) for n in range(len(meta.schema)))}
            text = [leaf for leaf in coded if kinds.get(leaf) == "BYTE_ARRAY" and "." not in leaf]
            yield pq.ParquetFile(holed, read_dictionary=text, metadata=meta, pre_buffer=False, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
        raise _unreadable() from None


def complete_rows(size: int, data: bytes, footer: Footer, segments: Sequence[Segment]) -> tuple[Row, ...]:
    """The footer's rows with the values of its unread columns, whose chunks are among the segments.

    Args:
        size: of the whole file.
        data: the file's bytes from its footer to its end, which `footer` was parsed from.

    Raises:
        HubCorrupt: a column cannot be read.
    """
    total = 0
    for chunk in footer.unread:
        total += _pages(_slice(segments, chunk.start, chunk.stop)).unpacked
        _check_size(total, MAX_SCALARS)
    values: dict[int, dict[str, list[object]]] = {}
    leaves = sorted({chunk.leaf for chunk in footer.unread})
    with _opened(size, data, segments, leaves) as file:
        for chunk in footer.unread:
            table = file.read_row_group(chunk.group, columns=[chunk.leaf], use_threads=False)
            values.setdefault(chunk.group, {})[chunk.leaf] = _listed(table.column(0).combine_chunks())
        return tuple(_complete(row, values[row.group]) if row.group in values else row for row in footer.rows)


def _listed(column: Any) -> list[object]:
    """The column's values; those of a dictionary are shared, so that a few bytes cannot become gigabytes."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    known = column.dictionary.to_pylist()
    return [None if index is None else known[index] for index in column.indices.to_pylist()]


def _complete(row: Row, values: Mapping[str, list[object]]) -> Row:
    """The row with the values of its group's columns; images that nothing is learned of stay one object for all."""
    scalars: dict[str, Scalar] = dict(row.scalars)
    images = row.images
    names = {image.leaf: name for name, image in images.items()}
    for leaf, column in values.items():
        if row.number >= len(column):
            raise OSError("fewer rows than promised")
        value = column[row.number]
        if leaf in names:
            held = value.get("bytes") if isinstance(value, dict) else value
            name = names[leaf]
            images = {**images, name: dataclasses.replace(images[name], present=held is not None)}
        else:
            scalars[leaf] = as_scalar(value)
    return Row(row.group, row.number, scalars, images)


def read_image(size: int, data: bytes, row: Row, image: Image, segments: Sequence[Segment]) -> memoryview | None:
    """The bytes of one image of the row, whose column chunk is among the segments; None for a null.

    At its peak this takes MAX_SINGLE of memory, or three times MAX_SHARED.

    Raises:
        HubCorrupt: the column cannot be read, or unpacks to more than that.
    """
    chunk = _slice(segments, image.start, image.stop)
    pages = _pages(chunk)
    _check_size(pages.unpacked, MAX_COLUMN)
    _check_size(pages.largest, MAX_SINGLE)
    if row.number * pages.dictionary > _MOST_COPIED:
        raise HubCorrupt("a column of the dataset takes too long to read", hint="choose another image or source")
    with _opened(size, data, segments) as file:
        group = file.metadata.row_group(row.group)
        if group.num_rows == 1:
            value = single_value(chunk, _codec(group, image.leaf), image.levels, image.present)
            if value is not None:
                return value
        _check_size(pages.largest, MAX_SHARED)
        batches = file.iter_batches(batch_size=1, row_groups=[row.group], columns=[image.leaf], use_threads=False)
        at = 0
        for batch in batches:
            if at + batch.num_rows > row.number:
                return _bytes_at(batch.column(0), row.number - at)
            at += batch.num_rows
        raise OSError("fewer rows than promised")


def _codec(group: Any, leaf: str) -> str:
    chunks = (group.column(number) for number in range(group.num_columns))
    return next((str(chunk.compression) for chunk in chunks if chunk.path_in_schema == leaf), "")


def _bytes_at(column: Any, number: int) -> memoryview | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")  # nulls of the struct included
    value = column[number]
    return memoryview(value.as_buffer()) if value.is_valid else None


def _slice(segments: Sequence[Segment], start: int, stop: int) -> memoryview:
    for first, data in segments:
        if first <= start and stop <= first + len(data):
            return data[start - first : stop - first]
    raise _unreadable()


def _pages(chunk: memoryview) -> Pages:
    try:
        return walk_pages(chunk)
    except (Odd, Short):
        raise _unreadable() from None


def _unreadable() -> HubCorrupt:
    return HubCorrupt(
        "a column of the dataset cannot be read", hint="try again; if it stays, report it to the dataset's owner"
    )


def _check_size(unpacked: int, limit: int) -> None:
    if unpacked > limit:
        raise HubCorrupt(
            f"a column of the dataset unpacks to {unpacked / 1e6:.0f} MB, {limit / 1e6:.0f} MB are the most",
            hint="choose another image or source",
        )
