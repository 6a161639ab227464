"""The one value of a packed chunk, as pyarrow writes it, and never another one."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hub.single import single_value

VALUE = np.random.default_rng(3).bytes(30_000)


def chunk_of(value: bytes | None, nullable: bool = True, **options: object) -> tuple[memoryview, str]:
    """The column chunk of one value, and its codec."""
    sink = io.BytesIO()
    schema = pa.schema([pa.field("x", pa.binary(), nullable)])
    pq.write_table(pa.table({"x": pa.array([value], pa.binary())}, schema=schema), sink, **options)
    column = pq.read_metadata(sink).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    return memoryview(sink.getvalue())[start : start + column.total_compressed_size], column.compression


@pytest.mark.parametrize("codec", ["SNAPPY", "ZSTD", "NONE"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("value", [VALUE, b"x", b"", bytes(10**6)])
def test_the_value_is_found(codec: str, dictionary: bool, nullable: bool, value: bytes) -> None:
    chunk, name = chunk_of(value, nullable, compression=codec, use_dictionary=dictionary)
    found = single_value(chunk, name, nullable, present=True)
    assert found is not None and bytes(found) == value


@pytest.mark.parametrize("codec", ["GZIP", "BROTLI", "LZ4"])
def test_other_codecs_are_left_to_pyarrow(codec: str) -> None:
    chunk, name = chunk_of(VALUE, compression=codec)
    assert single_value(chunk, name, True, present=True) is None


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_null_is_left_to_pyarrow(dictionary: bool) -> None:
    chunk, name = chunk_of(None, use_dictionary=dictionary)
    assert single_value(chunk, name, True, present=None) is None


def test_version_2_pages_and_unknown_presence_of_a_coded_value_are_left_to_pyarrow() -> None:
    chunk, name = chunk_of(VALUE, use_dictionary=False, data_page_version="2.0")
    assert single_value(chunk, name, True, present=True) is None
    chunk, name = chunk_of(VALUE, use_dictionary=True)
    assert single_value(chunk, name, True, present=None) is None


PACKED = {codec: chunk_of(VALUE[:3000] * 2, compression=codec) for codec in ("SNAPPY", "ZSTD")}


@given(codec=st.sampled_from(sorted(PACKED)), at=st.integers(0, 5000), flip=st.integers(1, 255))
def test_a_damaged_chunk_never_gives_bytes_that_nobody_wrote(codec: str, at: int, flip: int) -> None:
    chunk, name = PACKED[codec]
    damaged = bytearray(chunk)
    damaged[at % len(damaged)] ^= flip
    try:
        found = single_value(memoryview(damaged), name, True, present=True)
        again = single_value(memoryview(damaged), name, True, present=True)
    except (OSError, ValueError):
        return
    assert (found is None and again is None) or (found is not None and again is not None and found == again)
