"""The decoded bytes of packed files, whatever the packer did."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadVolume
from core.imaging.stream import CHUNK
from core.publish.unpack import Member, Unpacked, member_of

DATA = bytes(range(256)) * 8


def unpack(data: bytes) -> tuple[bytes, Unpacked, int]:
    counts: list[int] = []
    source = Unpacked(io.BytesIO(data), counts.append)
    return b"".join(source.pieces()), source, sum(counts)


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 9))
def test_members_and_padding_are_one_file(parts: list[bytes], padding: int, level: int) -> None:
    packed = b"".join(gzip.compress(part, level, mtime=0) for part in parts) + bytes(padding)
    found, source, count = unpack(packed)
    assert found == b"".join(parts) and count == len(packed) and len(source.members) == len(parts)


def test_bytes_that_are_not_packed_come_as_they_are() -> None:
    found, source, count = unpack(DATA)
    assert (found, source.packed, source.members, count) == (DATA, False, [], len(DATA))
    assert unpack(b"")[0] == b""


def test_pieces_stay_small_however_tightly_they_are_packed() -> None:
    sizes = []
    for piece in Unpacked(io.BytesIO(gzip.compress(bytes(12 * CHUNK + 5))), lambda _: None).pieces():
        sizes.append(len(piece))
    assert sum(sizes) == 12 * CHUNK + 5 and max(sizes) <= CHUNK


@given(st.integers(0, 10_000))
def test_a_file_that_is_cut_off_is_refused(end: int) -> None:
    packed = gzip.compress(DATA, 1, mtime=0)
    with pytest.raises(BadVolume):
        unpack(packed[: 2 + end % (len(packed) - 2)])


@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(at: int, change: int) -> None:
    packed = bytearray(gzip.compress(DATA, 1, mtime=0))
    packed[10 + at % (len(packed) - 10)] ^= change
    with pytest.raises(BadVolume):
        unpack(bytes(packed))


@pytest.mark.parametrize("rest", [b"x", b"\0\0x", b"\x1f\x8b", DATA])
def test_what_comes_behind_is_refused(rest: bytes) -> None:
    with pytest.raises(BadVolume):
        unpack(gzip.compress(DATA) + rest)


def test_what_a_member_says_of_itself() -> None:
    out = io.BytesIO()
    with gzip.GzipFile("Müller^Hans.nii", "wb", fileobj=out, mtime=1_500_000_000) as stream:
        stream.write(DATA)
    assert unpack(out.getvalue())[1].members == [Member("Müller^Hans.nii", "", 1_500_000_000)]
    raw = zlib.compressobj(wbits=-15)
    body = raw.compress(DATA) + raw.flush() + zlib.crc32(DATA).to_bytes(4, "little") + len(DATA).to_bytes(4, "little")
    head = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\2\0ab" + b"name\0" + b"said\0"
    found, source, _ = unpack(head + body)
    assert found == DATA and source.members == [Member("name", "said", 0, True)]


@given(st.binary(max_size=60))
def test_no_beginning_breaks_the_reader(data: bytes) -> None:
    assert isinstance(member_of(b"\x1f\x8b" + data), Member)
