"""Single: the one value of a chunk that Parquet compressed or put into a dictionary, unpacked once.

pyarrow needs three times a value's size to read it; this needs it once. Knows chunks of one row whose value is one
SNAPPY, ZSTD or unpacked page; answers None to anything else, which is left to pyarrow (`columns`). Believes the sizes
in the page headers, which the caller has found bearable.
"""

from __future__ import annotations

from core.hub.page import DATA_PAGE, DICTIONARY_PAGE, PLAIN, RLE, Page, levels_end, pages_of
from core.hub.thrift import Fields, Odd, Short, number, substruct

_CODED = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY: the page holds places in the dictionary
_KEPT_PLAIN = (PLAIN, 2)  # how a dictionary writes its values


def single_value(chunk: memoryview, codec: str, has_levels: bool, present: bool | None) -> memoryview | None:
    """The value of a chunk of one row, which takes its own size in memory; None where pyarrow must look.

    Args:
        chunk: all of it, its pages' sizes found bearable (`page.walk_pages`).
        codec: as the footer names it, e.g. "SNAPPY".
        has_levels: the column is nullable.
        present: the footer says that it holds a value.

    Raises:
        OSError, ValueError: the page does not unpack.
    """
    try:
        found = list(pages_of(chunk))
        if len(found) == 1 and _is(found[0].header, DATA_PAGE, 5, (PLAIN,)):
            if has_levels and number(substruct(found[0].header, 5), 3) != RLE:
                return None
            body = _unpacked(chunk, found[0], codec)
            return None if body is None else _value(body, levels_end(body) if has_levels else 0)
        if len(found) == 2 and present and _is_coded(found[0].header, found[1].header):
            body = _unpacked(chunk, found[0], codec)
            return None if body is None else _value(body, 0)
    except (Odd, Short):
        pass
    return None


def _is(header: Fields, kind: int, field: int, encodings: tuple[int, ...]) -> bool:
    """Whether it is a page of this kind with one value of one of these encodings."""
    if number(header, 1) != kind:
        return False
    body = substruct(header, field)
    return number(body, 1) == 1 and number(body, 2) in encodings


def _is_coded(first: Fields, second: Fields) -> bool:
    return _is(first, DICTIONARY_PAGE, 7, _KEPT_PLAIN) and _is(second, DATA_PAGE, 5, _CODED)


def _unpacked(chunk: memoryview, page: Page, codec: str) -> memoryview | None:
    """The page's bytes, exactly as many as its header says; None for a codec that does not prove that."""
    import pyarrow as pa

    packed = chunk[page.start : page.stop]
    if codec == "UNCOMPRESSED" and page.unpacked == len(packed):
        return memoryview(bytes(packed))  # a copy: the chunk goes before its value does
    if codec == "ZSTD" or (codec == "SNAPPY" and _snappy_length(packed) == page.unpacked):
        return memoryview(pa.decompress(packed, decompressed_size=page.unpacked, codec=codec.lower()))
    return None


def _snappy_length(packed: memoryview) -> int | None:
    """The length that a snappy block gives itself; unlike for ZSTD, pyarrow does not hold the outcome against it."""
    value = 0
    for place, byte in enumerate(packed[:5]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value
    return None


def _value(body: memoryview, at: int) -> memoryview | None:
    if at + 4 > len(body):
        return None  # a null
    length = int.from_bytes(body[at : at + 4], "little")
    return body[at + 4 :] if at + 4 + length == len(body) else None
