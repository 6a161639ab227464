"""Footer: what a Parquet file's last bytes tell about its rows, without reading a column.

Gives, per row, the scalars that the statistics prove and the exact byte range of each image's column chunk. Statistics
are believed only for a row group of one row whose minimum equals its maximum; everything else is listed as `unread`
for whoever can read columns (`columns`). Does no transfer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from core.case import Clinical
from core.errors import HubCorrupt

TAIL = 32768  # bytes that hold most footers (8–22 KB for one ISLES'24 shard)
MAX_FOOTER = 32 * 2**20
MAX_ROWS = 200_000
_MAGIC = b"PAR1"
_SURE = 4096  # a one-row chunk larger than this holds a value: a null takes a few dozen bytes
ID_COLUMNS = ("subject_id", "case_id", "participant_id", "patient_id", "subject", "id")
SCALARS = frozenset({*ID_COLUMNS, "session_id", "session", *(f.name for f in dataclasses.fields(Clinical))})
Scalar = str | float | None


@dataclass(frozen=True)
class Image:
    """One image of one row, as it lies in its file.

    Attributes:
        leaf: path of the Parquet column that holds the bytes.
        group, row: row group, and row within it.
        start, stop: bytes of the column chunk (stop exclusive); shared by all rows of the group.
        plain: the chunk should be one uncompressed PLAIN value, to be found with `page.find_value`.
        levels: the chunk has definition levels.
        present: False for a null, None when only the column itself can tell.
    """

    leaf: str
    group: int
    row: int
    start: int
    stop: int
    plain: bool
    levels: bool
    present: bool | None


@dataclass(frozen=True)
class Row:
    """One case: scalars by column (unknown ones missing) and images by column."""

    scalars: Mapping[str, Scalar]
    images: Mapping[str, Image]


@dataclass(frozen=True)
class Unread:
    """A small column chunk that must be read to know a row: a scalar, or whether an image is there."""

    group: int
    leaf: str
    start: int
    stop: int


@dataclass(frozen=True)
class Footer:
    """A parsed footer. `meta` is pyarrow's own, for reading columns."""

    rows: tuple[Row, ...]
    unread: tuple[Unread, ...]
    meta: pq.FileMetaData = field(repr=False)


def footer_start(tail: bytes, size: int) -> int:
    """Where the footer begins in a file of this size.

    Raises:
        HubCorrupt: the file is no Parquet, or its footer is out of bounds.
    """
    if len(tail) < 12 or tail[-4:] != _MAGIC:
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
    meta = read_meta(data)
    if meta.num_rows > MAX_ROWS or meta.num_row_groups * meta.num_columns > 20 * MAX_ROWS:
        raise _bad("has more rows than a dataset of cases")
    rows: list[Row] = []
    unread: list[Unread] = []
    end = size - len(data)
    for group in range(meta.num_row_groups):
        found, more = _read_group(meta, group, end)
        rows += found
        unread += more
    return Footer(tuple(rows), tuple(unread), meta)


def read_meta(data: bytes) -> pq.FileMetaData:
    """pyarrow's metadata of a footer.

    Raises:
        HubCorrupt: it cannot be read.
    """
    try:
        source = pa.BufferReader(_MAGIC + data)
        limit = 4 * len(data) + 1024
        file = pq.ParquetFile(source, thrift_string_size_limit=limit, thrift_container_size_limit=limit)
        return file.metadata
    except (pa.ArrowException, OSError, ValueError):
        raise _bad("has a footer that cannot be read") from None


def _read_group(meta: pq.FileMetaData, group: int, end: int) -> tuple[list[Row], list[Unread]]:
    part = meta.row_group(group)
    scalars: dict[str, Scalar] = {}
    images: dict[str, Image] = {}
    unread: list[Unread] = []
    for index in range(part.num_columns):
        column, schema = part.column(index), meta.schema.column(index)
        name = _image_name(schema)
        if name is None and column.path_in_schema not in SCALARS:
            continue
        start, stop = _span(column, end)
        known, value = _proven(column, part.num_rows)
        if name is not None:
            present = _presence(column, part.num_rows, stop - start)
            plain = part.num_rows == 1 and _is_plain(column, schema)
            levels = schema.max_definition_level > 0
            images[name] = Image(column.path_in_schema, group, 0, start, stop, plain, levels, present)
            if present is None and part.num_rows == 1:
                unread.append(Unread(group, column.path_in_schema, start, stop))
        elif known:
            scalars[column.path_in_schema] = value
        else:
            unread.append(Unread(group, column.path_in_schema, start, stop))
    rows = [
        Row(scalars, {name: dataclasses.replace(image, row=row) for name, image in images.items()})
        for row in range(part.num_rows)
    ]
    return rows, unread


def _image_name(schema: pq.ColumnSchema) -> str | None:
    """The image column's name: `name` of a struct with a `bytes` field, or of a column of raw bytes."""
    if schema.physical_type != "BYTE_ARRAY" or schema.max_repetition_level:
        return None
    parts = schema.path.split(".")
    if len(parts) == 2 and parts[1] == "bytes":
        return str(parts[0])
    is_text = schema.logical_type.type not in ("NONE", "UNKNOWN")
    return str(parts[0]) if len(parts) == 1 and not is_text and parts[0] not in SCALARS else None


def _span(column: pq.ColumnChunkMetaData, end: int) -> tuple[int, int]:
    first = column.dictionary_page_offset if column.has_dictionary_page else None
    start = min(column.data_page_offset, first) if first is not None and first > 0 else column.data_page_offset
    stop = start + column.total_compressed_size
    if not 4 <= start <= stop <= end:
        raise _bad("has a footer that points outside the file")
    return start, stop


def _is_plain(column: pq.ColumnChunkMetaData, schema: pq.ColumnSchema) -> bool:
    known = {"PLAIN", "RLE", "BIT_PACKED"}
    return (
        column.compression == "UNCOMPRESSED"
        and not column.has_dictionary_page
        and set(column.encodings) <= known
        and schema.max_repetition_level == 0
    )


def _presence(column: pq.ColumnChunkMetaData, rows: int, chunk_bytes: int) -> bool | None:
    stats = column.statistics if column.is_stats_set else None
    if stats is not None and stats.has_null_count and stats.null_count in (0, rows):
        return bool(stats.null_count == 0)
    return True if rows == 1 and chunk_bytes > _SURE else None


def _proven(column: pq.ColumnChunkMetaData, rows: int) -> tuple[bool, Scalar]:
    """(whether the statistics prove the one row's value, the value). -0.0 becomes 0.0."""
    stats = column.statistics if column.is_stats_set else None
    if stats is None or rows != 1:
        return False, None
    if stats.has_null_count and stats.null_count == 1 and not stats.has_min_max:
        return True, None
    if not stats.has_min_max or stats.min != stats.max:
        return False, None
    return True, as_scalar(stats.max)


def as_scalar(value: object) -> Scalar:
    """A column's value as text, a finite number or None."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        number = float(value) + 0.0
        return number if abs(number) < float("inf") else None
    return None


def _bad(how: str) -> HubCorrupt:
    return HubCorrupt(f"a file of the dataset {how}", hint="report it to the dataset's owner, or choose another source")
