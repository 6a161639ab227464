"""Thrift: structs of the compact protocol, read into dictionaries without trusting a byte.

Parquet describes its pages and footers in this form. pyarrow's own view of a footer ends the whole process when the
footer is damaged (a C++ exception where none may pass), so what comes from the Hub is read here first. Knows no schema:
fields are numbers; values are int, bool, bytes, float (as bytes), list or dict. Source: Thrift's compact protocol.
"""

from __future__ import annotations

Fields = dict[int, object]

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_MAX_DEPTH = 12
MAX_VALUES = 400_000  # of one struct, read in half a second: a footer of 300 row groups of 30 columns, about 1 MB


class Short(Exception):
    """The struct goes on beyond the bytes given."""


class Odd(Exception):
    """Not a struct of the compact protocol, or a field that is not what it should be."""


def read_struct(data: bytes, at: int = 0, most: int = MAX_VALUES) -> tuple[Fields, int]:
    """The fields of the struct at `at` by id, and where it ends.

    Args:
        most: values (structs, lists and their elements each count) that may be in it, about 80 bytes of memory each.

    Raises:
        Short, Odd.
    """
    reader = _Reader(data, at, most)
    return reader.struct(0), reader.at


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


class _Reader:
    """Where we are in the bytes, and how many more values may come."""

    def __init__(self, data: bytes, at: int, left: int) -> None:
        self.data, self.at, self.left = data, at, left

    def struct(self, depth: int) -> Fields:
        if depth > _MAX_DEPTH:
            raise Odd
        fields: Fields = {}
        key = 0
        while True:
            byte = self.byte()
            kind, delta = byte & 0x0F, byte >> 4
            if kind == _STOP:
                return fields
            key = key + delta if delta else self.zigzag()
            fields[key] = self.value(kind, depth)

    def value(self, kind: int, depth: int) -> object:
        self.left -= 1
        if self.left < 0:
            raise Odd
        if kind in (_TRUE, _FALSE):  # of a field; an element of a list is a byte
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self.zigzag()
        if kind == _BINARY:
            return self.take(self.varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self.list(depth + 1)
        if kind == _BYTE:
            return self.byte()
        if kind == _DOUBLE:
            return self.take(8)
        raise Odd  # maps do not occur in Parquet

    def list(self, depth: int) -> list[object]:
        head = self.byte()
        count, kind = head >> 4, head & 0x0F
        if count == 15:
            count = self.varint()
        if depth > _MAX_DEPTH or count > min(self.left, len(self.data) - self.at):  # each takes a byte at least
            raise Odd
        if kind in (_TRUE, _FALSE):
            kind = _BYTE
            return [self.value(kind, depth) == _TRUE for _ in range(count)]
        return [self.value(kind, depth) for _ in range(count)]

    def byte(self) -> int:
        at = self.at
        if at >= len(self.data):
            raise Short
        self.at = at + 1
        return self.data[at]

    def take(self, count: int) -> bytes:
        at = self.at
        if at + count > len(self.data):
            raise Short
        self.at = at + count
        return self.data[at : at + count]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Odd

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)
