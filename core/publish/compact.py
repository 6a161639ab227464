"""Compact: Thrift's compact protocol, written: what a Parquet file's page headers and footer are made of.

Each function gives one field's type and its bytes; a struct is a dictionary of those by number. Reading is
`core.hub.thrift`. Knows no schema. Source: Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TRUE, _FALSE, _I16, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 2, 4, 5, 6, 8, 9, 12
_SHORT_LIST = 15  # elements from which on a list gives its length apart


@dataclass(frozen=True)
class Item:
    """One value: its type in the protocol and its bytes."""

    kind: int
    body: bytes


def truth(value: bool) -> Item:
    """A boolean field of a struct."""
    return Item(_TRUE if value else _FALSE, b"")


def i16(value: int) -> Item:
    return Item(_I16, varint(_zigzag(value)))


def i32(value: int) -> Item:
    return Item(_I32, varint(_zigzag(value)))


def i64(value: int) -> Item:
    return Item(_I64, varint(_zigzag(value)))


def binary(value: bytes | str) -> Item:
    """Bytes, or text as UTF-8."""
    data = value.encode() if isinstance(value, str) else value
    return Item(_BINARY, varint(len(data)) + data)


def struct(fields: Mapping[int, Item]) -> Item:
    """A struct of fields by number; each number is above 0 and less than 16 above the one before it."""
    found, last = bytearray(), 0
    for number, field in sorted(fields.items()):
        found.append((number - last) << 4 | field.kind)
        found += field.body
        last = number
    return Item(_STRUCT, bytes(found) + b"\0")


def listed(items: Iterable[Item]) -> Item:
    """A list of at least one element, all of one type and none of them a boolean."""
    held = list(items)
    count, kind = len(held), held[0].kind
    head = bytes([count << 4 | kind]) if count < _SHORT_LIST else bytes([0xF0 | kind]) + varint(count)
    return Item(_LIST, head + b"".join(item.body for item in held))


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
