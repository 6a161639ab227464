"""Writer: rows as one Parquet file, their images' bytes copied through a buffer of a megabyte.

One row group a row, one uncompressed page a column and row: so no image is ever in memory, whatever its size, and a
reader finds each by one range. The same rows give the same bytes, whenever they are written. Does not name, sync or
check the file (shard.py). Source: apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.publish.columns import BYTE_ARRAY, FLOAT_KINDS, Field, Layout, Leaf, levels, raw
from core.publish.compact import Item, binary, i16, i32, i64, listed, struct, truth
from core.publish.rows import FileRef, Row, Scalar
from core.publish.source import Seen, copy_file

MAGIC = b"PAR1"
MAX_PAGE = 2**31 - 2**20  # bytes of the images in one page: its header counts them in 31 bits
_PLAIN, _RLE, _DATA_PAGE, _UNCOMPRESSED = 0, 3, 0, 0
_MOST_STATED = 200  # bytes of text that statistics repeat


@dataclass(frozen=True)
class Sum:
    """One source file as it was copied: its path in the source and the sha256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Written:
    """A file that was written: the sums of its images in the order in which they lie there, and its footer."""

    sums: tuple[Sum, ...]
    footer: bytes


@dataclass(frozen=True)
class Placed:
    """A column chunk that was written: where its page begins, its bytes with the page's header, its statistics."""

    leaf: Leaf
    start: int
    bytes: int
    values: int
    statistics: Item


def write_rows(file: BinaryIO, root: Path, rows: Sequence[Row], layout: Layout, seen: Seen) -> Written:
    """Write a whole Parquet file.

    Args:
        file: empty, and one that can seek.

    Raises:
        SourceChanged: a file is not what the scan saw. PublishError: a file cannot be read. BadTree.
        OSError: the shard cannot be written.
    """
    file.write(MAGIC)
    sums: list[Sum] = []
    groups: list[Item] = []
    for number, row in enumerate(rows):
        chunks: list[Placed] = []
        for field in layout.columns:
            chunks += _write_field(file, root, row, field, sums, seen)
        groups.append(_group(chunks, number))
    footer = _footer(layout, groups, len(rows))
    file.write(footer + len(footer).to_bytes(4, "little") + MAGIC)
    return Written(tuple(sums), footer)


def _write_field(file: BinaryIO, root: Path, row: Row, field: Field, sums: list[Sum], seen: Seen) -> list[Placed]:
    if field.form == "scalar":
        (leaf,) = field.leaves
        return [_write_scalar(file, leaf, row.values.get(field.name))]
    refs = row.files.get(field.name, ())
    data, names = field.leaves
    placed = _write_images(file, root, data, refs, sums, seen)
    encoded = [ref.name.encode() for ref in refs]
    return [
        placed,
        _write_page(file, names, len(refs), b"".join(_plain(name) for name in encoded), _stated(names, refs)),
    ]


def _write_images(
    file: BinaryIO, root: Path, leaf: Leaf, refs: Sequence[FileRef], sums: list[Sum], seen: Seen
) -> Placed:
    """The page is written before its header, whose checksum is known only then; the header's room is the widest one."""
    before = levels(leaf, len(refs))
    size = len(before) + sum(4 + ref.bytes for ref in refs)
    body = file.tell() + len(_header(size, max(1, len(refs)), -(2**31)))
    file.seek(body)
    file.write(before)
    crc = zlib.crc32(before)
    for ref in refs:
        length = ref.bytes.to_bytes(4, "little")
        file.write(length)
        sha256, crc = copy_file(root / ref.path, ref, file, zlib.crc32(length, crc), seen)
        sums.append(Sum(ref.path, sha256))
    return _put_header(file, leaf, body, size, len(refs), crc, _stated(leaf, refs))


