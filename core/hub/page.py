"""Page: where the one value of a column chunk lies, without a Parquet reader.

Reads the head of a chunk that holds one PLAIN, uncompressed byte string, as `datasets` writes an image: a page header
in Thrift's compact protocol, definition levels, four bytes of length, the value. Anything else is answered with None
and left to pyarrow (`columns`). Sources: apache/parquet-format (PageHeader, Encodings), Thrift's compact protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_LIMIT = 65536  # a page header with the largest statistics that writers copy into it is far smaller
_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_PLAIN, _RLE = 0, 3
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_MAX_DEPTH = 8


class _Short(Exception):
    """The header goes on beyond the bytes given."""


class _Odd(Exception):
    """Not a header as described."""


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
        header, at = _struct(head, 0, 0)
        size = _number(header, 3)
        if size != _number(header, 2) or at + size != chunk_bytes:
            return None  # compressed, or more than one page
        start = _values_start(head, header, at, has_levels)
        length = int.from_bytes(_take(head, start, 4), "little")
    except (_Short, _Odd):
        return None
    return Value(start + 4, chunk_bytes) if start + 4 + length == chunk_bytes else None


def _values_start(head: bytes, header: dict[int, object], at: int, has_levels: bool) -> int:
    kind = _number(header, 1)
    if kind == _DATA_PAGE:
        page = _substruct(header, 5)
        if _number(page, 1) != 1 or _number(page, 2) != _PLAIN:
            raise _Odd
        if not has_levels:
            return at
        if _number(page, 3) != _RLE:
            raise _Odd
        return at + 4 + int.from_bytes(_take(head, at, 4), "little")
    if kind == _DATA_PAGE_V2:
        page = _substruct(header, 8)
        if _number(page, 1) != 1 or _number(page, 2) != 0 or _number(page, 4) != _PLAIN:
            raise _Odd
        return at + _number(page, 5) + _number(page, 6)
    raise _Odd


def _number(fields: dict[int, object], key: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Odd
    return value


def _substruct(fields: dict[int, object], key: int) -> dict[int, object]:
    value = fields.get(key)
    if not isinstance(value, dict):
        raise _Odd
    return value


def _take(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise _Short
    return data[at : at + count]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = _take(data, at, 1)[0]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _Odd


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, object], int]:
    """The fields of a struct by id; values that are not numbers or structs are skipped over."""
    if depth > _MAX_DEPTH:
        raise _Odd
    fields: dict[int, object] = {}
    key = 0
    while True:
        byte = _take(data, at, 1)[0]
        at += 1
        kind, delta = byte & 0x0F, byte >> 4
        if kind == _STOP:
            return fields, at
        if delta:
            key += delta
        else:
            key, at = _zigzag(data, at)
        fields[key], at = _value(data, at, kind, depth)


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[object, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _BYTE:
        return None, at + 1
    if kind in (_I16, _I32, _I64):
        return _zigzag(data, at)
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _varint(data, at)
        _take(data, at, length)
        return None, at + length
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    raise _Odd  # lists, sets and maps do not occur in a page header
