"""What a footer tells, for the usual writer and for others."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import HubCorrupt
from core.hub.footer import Footer, footer_start, parse_footer
from tests.hubserver.shards import IMAGES, Options, case, shard

DATA = shard([case(3, without=("ctp",))])


def parsed(data: bytes) -> Footer:
    return parse_footer(data[footer_start(data[-40000:], len(data)) :], len(data))


def test_the_usual_shard_is_told_by_its_footer_alone() -> None:
    footer = parsed(DATA)
    (row,) = footer.rows
    assert footer.unread == ()
    assert row.scalars == {
        "subject_id": "sub-stroke0003",
        "age": 43.0,
        "sex": "M",
        "nihss_admission": 3.0,
        "mrs_admission": 0.0,
        "mrs_3month": 3.0,
    }
    assert {name for name, image in row.images.items() if image.present} == set(IMAGES) - {"ctp"}
    assert row.images["ctp"].present is False
    dwi = row.images["dwi"]
    assert dwi.plain
    assert case(3).images["dwi"] in DATA[dwi.start : dwi.stop]


def test_zero_has_no_sign() -> None:
    value = parsed(DATA).rows[0].scalars["mrs_admission"]
    assert struct.pack("d", value) == struct.pack("d", 0.0)


def test_without_statistics_everything_small_is_unread() -> None:
    footer = parsed(shard([case(3, without=("ctp",))], Options(statistics=False)))
    assert {chunk.leaf for chunk in footer.unread} == {
        "subject_id",
        "age",
        "sex",
        "nihss_admission",
        "mrs_admission",
        "mrs_3month",
        "ctp.bytes",
    }
    assert footer.rows[0].images["dwi"].present is True


def test_statistics_of_several_rows_prove_nothing() -> None:
    footer = parsed(shard([case(1), case(1)]))
    assert [row.scalars for row in footer.rows] == [{}, {}]
    assert not footer.rows[0].images["dwi"].plain


def test_unknown_scalars_are_none() -> None:
    bare = case(1)
    footer = parsed(shard([type(bare)(bare.subject_id, bare.images, {})]))
    assert footer.rows[0].scalars["age"] is None


@pytest.mark.parametrize(
    "data",
    [b"", b"PAR1", b"<html>" * 100, DATA[:-1], DATA[:-8] + b"\xff\xff\xff\x7fPAR1", DATA[:-8] + bytes(4) + b"PAR1"],
)
def test_what_is_no_parquet_is_corrupt(data: bytes) -> None:
    with pytest.raises(HubCorrupt):
        parsed(data)


def test_a_footer_that_points_outside_its_file_is_corrupt() -> None:
    start = footer_start(DATA, len(DATA))
    with pytest.raises(HubCorrupt, match="outside"):
        parse_footer(DATA[start:], len(DATA) - start + 100)


@given(at=st.integers(1, 7000), flip=st.integers(1, 255))
def test_a_damaged_footer_gives_rows_inside_the_file_or_an_error(at: int, flip: int) -> None:
    start = footer_start(DATA, len(DATA))
    data = bytearray(DATA[start:])
    data[at % (len(data) - 8)] ^= flip
    try:
        footer = parse_footer(bytes(data), len(DATA))
    except HubCorrupt:
        return
    assert all(4 <= i.start <= i.stop <= start for row in footer.rows for i in row.images.values())
