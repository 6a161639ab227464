"""Finding the one value of a chunk, as pyarrow writes it."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hub.page import find_value


def chunk_of(value: bytes | None, **options: object) -> bytes:
    """The column chunk of one value."""
    sink = io.BytesIO()
    table = pa.table({"x": pa.array([value], pa.binary())})
    pq.write_table(table, sink, **{"compression": "NONE", "use_dictionary": False, **options})
    column = pq.read_metadata(sink).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    return sink.getvalue()[start : start + column.total_compressed_size]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("length", [1, 3000, 300_000])
def test_finds_the_value(version: str, statistics: bool, length: int) -> None:
    value = bytes(range(256)) * (length // 256) + bytes(length % 256)
    chunk = chunk_of(value, data_page_version=version, write_statistics=statistics)
    found = find_value(chunk[:65536], len(chunk), has_levels=True)
    assert found is not None
    assert chunk[found.start : found.stop] == value


@pytest.mark.parametrize(
    "chunk",
    [
        chunk_of(None),
        chunk_of(b"x" * 100, compression="SNAPPY"),
        chunk_of(b"x" * 100, use_dictionary=True),
        b"",
        b"PAR1" * 20,
    ],
)
def test_leaves_everything_else_to_a_real_reader(chunk: bytes) -> None:
    assert find_value(chunk, len(chunk), has_levels=True) is None


@given(st.binary(max_size=300))
def test_never_stumbles_over_noise(noise: bytes) -> None:
    found = find_value(noise, len(noise), has_levels=True)
    assert found is None or 0 <= found.start <= found.stop == len(noise)


@given(at=st.integers(0, 30), flip=st.integers(1, 255))
def test_a_damaged_head_is_never_read_beyond_its_chunk(at: int, flip: int) -> None:
    chunk = bytearray(chunk_of(b"y" * 500))
    chunk[at] ^= flip
    found = find_value(bytes(chunk), len(chunk), has_levels=True)
    assert found is None or found.stop == len(chunk)
