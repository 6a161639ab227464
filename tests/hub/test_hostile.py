"""Repositories that mean harm, or that nobody thought of: one clear error each, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.case import check_case_id
from core.errors import BadVolume, CaseNotFound, HubCorrupt
from core.hub.columns import MAX_SINGLE, read_image
from core.hub.footer import MAX_FOOTER, MAX_ROWS, MAX_TEXT, Image, Row, as_scalar, footer_start, parse_footer
from core.hub.ids import case_id_of, unique_id
from core.hub.page import walk_pages
from core.hub.thrift import MAX_VALUES, Odd, Short, read_struct
from core.sources.protocol import Source
from tests.hub.conftest import source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, case, nifti, shard

MANY = MAX_FOOTER - 100


def varint(value: int) -> bytes:
    """A number as the compact protocol writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> bytes:
    return varint(2 * value)


def listed(field: int, kind: int, count: int, element: bytes) -> bytes:
    """A list field of equal elements; `field` counts from the one before."""
    return bytes([field << 4 | 9, 0xF0 | kind]) + varint(count) + element * count


def page(unpacked: int, packed: int, kind: int = 0) -> bytes:
    """A page of zeros whose header says what we like."""
    return b"\x15" + zigzag(kind) + b"\x15" + zigzag(unpacked) + b"\x15" + zigzag(packed) + b"\0" + bytes(packed)


