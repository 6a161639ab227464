"""Readback: what a Parquet file on disk holds, found from its own bytes and not from who wrote it.

The places of images come from the footer and the page headers, their sums from one pass over the whole file; scalars
and names are read by pyarrow. Knows files of one uncompressed page a column and row, as shard.py writes them; any other
is refused. Compares nothing with a source.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import HubCorrupt, ShardDamaged
from core.hub.footer import MAGIC, MAX_FOOTER, parse_footer
from core.hub.page import DATA_PAGE, PLAIN, RLE, crc_of, levels_end
from core.hub.thrift import Fields, Odd, Short, items, number, read_struct, structs, substruct, text
from core.publish.rows import Scalar
from core.publish.source import BUFFER, Seen

_HEAD = 4096  # bytes that hold a page's header and the levels of a long list


@dataclass(frozen=True)
class Page:
    """A page of images: its body in the file (stop exclusive), its checksum, where each image lies in the file."""

    row: int
    column: str
    start: int
    stop: int
    crc: int
    images: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Found:
    """A shard as it was read.

    Attributes:
        bytes, sha256: of the whole file.
        images: row number and column -> sha256 of its images in order; () is null.
        names: likewise, the images' own file names.
        values: of each row, its scalars by column.
        metadata: the `huggingface` key's value.
    """

    bytes: int
    sha256: str
    images: Mapping[tuple[int, str], tuple[str, ...]]
    names: Mapping[tuple[int, str], tuple[str, ...]]
    values: tuple[Mapping[str, Scalar], ...]
    metadata: str


def read_shard(path: Path, seen: Seen = lambda count: None, footer: bytes | None = None) -> Found:
    """Read a shard through.

    Args:
        seen: told how many bytes passed since the last call; may raise to stop.
        footer: what it must have; pyarrow could end the process over one that is damaged.

    Raises:
        ShardDamaged: it is no such file, or a checksum in it is wrong. OSError.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            meta = _footer(file, size, footer)
            pages = list(_pages(file, meta, size))
        except (Odd, Short, HubCorrupt):
            raise damaged() from None
        sha256, sums = _pass(file, size, pages, seen)
    images = {(page.row, page.column): tuple(sums[span] for span in page.images) for page in pages}
    names, values, metadata = _small(path, number(meta, 3))
    return Found(size, sha256, images, names, values, metadata)


def damaged() -> ShardDamaged:
    return ShardDamaged("a shard is not what was written", hint="check the disk; it will be built again")


def _footer(file: BinaryIO, size: int, wanted: bytes | None) -> Fields:
    tail = _at(file, max(0, size - 8), 8)
    length = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != MAGIC or not 0 < length <= min(MAX_FOOTER, size - 12):
        raise Odd
    data = _at(file, size - 8 - length, length)
    meta, end = read_struct(data)
    if end != length or wanted not in (None, data):
        raise Odd
    parse_footer(data + tail, size)
    return meta


def _pages(file: BinaryIO, meta: Fields, size: int) -> Iterator[Page]:
    """Every page of an image column, in the file's order."""
    for row, group in enumerate(structs(meta, 4)):
        if number(group, 3) != 1:
            raise Odd
        for chunk in structs(group, 1):
            column = substruct(chunk, 3)
            path = [text(part) for part in items(column, 3)]
            if len(path) > 1 and path[-1] == "bytes":
                yield _page(file, row, path[0], column, size)


def _page(file: BinaryIO, row: int, name: str, column: Fields, size: int) -> Page:
    start, length = number(column, 9), number(column, 7)
    if number(column, 4) != 0 or not 4 <= start <= start + length <= size:
        raise Odd
    header, used = read_struct(_at(file, start, min(_HEAD, length)))
    body, stop = start + used, start + length
    layout, crc = substruct(header, 5), crc_of(header)
    plain = (number(header, 1), number(layout, 2), number(layout, 3)) == (DATA_PAGE, PLAIN, RLE)
    if not plain or crc is None or number(header, 3) != length - used or number(layout, 1) != number(column, 5):
        raise Odd
    head = _at(file, body, min(_HEAD, stop - body))
    repeated = len(items(column, 3)) > 2
    at = levels_end(head, levels_end(head) if repeated else 0)
    spans = []
    place = body + at
    while place < stop:
        length = int.from_bytes(_at(file, place, 4), "little")
        spans.append((place + 4, place + 4 + length))
        place += 4 + length
    if place != stop or len(spans) not in (number(layout, 1), 0):
        raise Odd
    return Page(row, name, body, stop, crc, tuple(spans))


def _at(file: BinaryIO, start: int, count: int) -> bytes:
    data = os.pread(file.fileno(), count, start)
    if len(data) != count:
        raise Odd
    return data


def _pass(file: BinaryIO, size: int, pages: Sequence[Page], seen: Seen) -> tuple[str, dict[tuple[int, int], str]]:
    """The file's sum and those of the images, from one pass; every page's checksum is compared."""
    whole, buffer = hashlib.sha256(), memoryview(bytearray(BUFFER))
    sums: dict[tuple[int, int], str] = {}
    file.seek(0)

    def step(count: int) -> memoryview:
        piece = buffer[: file.readinto(buffer[:count])]  # type: ignore[attr-defined]
        if not len(piece):
            raise damaged()
        whole.update(piece)
        seen(len(piece))
        return piece

    def until(stop: int) -> Iterator[memoryview]:
        while (left := stop - file.tell()) > 0:
            yield step(min(left, BUFFER))

    for page in pages:
        for _ in until(page.start):
            pass
        crc = 0
        for start, stop in page.images:
            for piece in until(start):
                crc = zlib.crc32(piece, crc)
            found = hashlib.sha256()
            for piece in until(stop):
                found.update(piece)
                crc = zlib.crc32(piece, crc)
            sums[start, stop] = found.hexdigest()
        for piece in until(page.stop):
            crc = zlib.crc32(piece, crc)
        if crc != page.crc:
            raise damaged()
    for _ in until(size):
        pass
    return whole.hexdigest(), sums


def _small(
    path: Path, rows: int
) -> tuple[dict[tuple[int, str], tuple[str, ...]], tuple[Mapping[str, Scalar], ...], str]:
    """Everything but the images' bytes, as pyarrow reads it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: dict[tuple[int, str], tuple[str, ...]] = {}
    values: list[Mapping[str, Scalar]] = []
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            nested = [field.name for field in file.schema_arrow if pa.types.is_nested(field.type)]
            hidden = {f"{name}.{middle}bytes" for name in nested for middle in ("", "list.element.")}
            leaves = [file.metadata.schema.column(at).path for at in range(file.metadata.num_columns)]
            listed = file.read(columns=[leaf for leaf in leaves if leaf not in hidden], use_threads=False).to_pylist()
            metadata = (file.metadata.metadata or {}).get(b"huggingface", b"").decode()
        for at, row in enumerate(listed):
            values.append({name: value for name, value in row.items() if isinstance(value, str | int | float)})
            for name in nested:
                held = row[name]
                each = [held] if isinstance(held, Mapping) else held or []
                names[at, name] = tuple(str(one["path"]) for one in each)
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError):
        raise damaged() from None
    if len(listed) != rows:
        raise damaged()
    return names, tuple(values), metadata
