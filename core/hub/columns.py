"""Columns: values out of a remote Parquet file of which only some bytes are here.

pyarrow reads through a file that has holes; a read that falls into a hole is an error, never zeros. For everything
that `page` cannot place by itself: several rows, compression, dictionaries, missing statistics. The footer must have
passed `parse_footer`. Does no transfer.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from core.errors import HubCorrupt
from core.hub.footer import MAGIC, Footer, Image, Row, Scalar, as_scalar

MAX_COLUMN = 2**31  # bytes of one column chunk once it is decompressed
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
def _opened(size: int, footer: bytes, segments: Sequence[Segment]) -> Iterator[Any]:
    """pyarrow over the segments; its complaints become HubCorrupt."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        limit = 4 * len(footer) + 1024
        limits = {"thrift_string_size_limit": limit, "thrift_container_size_limit": limit}
        meta = pq.ParquetFile(pa.BufferReader(MAGIC + footer), **limits).metadata
        with HoledFile(size, segments) as holed:
            yield pq.ParquetFile(holed, metadata=meta, pre_buffer=False, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
        raise HubCorrupt(
            "a column of the dataset cannot be read", hint="try again; if it stays, report it to the dataset's owner"
        ) from None


def complete_rows(size: int, data: bytes, footer: Footer, segments: Sequence[Segment]) -> tuple[Row, ...]:
    """The footer's rows with the values of its unread columns, whose chunks are among the segments.

    Args:
        size: of the whole file.
        data: the file's bytes from its footer to its end, which `footer` was parsed from.

    Raises:
        HubCorrupt: a column cannot be read.
    """
    wanted: dict[int, list[str]] = {}
    for chunk in footer.unread:
        _check_size(chunk.unpacked)
        wanted.setdefault(chunk.group, []).append(chunk.leaf)
    values: dict[tuple[int, str], list[object]] = {}
    with _opened(size, data, segments) as file:
        for group, leaves in wanted.items():
            table = file.read_row_group(group, columns=leaves, use_threads=False)
            for leaf in leaves:
                values[group, leaf] = table.column(leaf.partition(".")[0]).to_pylist()
        return tuple(_complete(row, values) for row in footer.rows)


def _complete(row: Row, values: Mapping[tuple[int, str], list[object]]) -> Row:
    scalars: dict[str, Scalar] = dict(row.scalars)
    images = dict(row.images)
    leaves = {image.leaf: name for name, image in images.items()}
    for (group, leaf), column in values.items():
        if group != row.group:
            continue
        if row.number >= len(column):
            raise OSError("fewer rows than promised")
        value = column[row.number]
        if leaf in leaves:
            held = value.get("bytes") if isinstance(value, dict) else value
            images[leaves[leaf]] = _with_presence(images[leaves[leaf]], held is not None)
        else:
            scalars[leaf] = as_scalar(value)
    return Row(row.group, row.number, scalars, images)


def _with_presence(image: Image, present: bool) -> Image:
    return Image(image.leaf, image.start, image.stop, image.unpacked, image.plain, image.levels, present)


def read_image(size: int, data: bytes, row: Row, image: Image, segments: Sequence[Segment]) -> memoryview | None:
    """The bytes of one image of the row, whose column chunk is among the segments; None for a null.

    Raises:
        HubCorrupt: the column cannot be read.
    """
    _check_size(image.unpacked)
    with _opened(size, data, segments) as file:
        batches = file.iter_batches(batch_size=1, row_groups=[row.group], columns=[image.leaf], use_threads=False)
        at = 0
        for batch in batches:
            if at + batch.num_rows > row.number:
                return _bytes_at(batch.column(0), row.number - at)
            at += batch.num_rows
        raise OSError("fewer rows than promised")


def _bytes_at(column: Any, number: int) -> memoryview | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")  # nulls of the struct included
    value = column[number]
    return memoryview(value.as_buffer()) if value.is_valid else None


def _check_size(unpacked: int) -> None:
    if unpacked > MAX_COLUMN:
        raise HubCorrupt("a column of the dataset is too large to decode", hint="choose another source")
