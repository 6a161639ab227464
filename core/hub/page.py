"""Page: where the one value of a column chunk lies, without a Parquet reader.

Reads the head of a chunk that holds one PLAIN, uncompressed byte string, as `datasets` writes an image: a page header,
definition levels, four bytes of length, the value. Anything else is answered with None and left to pyarrow (`columns`).
Source: apache/parquet-format, parquet.thrift (PageHeader) and Encodings.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.hub.thrift import Fields, Odd, Short, number, read_struct, substruct

HEAD_LIMIT = 65536  # a page header with the largest statistics that writers copy into it is far smaller
_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_PLAIN, _RLE = 0, 3


@dataclass(frozen=True)
class Value:
    """Where the value lies in its chunk: bytes start..stop (exclusive)."""

    start: int
    stop: int


def find_value(head: bytes, chunk_bytes: int, has_levels: bool) -> Value | None:
    """The value in a chunk of one row, from the chunk's first HEAD_LIMIT bytes (or all of them).

    Args:
        head: the chunk's first bytes.
        chunk_bytes: length of the whole chunk.
        has_levels: the column is nullable, so definition levels come before the values.

    Returns:
        Where the value lies; None when the chunk is laid out in another way, or holds a null.
    """
    try:
        header, at = read_struct(head)
        size = number(header, 3)
        if size != number(header, 2) or at + size != chunk_bytes:
            return None  # compressed, or more than one page
        start = _values_start(head, header, at, has_levels)
        length = _little(head, start)
    except (Short, Odd):
        return None
    return Value(start + 4, chunk_bytes) if start + 4 + length == chunk_bytes else None


def _values_start(head: bytes, header: Fields, at: int, has_levels: bool) -> int:
    kind = number(header, 1)
    if kind == _DATA_PAGE:
        page = substruct(header, 5)
        if number(page, 1) != 1 or number(page, 2) != _PLAIN:
            raise Odd
        if not has_levels:
            return at
        if number(page, 3) != _RLE:
            raise Odd
        return at + 4 + _little(head, at)
    if kind == _DATA_PAGE_V2:
        page = substruct(header, 8)
        if number(page, 1) != 1 or number(page, 2) != 0 or number(page, 4) != _PLAIN:
            raise Odd
        return at + number(page, 5) + number(page, 6)
    raise Odd


def _little(data: bytes, at: int) -> int:
    """The four bytes of a length."""
    if at + 4 > len(data):
        raise Short
    return int.from_bytes(data[at : at + 4], "little")
