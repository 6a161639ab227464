"""Footer: what a Parquet file's last bytes tell about its rows, without reading a column.

Gives, per row, the scalars that the statistics prove and the exact byte range of each image's column chunk. Statistics
are believed only for a row group of one row whose minimum equals its maximum; everything else is listed as `unread`
for whoever can read columns (`columns`). Does no transfer. Source: apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from core.case import Clinical
from core.errors import HubCorrupt
from core.hub.schema import BYTE_ARRAY, Leaf, read_leaves
from core.hub.thrift import Fields, Odd, Short, items, number, read_struct, structs, substruct, text

TAIL = 32768  # bytes that hold most footers (8–22 KB for one ISLES'24 shard)
MAX_FOOTER = 8 * 2**20  # of which `thrift` reads MAX_VALUES at most
MAX_ROWS = 100_000  # of one file
MAX_TEXT = 200  # characters of a scalar; a longer one is no id and no clinical value
MAGIC = b"PAR1"
_SURE = 4096  # a one-row chunk larger than this holds a value: a null takes a few dozen bytes
_PLAIN_ONLY = frozenset({0, 3, 4})  # PLAIN values with RLE or BIT_PACKED levels
_FORMATS = {0: "<?", 1: "<i", 2: "<q", 4: "<f", 5: "<d"}  # physical type -> how statistics write a number
ID_COLUMNS = ("subject_id", "case_id", "participant_id", "patient_id", "subject", "id")
SCALARS = frozenset({*ID_COLUMNS, "session_id", "session", *(f.name for f in dataclasses.fields(Clinical))})
Scalar = str | float | None


@dataclass(frozen=True)
class Image:
    """One image of one row, as it lies in its file.

    Attributes:
        leaf: path of the Parquet column that holds the bytes.
        start, stop: bytes of the column chunk (stop exclusive); shared by all rows of the row group.
        unpacked: bytes of the chunk once decompressed, as the file says.
        plain: the chunk should be one uncompressed PLAIN value, to be found with `page.find_value`.
        levels: the chunk has definition levels.
        present: False for a null, None when only the column itself can tell.
    """

    leaf: str
    start: int
    stop: int
    unpacked: int
    plain: bool
    levels: bool
    present: bool | None


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        group, number: row group, and row within it.
        scalars: by column; unknown ones are missing or None.
        images: by column.
    """

    group: int
    number: int
    scalars: Mapping[str, Scalar]
    images: Mapping[str, Image]


@dataclass(frozen=True)
class Unread:
    """A small column chunk that must be read to know a row: a scalar, or whether an image is there."""

    group: int
    leaf: str
    start: int
    stop: int
    unpacked: int


@dataclass(frozen=True)
class Footer:
    """A parsed footer."""

    rows: tuple[Row, ...]
    unread: tuple[Unread, ...]


def footer_start(tail: bytes, size: int) -> int:
    """Where the footer begins in a file of this size.

    Raises:
        HubCorrupt: the file is no Parquet, or its footer is out of bounds.
    """
    if len(tail) < 12 or tail[-4:] != MAGIC:
        raise _bad("is not a Parquet file")
    length = int.from_bytes(tail[-8:-4], "little")
    if not 0 < length <= min(MAX_FOOTER, size - 12):
        raise _bad("has a footer of an impossible length")
    return size - 8 - length


def parse_footer(data: bytes, size: int) -> Footer:
    """The rows that a footer describes.

    Args:
        data: the file's bytes from `footer_start` to the end.
        size: of the whole file.

    Raises:
        HubCorrupt: the footer cannot be read, or points outside the file.
    """
    try:
        meta, _ = read_struct(data)
        leaves = read_leaves(structs(meta, 2))
        groups = structs(meta, 4)
        if sum(number(group, 3) for group in groups) > MAX_ROWS or len(groups) * len(leaves) > 20 * MAX_ROWS:
            raise _bad(f"has more than {MAX_ROWS} rows")
        rows: list[Row] = []
        unread: list[Unread] = []
        for index, group in enumerate(groups):
            found, more = _read_group(index, group, leaves, size - len(data))
            rows += found
            unread += more
    except (Odd, Short):
        raise _bad("has a footer that cannot be read") from None
    return Footer(tuple(rows), tuple(unread))