FOOTERS = {
    "millions of row groups": listed(4, 12, MANY, b"\0") + b"\0",
    "many columns": listed(2, 12, MANY // 40, b"\x15\x0c\x00") + b"\0",
    "many numbers": listed(1, 5, MANY // 40, b"\x02") + b"\0",
    "millions of fields": b"\x11" * MANY + b"\0",
    "a list longer than the file": b"\x49\xfc" + varint(2**62) + b"\0",
    "text longer than the file": b"\x18" + varint(2**40) + b"\0",
    "structs in structs": b"\x1c" * MANY,
    "lists in lists": b"\x19" + b"\x19" * MANY,
    "a tree of one branch": listed(2, 12, 1000, b"\x48\x01a\x15\x02\0") + b"\0",
    "nothing": b"\0",
    "noise": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("name", FOOTERS)
def test_footers_of_millions_of_things_are_refused(name: str) -> None:
    with pytest.raises(HubCorrupt):
        parse_footer(FOOTERS[name] + b"\0" * 4 + b"PAR1", 10 * MAX_FOOTER)


@pytest.mark.parametrize("name", FOOTERS)
def test_the_memory_for_a_footer_is_bounded_by_its_values(name: str) -> None:
    most = 30_000
    tracemalloc.start()
    try:
        with suppress(Odd, Short):
            read_struct(FOOTERS[name], most=most)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 160 * most and MAX_VALUES * 160 < 250e6


@pytest.mark.parametrize("length", [0, 1, MAX_FOOTER + 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_footer_that_claims_too_much_is_not_asked_for(length: int) -> None:
    tail = bytes(100) + length.to_bytes(4, "little") + b"PAR1"
    with pytest.raises(HubCorrupt):
        start = footer_start(tail, 2**40)
        parse_footer(tail[-9:], start)


def test_values_are_counted_before_they_are_made() -> None:
    with pytest.raises(Odd):
        read_struct(listed(1, 5, 1000, b"\x02") + b"\0", most=999)
    assert len(read_struct(listed(1, 5, 1000, b"\x02") + b"\0", most=1001)[0]) == 1


@pytest.mark.parametrize("kind", [0, 2, 3])
@pytest.mark.parametrize("claims", [MAX_SINGLE + 1, 2**31 - 1])
def test_a_page_that_unpacks_to_gigabytes_is_refused_before_it_is(kind: int, claims: int) -> None:
    chunk = page(claims, 50, kind)
    image = Image("dwi.bytes", 4, 4 + len(chunk), 100, plain=False, levels=True, present=True)
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(HubCorrupt, match="unpacks to") as caught:
        read_image(10_000, b"", Row(0, 0, {}, {"dwi": image}), image, [(4, memoryview(chunk))])
    assert f"{MAX_SINGLE / 1e6:.0f} MB" in str(caught.value) and caught.value.hint
    assert pa.default_memory_pool().max_memory() == before


def test_many_pages_add_up() -> None:
    chunk = page(2**30, 10) * 3
    assert walk_pages(chunk).unpacked == 3 * 2**30 and walk_pages(chunk).largest == 2**30
    assert walk_pages(b"").unpacked == 0
    for bad in (chunk[:-1], chunk + b"\0", bytes(100_000), page(0, 0) * 30_000, b"\x15"):
        with pytest.raises((Odd, Short)):
            walk_pages(bad)


def test_a_dictionary_that_would_be_copied_for_hours_is_refused() -> None:
    chunk = page(MAX_SINGLE, 10, kind=2) + page(100, 10)
    image = Image("dwi.bytes", 4, 4 + len(chunk), 100, plain=False, levels=True, present=True)
    with pytest.raises(HubCorrupt, match="too long"):
        read_image(10_000, b"", Row(0, 90_000, {}, {"dwi": image}), image, [(4, memoryview(chunk))])


def table_of(columns: dict[str, object], **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def serve(files: dict[str, bytes]) -> HubServer:
    hub = HubServer()
    hub.add_dataset(REPO, COMMIT, dict(files))
    return hub


def test_text_that_a_dictionary_makes_huge_stays_small(tmp_path: Path) -> None:
    rows = 4000
    sex = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["F" * 250_000]))  # 1 GB of text
    with serve(
        {"a.parquet": table_of({"subject_id": pa.array([f"s{n:05d}" for n in range(rows)]), "sex": sex})}
    ) as hub:
        source = source_on(hub, tmp_path)
        tracemalloc.start()
        try:
            listing = source.listing()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(listing.cases) == rows and {c.clinical.sex for c in listing.cases} == {None}
    assert peak < 60e6 and pa.default_memory_pool().max_memory() < 600e6


def test_scalars_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    text = pa.array(["a" * 2**20] * 70, pa.large_string())
    bomb = table_of({"subject_id": text}, compression="ZSTD", use_dictionary=False, write_statistics=False)
    assert len(bomb) < 200_000
    with serve({"a.parquet": bomb}) as hub, pytest.raises(HubCorrupt, match="unpacks to"):
        source_on(hub, tmp_path).listing()


def test_a_million_rows_are_refused_with_the_number(tmp_path: Path) -> None:
    data = table_of({"subject_id": pa.array(range(1_000_000), pa.int32())})
    with serve({"a.parquet": data}) as hub, pytest.raises(HubCorrupt, match=f"more than {MAX_ROWS} rows"):
        source_on(hub, tmp_path).listing()


@pytest.mark.parametrize("groups", [None, 50])
def test_thousands_of_rows_are_listed_and_each_can_be_fetched(groups: int | None, tmp_path: Path) -> None:
    count = 2000
    image = {n: nifti(n, (5, 4, 3)) for n in range(count)}
    cases = [Case(f"sub-{n:05d}", {"dwi": image[n]}, {"age": 20.0 + n % 60}) for n in range(count)]
    with serve({"a.parquet": shard(cases, Options(rows_per_group=groups), columns=("dwi",))}) as hub:
        source = source_on(hub, tmp_path)
        listing = source.listing()
        assert [c.case_id for c in listing.cases] == [c.subject_id for c in cases]
        assert [c.clinical.age for c in listing.cases] == [c.scalars["age"] for c in cases]
        assert source.fetch("sub-01999", ["dwi"]).files["dwi"].path.read_bytes() == image[1999]
        hub.reset_counts()
        again = source_on(hub, tmp_path)
        assert again.listing() == listing and hub.requests == 0
        begun = time.monotonic()
        for _ in range(50):
            again.cached("sub-01000")
            again.case("sub-01000")
        assert time.monotonic() - begun < 10  # 0.05 s where the list is not made anew for each question
    assert sum(path.stat().st_size for path in (tmp_path / "footers").rglob("*.json")) < 1_000_000


NO_SHARDS = {
    "empty": b"",
    "tiny": b"PAR1",
    "html": b"<html>" * 5000,
    "magic only": b"PAR1" + bytes(60_000) + b"PAR1",
    "2 GB footer": b"PAR1" + bytes(60_000) + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "encrypted": shard([case(1)])[:-4] + b"PARE",
}


@pytest.mark.parametrize("name", NO_SHARDS)
def test_what_is_no_parquet_is_said_so_and_not_asked_again_at_every_look(name: str, tmp_path: Path) -> None:
    with serve({"a.parquet": NO_SHARDS[name], "b.parquet": shard([case(1)])}) as hub:
        source = source_on(hub, tmp_path)
        assert [c.case_id for c in source.listing().cases] == ["sub-stroke0001"]
        hub.reset_counts()
        for _ in range(3):
            listing = source.listing()
            assert not listing.complete and [c.case_id for c in listing.cases] == ["sub-stroke0001"]
        assert hub.requests == 0
        with pytest.raises(HubCorrupt) as caught:  # a person who asks again is not put off
            source.refresh()
        assert caught.value.hint
        assert hub.total_bytes < 400_000


def test_a_repository_of_bad_shards_is_given_up(tmp_path: Path) -> None:
    with serve({f"{n:03d}.parquet": b"PAR1" * 100 for n in range(400)}) as hub:
        source = source_on(hub, tmp_path)
        for _ in range(2):
            with pytest.raises(HubCorrupt, match=r"not a Parquet|impossible length"):
                source.listing()
        assert hub.requests < 300


def test_a_gzip_bomb_ends_at_what_its_header_promises(tmp_path: Path) -> None:
    bomb = gzip.compress(nifti(1, packed=False) + bytes(50_000_000))
    with serve({"a.parquet": shard([Case("sub-1", {"dwi": bomb})], columns=("dwi",))}) as hub:
        source = source_on(hub, tmp_path)
        assert source.header("sub-1", "dwi").shape == (16, 16, 20)
        with pytest.raises((HubCorrupt, BadVolume), match="longer"):
            source.fetch("sub-1", ["dwi"])
        assert source.cached("sub-1") == frozenset()


ODD_IDS = ["..", "../../etc", "a/b", "", " ", "ä", "s" * 300, "-5", "x\n", "CON", "sub-1", "sub-1", "Sub-1", "s" * 100]


def ids_of(source: Source) -> list[str]:
    listing = source.listing()
    ids = [c.case_id for c in listing.cases]
    assert [check_case_id(i) for i in ids] == ids == sorted(ids) and len({i.casefold() for i in ids}) == len(ids)
    return ids


def test_odd_ids_become_good_ones_and_each_opens_its_own_image(tmp_path: Path) -> None:
    images = [nifti(n) for n in range(len(ODD_IDS))]
    cases = [Case(name, {"dwi": image}) for name, image in zip(ODD_IDS, images, strict=True)]
    with serve({"data/train.parquet": shard(cases, columns=("dwi",))}) as hub:
        source = source_on(hub, tmp_path)
        ids = ids_of(source)
        assert len(ids) == len(ODD_IDS) and {"CON", "sub-1", "sub-1_2", "Sub-1_3"} <= set(ids)
        found = {source.fetch(i, ["dwi"]).files["dwi"].path.read_bytes() for i in ids}
        assert found == set(images)
        for bad in ("..", "../../etc", "a/b", "", "s" * 300):
            with pytest.raises(CaseNotFound):
                source.fetch(bad, ["dwi"])
    outside = [path for path in tmp_path.rglob("*") if not path.resolve().is_relative_to(tmp_path)]
    assert outside == []


def test_numbers_as_ids_are_never_rounded(tmp_path: Path) -> None:
    values = [1.0, 2.0, 2.5, 1e300, float("nan"), -3.0]
    data = table_of({"subject_id": pa.array(values), "dwi": pa.array([b"x"] * 6)})
    with serve({"t.parquet": data}) as hub:
        assert ids_of(source_on(hub, tmp_path)) == ["1", "2", "2.5", "t-00003", "t-00004", "t-00005"]


def test_many_equal_ids_take_no_longer_than_others() -> None:
    for wanted in (["same"] * 100_000, ["s" * 90 + f"{n % 50_000:010d}" for n in range(100_000)]):
        taken: set[str] = set()
        counts: dict[str, int] = {}
        names = [unique_id(name, taken, counts) for name in wanted]
        assert len(set(names)) == 100_000 and all(check_case_id(name) for name in names)
    assert case_id_of(Row(0, 0, {"subject_id": "é"}, {}), "é").startswith("row-")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "x" * (MAX_TEXT + 1), b"y" * 10**6, [1]])
def test_scalars_without_meaning_are_unknown(value: object) -> None:
    assert as_scalar(value) is None


def test_scalars_out_of_range_are_unknown(tmp_path: Path) -> None:
    odd: dict[str, float | str] = {
        "age": float("inf"),
        "nihss_admission": 1e300,
        "mrs_admission": -1.0,
        "mrs_3month": 7.0,
        "sex": "F" * 10**5,
    }
    with serve({"a.parquet": shard([Case("sub-1", {"dwi": nifti(1)}, odd)], columns=("dwi",))}) as hub:
        (found,) = source_on(hub, tmp_path).refresh().cases
    assert set(vars(found.clinical).values()) == {None}
