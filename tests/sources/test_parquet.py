"""ParquetSource against the test Hub: the contract, the costs, and shards of every kind."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import HubCorrupt, HubOffline, HubTimeout
from core.hub.cache import Cache
from core.settings import PINNED_REPO, PINNED_REVISION
from core.sources.hub import open_hub
from core.sources.protocol import Source
from tests.hub.conftest import IMPATIENT, PATIENT, drafts, settings_for, source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, IMAGES, REPO, Case, Options, case, isles24, nifti, shard
from tests.sources.contract import SourceContract

TRIO = ("dwi", "adc", "lesion_mask")


@pytest.fixture(scope="module")
def pinned() -> dict[str, bytes]:
    """The whole dataset in small."""
    return isles24()


@pytest.fixture
def isles(pinned: dict[str, bytes]) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add_dataset(PINNED_REPO, PINNED_REVISION, dict(pinned))
        yield hub


def serve(files: dict[str, bytes]) -> HubServer:
    hub = HubServer()
    hub.add_dataset(REPO, COMMIT, dict(files))
    return hub


def same(source: Source, expected: Case, names: tuple[str, ...] = TRIO) -> None:
    """The source gives these images of the case, byte for byte."""
    fetched = source.fetch(expected.subject_id, names)
    assert {n: f.path.read_bytes() for n, f in fetched.files.items()} == {
        n: expected.images[n] for n in names if n in expected.images
    }
    assert set(fetched.absent) == set(names) - set(expected.images)


class TestContract(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Source]:
        with serve({f"data/{n}.parquet": shard([case(n, without=("ctp",))]) for n in (1, 2)}) as hub:
            yield source_on(hub, tmp_path)


def test_the_pinned_list_costs_nothing(isles: HubServer, tmp_path: Path) -> None:
    listing = source_on(isles, tmp_path, PINNED_REPO, None).listing()
    assert (len(listing.cases), listing.complete, listing.revision) == (149, False, PINNED_REVISION)
    assert listing.source == f"hub:{PINNED_REPO}@{PINNED_REVISION}"
    assert isles.requests == 0


def test_refresh_reads_footers_only_and_once(isles: HubServer, tmp_path: Path) -> None:
    listing = source_on(isles, tmp_path, PINNED_REPO, None).refresh()
    assert listing.complete
    assert isles.requests <= 160
    assert isles.total_bytes <= 6_000_000
    second = listing.cases[1]
    assert (second.case_id, second.clinical.age, second.clinical.sex) == ("sub-stroke0002", 41.0, "M")
    assert set(second.modalities or ()) == set(IMAGES) - {"ctp"}
    isles.reset_counts()
    assert source_on(isles, tmp_path, PINNED_REPO, None).listing() == listing
    assert source_on(isles, tmp_path, PINNED_REPO, None).refresh() == listing
    assert isles.requests == 0


def test_a_case_costs_exactly_its_columns(isles: HubServer, tmp_path: Path) -> None:
    source = source_on(isles, tmp_path, PINNED_REPO, None)
    known = source.case("sub-stroke0003")
    isles.reset_counts()
    fetched = source.fetch("sub-stroke0003", TRIO)
    chunks = sum(known.sizes[name] for name in TRIO)
    assert isles.requests == fetched.requests == 1
    assert chunks <= isles.total_bytes == fetched.bytes_fetched <= 1.05 * chunks
    same(source, case(2, "sub-stroke0003"))


def test_a_case_of_an_unknown_shard_costs_its_footer_more(isles: HubServer, tmp_path: Path) -> None:
    fetched = source_on(isles, tmp_path, PINNED_REPO, None).fetch("sub-stroke0003", TRIO)
    assert isles.requests == fetched.requests == 2


def test_distant_columns_are_not_joined(isles: HubServer, tmp_path: Path) -> None:
    source = source_on(isles, tmp_path, PINNED_REPO, None)
    known = source.case("sub-stroke0001")
    isles.reset_counts()
    source.fetch("sub-stroke0001", ("ncct", "adc"))
    assert isles.requests == 2
    assert isles.total_bytes == known.sizes["ncct"] + known.sizes["adc"]


def test_a_shard_with_another_patient_is_refused(isles: HubServer, pinned: dict[str, bytes], tmp_path: Path) -> None:
    first, second = sorted(pinned)[:2]
    isles.add_dataset(PINNED_REPO, PINNED_REVISION, {**pinned, first: pinned[second]})
    with pytest.raises(HubCorrupt, match="does not hold the case"):
        source_on(isles, tmp_path, PINNED_REPO, None).fetch("sub-stroke0001", TRIO)


def test_a_hub_without_tails_still_works(isles: HubServer, tmp_path: Path) -> None:
    isles.faults.add(Fault("ignore_range"))
    same(source_on(isles, tmp_path, PINNED_REPO, None), case(0, "sub-stroke0001"))


def test_by_way_of_a_second_origin(pinned: dict[str, bytes], tmp_path: Path) -> None:
    with HubServer(redirect=True) as hub:
        hub.add_dataset(PINNED_REPO, PINNED_REVISION, dict(pinned))
        same(source_on(hub, tmp_path, PINNED_REPO, None), case(0, "sub-stroke0001"))


def test_what_is_cached_needs_no_hub(isles: HubServer, tmp_path: Path) -> None:
    source_on(isles, tmp_path, PINNED_REPO, None).fetch("sub-stroke0001", TRIO)
    settings = settings_for(isles, tmp_path, HF_HUB_OFFLINE=True)
    isles.reset_counts()
    offline = open_hub(PINNED_REPO, None, settings, Cache(tmp_path), PATIENT)
    assert len(offline.listing().cases) == 149
    same(offline, case(0, "sub-stroke0001"))
    assert offline.cached("sub-stroke0001") == set(TRIO)
    with pytest.raises(HubOffline):
        offline.fetch("sub-stroke0002", TRIO)
    with pytest.raises(HubOffline):
        offline.check()
    assert isles.requests == 0


VARIANTS = {
    "two rows": Options(),
    "two row groups": Options(rows_per_group=1),
    "zstd": Options(compression="ZSTD"),
    "snappy, two groups": Options(compression="SNAPPY", rows_per_group=1),
    "dictionary": Options(dictionary=True, rows_per_group=1),
    "no statistics": Options(statistics=False, rows_per_group=1),
    "no statistics, two rows": Options(statistics=False),
    "pages of version 2": Options(page_version="2.0", rows_per_group=1),
    "no page index": Options(page_index=False, rows_per_group=1),
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_shards_of_every_kind(options: Options, tmp_path: Path) -> None:
    cases = [case(1), case(2, without=("adc", "ctp")), case(3)]
    with serve({"train.parquet": shard(cases, options)}) as hub:
        source = source_on(hub, tmp_path)
        listing = source.listing()
        assert listing.complete
        assert [c.case_id for c in listing.cases] == [c.subject_id for c in cases]
        assert [c.clinical.age for c in listing.cases] == [41.0, 42.0, 43.0]
        assert [c.clinical.sex for c in listing.cases] == ["M", "F", "M"]
        for each in cases:
            same(source, each, (*TRIO, "ctp"))
        if options.rows_per_group == 1:
            assert set(listing.cases[1].modalities or ()) == set(IMAGES) - {"adc", "ctp"}


def test_unknown_scalars_are_unknown(tmp_path: Path) -> None:
    bare = Case("sub-1", {"dwi": nifti(1)}, {"age": float("nan"), "sex": "unknown"})
    with serve({"train.parquet": shard([bare], columns=("dwi",))}) as hub:
        (found,) = source_on(hub, tmp_path).listing().cases
    clinical = found.clinical
    assert (clinical.age, clinical.sex, clinical.nihss_admission) == (None, None, None)


def test_an_image_that_is_not_packed(tmp_path: Path) -> None:
    plain = nifti(1, packed=False)
    with serve({"train.parquet": shard([Case("sub-1", {"dwi": plain})], columns=("dwi",))}) as hub:
        file = source_on(hub, tmp_path).fetch("sub-1", ["dwi"]).files["dwi"]
    assert file.path.name == "dwi.nii"
    assert file.path.read_bytes() == plain


def test_ids_are_unique_and_safe(tmp_path: Path) -> None:
    image = {"dwi": nifti(1)}
    cases = [Case("sub-1", image), Case("sub-1", image), Case("../../etc", image), Case("a b", image)]
    with serve({"data/train.parquet": shard(cases, columns=("dwi",))}) as hub:
        ids = [c.case_id for c in source_on(hub, tmp_path).listing().cases]
    assert ids == ["sub-1", "sub-1_2", "train-00002", "train-00003"]


def test_an_image_that_is_wrong_at_its_source_spoils_no_other(tmp_path: Path) -> None:
    bad = gzip.compress(b"not an image" * 50, mtime=0)
    images = {"dwi": nifti(1), "adc": bad, "lesion_mask": nifti(3)}
    with serve({"train.parquet": shard([Case("sub-1", images)], columns=TRIO)}) as hub:
        source = source_on(hub, tmp_path)
        with pytest.raises(Exception, match=r".") as caught:
            source.fetch("sub-1", TRIO)
        assert type(caught.value).__name__ in ("BadVolume", "HubCorrupt")
        assert source.cached("sub-1") == {"dwi", "lesion_mask"}
    assert drafts(tmp_path) == []


def test_one_bad_shard_does_not_hide_the_others(tmp_path: Path) -> None:
    with serve({"a.parquet": shard([case(1)]), "b.parquet": b"this is no parquet" * 100}) as hub:
        source = source_on(hub, tmp_path)
        listing = source.listing()
        assert ([c.case_id for c in listing.cases], listing.complete) == (["sub-stroke0001"], False)
        with pytest.raises(HubCorrupt, match="not a Parquet"):
            source.refresh()
        same(source, case(1))


def test_a_damaged_record_of_a_footer_is_made_again(tmp_path: Path) -> None:
    with serve({"a.parquet": shard([case(1)])}) as hub:
        listing = source_on(hub, tmp_path).refresh()
        for record in (tmp_path / "footers").rglob("*.json"):
            record.write_bytes(record.read_bytes()[:-3])
        assert source_on(hub, tmp_path).refresh() == listing


def test_a_dead_hub_is_told_by_every_question(isles: HubServer, tmp_path: Path) -> None:
    isles.faults.add(Fault("silent", times=None))
    source = source_on(isles, tmp_path, PINNED_REPO, None, IMPATIENT)
    for ask in (source.check, source.refresh, lambda: source.case("sub-stroke0001")):
        with pytest.raises(HubTimeout):
            ask()
    assert len(source.listing().cases) == 149


def test_a_branch_is_resolved_once_and_remembered(tmp_path: Path) -> None:
    with serve({"a.parquet": shard([case(1)])}) as hub:
        source = source_on(hub, tmp_path, revision=None)
        assert source.spec == f"hub:{REPO}@main"
        assert source.listing().source == source.spec == f"hub:{REPO}@{COMMIT}"
    later = source_on(hub, tmp_path, revision=None)  # the Hub is gone
    assert [c.case_id for c in later.listing().cases] == ["sub-stroke0001"]


def test_two_rows_of_one_id_never_share_an_image(tmp_path: Path) -> None:
    first, second = case(1, "sub-same"), case(2, "sub-same")
    with serve({"data/a.parquet": shard([first]), "data/b.parquet": shard([second])}) as hub:
        hub.faults.add(Fault("shifted", where="a.parquet", times=None))  # corrupt: the others are read all the same
        alone = source_on(hub, tmp_path)
        assert [c.case_id for c in alone.listing().cases] == ["sub-same"]
        assert gzip.decompress(alone.fetch("sub-same", ["dwi"]).files["dwi"].path.read_bytes()) == gzip.decompress(
            second.images["dwi"]
        )
        hub.faults.clear()
        both = source_on(hub, tmp_path)
        assert both.refresh().complete
        for case_id, made in (("sub-same", first), ("sub-same_2", second)):
            file = both.fetch(case_id, ["dwi"]).files["dwi"]
            assert gzip.decompress(file.path.read_bytes()) == gzip.decompress(made.images["dwi"])
