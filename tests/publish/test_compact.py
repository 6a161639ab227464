"""What is written in Thrift's compact protocol is read back by the reader that the Hub's files are read with."""

from __future__ import annotations

import struct as packing

from hypothesis import given, settings
from hypothesis import strategies as st

from core.hub.thrift import read_struct
from core.publish.compact import Item, binary, i16, i32, i64, listed, struct, truth

Pair = tuple[Item, object]
_LEAVES: list[st.SearchStrategy[Pair]] = [
    st.integers(-(2**15), 2**15 - 1).map(lambda value: (i16(value), value)),
    st.integers(-(2**31), 2**31 - 1).map(lambda value: (i32(value), value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: (i64(value), value)),
    st.binary(max_size=300).map(lambda value: (binary(value), value)),
    st.text(max_size=50).map(lambda value: (binary(value), value.encode())),
    st.booleans().map(lambda value: (truth(value), value)),
]


def _struct(fields: list[Pair]) -> Pair:
    return struct({at: item for at, (item, _) in enumerate(fields, 1)}), {
        at: value for at, (_, value) in enumerate(fields, 1)
    }


def _list(items: list[Pair]) -> Pair:
    return listed(item for item, _ in items), [value for _, value in items]


_LEAF = st.one_of(_LEAVES)
_FLAT = st.lists(_LEAF, max_size=4).map(_struct)
_PAIRS = st.one_of(
    _LEAF,
    _FLAT,
    st.lists(_FLAT, max_size=3).map(_struct),
    st.lists(_LEAVES[1], min_size=1, max_size=17).map(_list),
    st.lists(_FLAT, min_size=1, max_size=3).map(_list),
)


@settings(max_examples=30)
@given(st.dictionaries(st.integers(1, 15), _PAIRS, max_size=4))
def test_what_is_written_is_read_back(fields: dict[int, Pair]) -> None:
    body = struct({number: item for number, (item, _) in fields.items()}).body
    assert read_struct(body) == ({number: value for number, (_, value) in fields.items()}, len(body))


def test_the_numbers_of_the_specification() -> None:
    assert (i32(0).body, i32(-1).body, i32(1).body, i32(150).body) == (b"\x00", b"\x01", b"\x02", b"\xac\x02")
    assert i64(-(2**63)).body == b"\xff" * 9 + b"\x01"
    assert struct({1: i32(1), 3: truth(True)}).body == packing.pack("4B", 0x15, 0x02, 0x21, 0)