def _write_page(file: BinaryIO, leaf: Leaf, count: int, values: bytes, statistics: Item) -> Placed:
    """A page that is small. `count` 0 is a null."""
    page = levels(leaf, count) + values
    body = file.tell() + len(_header(len(page), max(1, count), -(2**31)))
    file.seek(body)
    file.write(page)
    return _put_header(file, leaf, body, len(page), count, zlib.crc32(page), statistics)


def _write_scalar(file: BinaryIO, leaf: Leaf, value: Scalar) -> Placed:
    if value is None or value != value:
        return _write_page(file, leaf, 0, b"", struct({3: i64(1)}))
    data = raw(leaf, value)
    low = high = data
    if leaf.kind in FLOAT_KINDS and value == 0:  # as the format asks: zeros are bounded by both of them
        low, high = raw(leaf, -0.0), raw(leaf, 0.0)
    stated = {5: binary(high), 6: binary(low), 7: truth(True), 8: truth(True)} if len(data) <= _MOST_STATED else {}
    return _write_page(file, leaf, 1, _plain(data) if leaf.kind == BYTE_ARRAY else data, struct({3: i64(0), **stated}))


def _put_header(file: BinaryIO, leaf: Leaf, body: int, size: int, count: int, crc: int, statistics: Item) -> Placed:
    """Write the header so that it ends where the body begins; a few bytes before it may stay unused."""
    header = _header(size, max(1, count), crc - 2**32 if crc >= 2**31 else crc)
    end = body + size
    file.seek(body - len(header))
    file.write(header)
    file.seek(end)
    return Placed(leaf, body - len(header), len(header) + size, max(1, count), statistics)


def _header(size: int, values: int, crc: int) -> bytes:
    page = struct({1: i32(values), 2: i32(_PLAIN), 3: i32(_RLE), 4: i32(_RLE)})
    return struct({1: i32(_DATA_PAGE), 2: i32(size), 3: i32(size), 4: i32(crc), 5: page}).body


def _stated(leaf: Leaf, refs: Sequence[FileRef]) -> Item:
    return struct({3: i64(0 if refs else 1)})


def _plain(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _group(chunks: Sequence[Placed], number: int) -> Item:
    total = sum(chunk.bytes for chunk in chunks)
    columns = listed(struct({2: i64(0), 3: _column(chunk)}) for chunk in chunks)
    fields = {1: columns, 2: i64(total), 3: i64(1), 5: i64(chunks[0].start), 6: i64(total)}
    return struct(fields | ({7: i16(number)} if number < 2**15 else {}))


def _column(chunk: Placed) -> Item:
    return struct(
        {
            1: i32(chunk.leaf.kind),
            2: listed([i32(_PLAIN), i32(_RLE)]),
            3: listed(binary(part) for part in chunk.leaf.path),
            4: i32(_UNCOMPRESSED),
            5: i64(chunk.values),
            6: i64(chunk.bytes),
            7: i64(chunk.bytes),
            9: i64(chunk.start),
            12: chunk.statistics,
        }
    )


def _footer(layout: Layout, groups: Sequence[Item], rows: int) -> bytes:
    leaves = sum(len(field.leaves) for field in layout.columns)
    return struct(
        {
            1: i32(2),
            2: layout.elements,
            3: i64(rows),
            4: listed(groups),
            5: listed([struct({1: binary("huggingface"), 2: binary(layout.metadata)})]),
            6: binary("strokescope"),
            7: listed([struct({1: struct({})})] * leaves),
        }
    ).body


def expected_bytes(rows: Sequence[Row], layout: Layout) -> int:
    """Bytes that the shard will have, a little more rather than less."""
    images = sum(ref.bytes + len(ref.path.encode()) + 8 for row in rows for refs in row.files.values() for ref in refs)
    text = sum(4 * len(value.encode()) for row in rows for value in row.values.values() if isinstance(value, str))
    leaves = sum(150 + 2 * len(".".join(leaf.path).encode()) for field in layout.columns for leaf in field.leaves)
    return images + text + len(rows) * (leaves + 64) + len(layout.elements.body) + len(layout.metadata.encode()) + 256
