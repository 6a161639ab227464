"""Thrift: structs of the compact protocol, read into dictionaries without trusting a byte.

Parquet describes its pages and footers in this form. pyarrow's own view of a footer ends the whole process when the
footer is damaged (a C++ exception where none may pass), so what comes from the Hub is read here first. Knows no schema:
fields are numbers; values are int, bool, bytes, float (as bytes), list or dict. Source: Thrift's compact protocol.
"""

from __future__ import annotations

Fields = dict[int, object]

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_MAX_DEPTH = 12


class Short(Exception):
    """The struct goes on beyond the bytes given."""


class Odd(Exception):
    """Not a struct of the compact protocol, or a field that is not what it should be."""


def read_struct(data: bytes, at: int = 0, depth: int = 0) -> tuple[Fields, int]:
    """The fields of the struct at `at` by id, and where it ends.

    Raises:
        Short, Odd.
    """
    if depth > _MAX_DEPTH:
        raise Odd
    fields: Fields = {}
    key = 0
    while True:
        byte = _byte(data, at)
        at += 1
        kind, delta = byte & 0x0F, byte >> 4
        if kind == _STOP:
            return fields, at
        if delta:
            key += delta
        else:
            key, at = _zigzag(data, at)
        if kind in (_TRUE, _FALSE):
            fields[key] = kind == _TRUE
        else:
            fields[key], at = _value(data, at, kind, depth)


def number(fields: Fields, key: int, default: int | None = None) -> int:
    """A field that is a whole number of at least 0.

    Raises:
        Odd: it is absent (and there is no default), negative, or no number.
    """
    value = fields.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Odd
    return value


def substruct(fields: Fields, key: int) -> Fields:
    """A field that is a struct. Raises Odd."""
    value = fields.get(key)
    if not isinstance(value, dict):
        raise Odd
    return value


def items(fields: Fields, key: int) -> list[object]:
    """A field that is a list. Raises Odd."""
    value = fields.get(key)
    if not isinstance(value, list):
        raise Odd
    return value


def structs(fields: Fields, key: int) -> list[Fields]:
    """A field that is a list of structs. Raises Odd."""
    found = [item for item in items(fields, key) if isinstance(item, dict)]
    if len(found) != len(items(fields, key)):
        raise Odd
    return found


def text(value: object) -> str:
    """A value that is UTF-8 text. Raises Odd."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise Odd


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise Short
    return data[at]


def _take(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise Short
    return data[at : at + count]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(data, at)
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Odd


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[object, int]:
    if kind in (_I16, _I32, _I64):
        return _zigzag(data, at)
    if kind == _BINARY:
        length, at = _varint(data, at)
        return _take(data, at, length), at + length
    if kind == _STRUCT:
        return read_struct(data, at, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, at, depth + 1)
    if kind == _BYTE:
        return _byte(data, at), at + 1
    if kind == _DOUBLE:
        return _take(data, at, 8), at + 8
    raise Odd  # maps do not occur in Parquet


def _list(data: bytes, at: int, depth: int) -> tuple[list[object], int]:
    head = _byte(data, at)
    at += 1
    count, kind = head >> 4, head & 0x0F
    if count == 15:
        count, at = _varint(data, at)
    if depth > _MAX_DEPTH or count > len(data) - at:  # each element takes a byte at least
        raise Odd
    found: list[object] = []
    for _ in range(count):
        if kind in (_TRUE, _FALSE):
            found.append(_byte(data, at) == _TRUE)
            at += 1
        else:
            value, at = _value(data, at, kind, depth)
            found.append(value)
    return found, at
