"""Page: where the one value of a column chunk lies, and what its pages unpack to, without a Parquet reader.

Reads the head of a chunk that holds one PLAIN, uncompressed byte string, as `datasets` writes an image: a page header,
definition levels, four bytes of length, the value. Anything else is answered with None and left to pyarrow (`columns`),
after a look at the sizes and the checksums in its page headers.
Source: apache/parquet-format, parquet.thrift (PageHeader) and Encodings.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from core.hub.thrift import Fields, Odd, Short, number, read_struct, substruct

HEAD_LIMIT = 65536  # a page header with the largest statistics that writers copy into it is far smaller
_USUAL_HEAD = 256
_MOST_VALUES = 1000  # of a page's header, which has about thirty
_MOST_PAGES = 20_000  # of one chunk; writers make pages of about 1 MB
DATA_PAGE, DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
PLAIN, RLE = 0, 3


@dataclass(frozen=True)
class Value:
    """Where the value lies in its chunk, and what vouches for it.

    Attributes:
        start, stop: its bytes (stop exclusive).
        page: the CRC-32 of the page's bytes before the value, and the one that its header gives for all of it; None
            without one.
    """

    start: int
    stop: int
    page: tuple[int, int] | None = None


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
        return place_value(head, chunk_bytes, has_levels)
    except Short:
        return None


def place_value(head: bytes, chunk_bytes: int, has_levels: bool) -> Value | None:
    """As `find_value`. Raises Short when more of the chunk must be seen to tell."""
    try:
        header, at = read_struct(head, most=_MOST_VALUES)
        size = number(header, 3)
        if size != number(header, 2) or at + size != chunk_bytes:
            return None  # compressed, or more than one page
        start = _values_start(head, header, at, has_levels)
        length = _little(head, start)
    except Odd:
        return None
    if start + 4 + length != chunk_bytes:
        return None
    said = crc_of(header)
    return Value(start + 4, chunk_bytes, None if said is None else (zlib.crc32(head[at : start + 4]), said))


@dataclass(frozen=True)
class Pages:
    """The pages of a chunk, as their headers say.

    Attributes:
        unpacked: bytes of all pages once decompressed; a decoder takes no more than each page's header says.
        largest: of one page, likewise.
        dictionary: of the dictionary page, likewise; 0 without one.
    """

    unpacked: int
    largest: int
    dictionary: int


@dataclass(frozen=True)
class Page:
    """One page of a chunk: its header, where its body lies in the chunk (stop exclusive), its bytes once unpacked."""

    header: Fields
    start: int
    stop: int
    unpacked: int


def pages_of(chunk: bytes | memoryview) -> Iterator[Page]:
    """The pages of a whole chunk, without unpacking one.

    Raises:
        Odd, Short: they are no pages, too many, or do not end where the chunk ends.
    """
    at = count = 0
    while at < len(chunk):
        header, length = _header_at(chunk, at)
        found = Page(header, at + length, at + length + number(header, 3), number(header, 2))
        at, count = found.stop, count + 1
        if count > _MOST_PAGES or at > len(chunk):
            raise Odd
        yield found


def walk_pages(chunk: bytes | memoryview) -> Pages:
    """What the pages of a whole chunk unpack to, without unpacking one.

    Raises:
        Odd, Short: as `pages_of`; Odd also for a page that is not what its checksum says.
    """
    total = largest = dictionary = 0
    for page in pages_of(chunk):
        said = crc_of(page.header)
        if said is not None and zlib.crc32(chunk[page.start : page.stop]) != said:
            raise Odd
        total, largest = total + page.unpacked, max(largest, page.unpacked)
        if number(page.header, 1) == DICTIONARY_PAGE:
            dictionary = max(dictionary, page.unpacked)
    return Pages(total, largest, dictionary)


def is_summed(chunk: bytes | memoryview) -> bool:
    """Whether every page of a whole chunk comes with a checksum. Raises as `pages_of`."""
    return all(crc_of(page.header) is not None for page in pages_of(chunk))


def crc_of(header: Fields) -> int | None:
    """The CRC-32 of the page's body as it lies in the file; None where its writer gave none."""
    said = header.get(4)
    return said & 0xFFFFFFFF if isinstance(said, int) and not isinstance(said, bool) else None


def _header_at(chunk: bytes | memoryview, at: int) -> tuple[Fields, int]:
    """A page's header and its length; most of them take a few dozen bytes."""
    try:
        return read_struct(bytes(chunk[at : at + _USUAL_HEAD]), most=_MOST_VALUES)
    except Short:
        return read_struct(bytes(chunk[at : at + HEAD_LIMIT]), most=_MOST_VALUES)


def _values_start(head: bytes, header: Fields, at: int, has_levels: bool) -> int:
    kind = number(header, 1)
    if kind == DATA_PAGE:
        page = substruct(header, 5)
        if number(page, 1) != 1 or number(page, 2) != PLAIN:
            raise Odd
        if not has_levels:
            return at
        if number(page, 3) != RLE:
            raise Odd
        return levels_end(head, at)
    if kind == _DATA_PAGE_V2:
        page = substruct(header, 8)
        if number(page, 1) != 1 or number(page, 2) != 0 or number(page, 4) != PLAIN:
            raise Odd
        return at + number(page, 5) + number(page, 6)
    raise Odd


def levels_end(data: bytes | memoryview, at: int = 0) -> int:
    """Where definition levels end that begin at `at` with their length. Raises Short."""
    return at + 4 + _little(data, at)


def _little(data: bytes | memoryview, at: int) -> int:
    """The four bytes of a length."""
    if at + 4 > len(data):
        raise Short
    return int.from_bytes(data[at : at + 4], "little")
