"""Headers of images that are not here: right, cheap, remembered, and never a guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadVolume, FetchCancelled, HubNoHeader, ModalityAbsent
from core.hub.heads import HEAD
from core.imaging.nifti import parse_head
from tests.hub.conftest import source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, case, nifti, shard
from tests.sources.contract import same_header

BIG = nifti(7, (170, 170, 170))  # 4.9 MB of noise


def serve(files: dict[str, bytes]) -> HubServer:
    hub = HubServer()
    hub.add_dataset(REPO, COMMIT, dict(files))
    return hub


def test_a_header_costs_the_first_bytes_of_its_column_and_once(tmp_path: Path) -> None:
    images = {"dwi": BIG, "ctp": nifti(3, (5, 6, 7, 8))}
    with serve({"a.parquet": shard([Case("sub-1", images)], columns=("dwi", "ctp"))}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        hub.reset_counts()
        same_header(source.header("sub-1", "dwi"), parse_head(BIG))
        assert (hub.requests, hub.total_bytes) == (1, HEAD)
        assert source.header("sub-1", "ctp").shape == (5, 6, 7, 8)
        hub.reset_counts()
        for again in (source, source_on(hub, tmp_path)):
            again.listing()
            same_header(again.header("sub-1", "dwi"), parse_head(BIG))
        assert hub.requests == 0 and source.cached("sub-1") == frozenset()


def test_a_file_of_its_own_costs_its_first_bytes(tmp_path: Path) -> None:
    with serve({"sub-1/sub-1_dwi.nii.gz": BIG, "sub-1/sub-1_adc.nii": nifti(1, packed=False)}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        hub.reset_counts()
        same_header(source.header("sub-1", "dwi"), parse_head(BIG))
        assert (hub.requests, hub.total_bytes) == (1, HEAD)
        assert source.header("sub-1", "adc").shape == (16, 16, 20)


def test_once_the_file_is_here_it_speaks_for_itself(tmp_path: Path) -> None:
    with serve({"a.parquet": shard([case(1)])}) as hub:
        source = source_on(hub, tmp_path)
        source.fetch("sub-stroke0001", ["dwi"])
        hub.reset_counts()
        assert source.header("sub-stroke0001", "dwi").shape == (16, 16, 20)
        assert hub.requests == 0


VARIANTS = {
    "zstd": Options(compression="ZSTD"),
    "snappy, two rows": Options(compression="SNAPPY", rows_per_group=2),
    "two rows": Options(rows_per_group=2),
    "dictionary": Options(dictionary=True),
    "no statistics": Options(statistics=False, rows_per_group=1),
    "pages of version 2": Options(page_version="2.0", rows_per_group=1),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_small_images_of_every_layout_have_headers(name: str, tmp_path: Path) -> None:
    tall = Case("sub-2", {"dwi": nifti(2, (9, 8, 30))})
    with serve({"a.parquet": shard([case(1), tall], VARIANTS[name], columns=("dwi", "adc"))}) as hub:
        source = source_on(hub, tmp_path)
        assert source.header("sub-stroke0001", "dwi").shape == (16, 16, 20)
        assert source.header("sub-2", "dwi").shape == (9, 8, 30)
        with pytest.raises(ModalityAbsent, match="no ADC"):
            source.header("sub-2", "adc")


def test_a_large_image_that_parquet_compressed_says_that_it_must_be_fetched(tmp_path: Path) -> None:
    with serve({"a.parquet": shard([Case("sub-1", {"dwi": BIG})], Options(compression="ZSTD"), ("dwi",))}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        hub.reset_counts()
        with pytest.raises(HubNoHeader, match="does not come alone") as caught:
            source.header("sub-1", "dwi")
        assert "fetch" in caught.value.hint and hub.total_bytes < 10_000


def test_a_name_as_long_as_a_gzip_may_have_it(tmp_path: Path) -> None:
    image = nifti(1)
    named = image[:3] + b"\x08" + image[4:10] + b"n" * 20_000 + b"\0" + image[10:]
    with serve({"sub-1/sub-1_dwi.nii.gz": named}) as hub:
        assert source_on(hub, tmp_path).header("sub-1", "dwi").shape == (16, 16, 20)


def test_what_is_no_image_is_asked_for_twice_and_not_remembered(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(200_000)
    with serve({"sub-1/sub-1_dwi.nii.gz": noise}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        hub.reset_counts()
        with pytest.raises(BadVolume) as caught:
            source.header("sub-1", "dwi")
        assert caught.value.hint and hub.requests == 2
        assert not list((tmp_path / "footers").rglob("heads/*"))


def test_a_damaged_record_is_not_believed(tmp_path: Path) -> None:
    with serve({"sub-1/sub-1_dwi.nii.gz": BIG}) as hub:
        source_on(hub, tmp_path).header("sub-1", "dwi")
        (record,) = (tmp_path / "footers").rglob("heads/*.json")
        record.write_bytes(record.read_bytes()[:-2])
        hub.reset_counts()
        same_header(source_on(hub, tmp_path).header("sub-1", "dwi"), parse_head(BIG))
        assert hub.total_bytes >= HEAD


def test_a_user_who_leaves_is_seen(tmp_path: Path) -> None:
    with serve({"sub-1/sub-1_dwi.nii.gz": BIG}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        with pytest.raises(FetchCancelled):
            source.header("sub-1", "dwi", cancelled=lambda: True)
