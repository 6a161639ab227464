"""The synthetic cohort."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from core.errors import FetchCancelled
from core.imaging import nifti
from core.imaging.geometry import same_grid, world
from core.sources.protocol import Source
from core.sources.sample import SampleSource
from tests.sources.contract import SourceContract


class TestSampleSource(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return SampleSource(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    """A cohort whose cases stay between tests."""
    return SampleSource(tmp_path_factory.mktemp("cohort"))


def lesion_ml(source: SampleSource, case_id: str) -> float:
    return nifti.read_mask(source.fetch(case_id, ["lesion_mask"]).files["lesion_mask"].path).volume_ml


def test_listing_makes_nothing(tmp_path: Path) -> None:
    source = SampleSource(tmp_path / "cache")
    listing = source.listing()
    assert len(listing.cases) >= 14 and listing.complete and source.synthetic
    assert not (tmp_path / "cache").exists()
    assert all(case.note.startswith("synthetic") and case.clinical.age for case in listing.cases)
    assert source.cached("sample-01") == frozenset()


def test_the_cohort_has_the_cases_that_people_need(made: SampleSource) -> None:
    by_note = {case.note: case.case_id for case in made.listing().cases}

    def find(words: str) -> str:
        return next(case_id for note, case_id in by_note.items() if words in note)

    assert lesion_ml(made, find("no lesion")) == 0
    assert lesion_ml(made, find("large territorial")) > 60
    assert 0.3 < lesion_ml(made, find("lacunar")) < 3
    emboli = nifti.read_mask(made.fetch(find("emboli"), ["lesion_mask"]).files["lesion_mask"].path)
    sides = world(emboli.affine, np.argwhere(emboli.data))[:, 0]
    assert 2 < emboli.volume_ml < 20 and (sides < -5).any() and (sides > 5).any()
    bare = made.fetch(find("no perfusion"), ["dwi", "tmax", "cbf"])
    assert set(bare.files) == {"dwi"} and bare.absent == ("tmax", "cbf")
    severe = {case.case_id: case.clinical.nihss_admission for case in made.listing().cases}
    assert (severe[find("very large")] or 0) > (severe[find("large territorial")] or 0) > (severe[find("lacunar")] or 0)


def test_left_is_left(made: SampleSource) -> None:
    case_id = next(c.case_id for c in made.listing().cases if "left middle cerebral" in c.note)
    mask = nifti.read_mask(made.fetch(case_id, ["lesion_mask"]).files["lesion_mask"].path)
    assert (world(mask.affine, np.argwhere(mask.data))[:, 0] < 3).all()


def test_all_images_of_a_case_share_one_grid_and_say_synthetic(made: SampleSource) -> None:
    case = made.listing().cases[0]
    headers = [nifti.read_header(f.path) for f in made.fetch(case.case_id, case.modalities or ()).files.values()]
    assert all(same_grid(h.shape, h.affine, headers[0].shape, headers[0].affine, 0.001) for h in headers)
    assert all("synthetic" in h.description and h.oriented and h.orientation == "LAS" for h in headers)


def test_a_case_is_the_same_wherever_it_is_made(made: SampleSource, tmp_path: Path) -> None:
    here, there = (s.fetch("sample-02", ["dwi", "tmax", "lesion_mask"]).files for s in (made, SampleSource(tmp_path)))
    assert {n: f.sha256 for n, f in here.items()} == {n: f.sha256 for n, f in there.items()}


def test_a_new_process_finds_what_an_old_one_made(made: SampleSource, tmp_path: Path) -> None:
    first = SampleSource(tmp_path).fetch("sample-04", ["dwi"])
    second = SampleSource(tmp_path).fetch("sample-04", ["dwi", "adc"])
    assert not first.from_cache and second.from_cache
    assert SampleSource(tmp_path).case("sample-04").sizes["dwi"] == first.files["dwi"].bytes


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "index"])
def test_a_damaged_file_is_made_again(tmp_path: Path, harm: str) -> None:
    source = SampleSource(tmp_path)
    file = source.fetch("sample-04", ["dwi"]).files["dwi"]
    whole = file.path.read_bytes()
    if harm == "flip":
        file.path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif harm == "cut":
        os.truncate(file.path, 1000)
    elif harm == "gone":
        file.path.unlink()
    else:
        (file.path.parent / "index.json").write_text('{"dwi": [1, 2]')
    again = source.fetch("sample-04", ["dwi"])
    assert not again.from_cache and again.files["dwi"].path.read_bytes() == whole


def test_a_stop_half_way_counts_as_nothing_made(tmp_path: Path) -> None:
    source, asked = SampleSource(tmp_path), iter([False, False, True])
    with pytest.raises(FetchCancelled):
        source.fetch("sample-04", ["dwi"], cancelled=lambda: next(asked))
    assert source.cached("sample-04") == frozenset()
    assert not source.fetch("sample-04", ["dwi"]).from_cache