def _read_group(index: int, group: Fields, leaves: list[Leaf], end: int) -> tuple[list[Row], list[Unread]]:
    rows, chunks = number(group, 3), structs(group, 1)
    if len(chunks) != len(leaves):
        raise Odd
    scalars: dict[str, Scalar] = {}
    images: dict[str, Image] = {}
    unread: list[Unread] = []
    for leaf, chunk in zip(leaves, chunks, strict=True):
        image_name = leaf.image_name
        if image_name is None and leaf.path not in SCALARS:
            continue
        column = substruct(chunk, 3)
        if [text(part) for part in items(column, 3)] != leaf.path.split(".") or number(column, 1) != leaf.kind:
            raise Odd
        start, stop = _span(column, end)
        small = Unread(index, leaf.path, start, stop, number(column, 6))
        known, value = _proven(column, leaf, rows)
        if image_name is not None and image_name not in SCALARS:
            image = Image(leaf.path, start, stop, small.unpacked, *_layout(column, leaf, rows, stop - start))
            images[image_name] = image
            if image.present is None and rows == 1:
                unread.append(small)
        elif known:
            scalars[leaf.path] = value
        else:
            unread.append(small)
    return [Row(index, row, scalars, images) for row in range(rows)], unread


def _span(column: Fields, end: int) -> tuple[int, int]:
    start = number(column, 9)
    dictionary = number(column, 11, default=0)
    if dictionary:
        start = min(start, dictionary)
    stop = start + number(column, 7)
    if not 4 <= start <= stop <= end:
        raise _bad("has a footer that points outside the file")
    return start, stop


def _layout(column: Fields, leaf: Leaf, rows: int, chunk_bytes: int) -> tuple[bool, bool, bool | None]:
    """(plain, levels, present) of an image's chunk."""
    encodings = {code for code in items(column, 2) if isinstance(code, int)}
    uncompressed = number(column, 4) == 0
    plain = rows == 1 and uncompressed and not number(column, 11, default=0) and encodings <= _PLAIN_ONLY
    nulls = _statistics(column).get(3)
    if nulls == 0 and rows:
        present: bool | None = True
    elif nulls == rows:
        present = False
    else:
        present = True if rows == 1 and chunk_bytes > _SURE else None
    return plain, leaf.nullable, present


def _statistics(column: Fields) -> Fields:
    value = column.get(12)
    return value if isinstance(value, dict) else {}


def _proven(column: Fields, leaf: Leaf, rows: int) -> tuple[bool, Scalar]:
    """(whether the statistics prove the one row's value, the value). -0.0 becomes 0.0."""
    stats = _statistics(column)
    if rows != 1:
        return False, None
    low, high = stats.get(6, stats.get(2)), stats.get(5, stats.get(1))
    if stats.get(3) == 1 and low is None and high is None:
        return True, None
    if not isinstance(low, bytes) or not isinstance(high, bytes) or stats.get(7) is False or stats.get(8) is False:
        return False, None
    first, second = _decode(low, leaf), _decode(high, leaf)
    return (True, as_scalar(second)) if first is not None and first == second else (False, None)


def _decode(raw: bytes, leaf: Leaf) -> object:
    """A value as statistics write it; None when it is of a type we do not judge."""
    if leaf.kind == BYTE_ARRAY:
        return raw
    form = _FORMATS.get(leaf.kind)
    if form is None or leaf.is_coded or struct.calcsize(form) != len(raw):
        return None
    return struct.unpack(form, raw)[0]


def as_scalar(value: object) -> Scalar:
    """A column's value as text of at most MAX_TEXT, a finite number or None."""
    if isinstance(value, bytes):
        value = value[: 4 * MAX_TEXT + 1].decode("utf-8", "replace")
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    if isinstance(value, int | float):
        amount = float(value) + 0.0
        return amount if abs(amount) < float("inf") else None
    return None


def _bad(how: str) -> HubCorrupt:
    return HubCorrupt(f"a file of the dataset {how}", hint="report it to the dataset's owner, or choose another source")
