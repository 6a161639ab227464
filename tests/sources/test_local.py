"""Folders as people have them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from core.case import Clinical
from core.errors import BadSource, BadVolume, FetchCancelled
from core.imaging.nifti import write_volume
from core.imaging.volume import Volume
from core.sources.local import LocalSource
from core.sources.protocol import Source
from tests.real_case import real_case
from tests.sources.contract import SourceContract


def put(folder: Path, *names: str) -> None:
    """Small real images under these names."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(Volume(np.full((4, 5, 6), number + 1, np.float32), np.diag([2, 2, 2, 1.0])), path)


def workbook(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def isles24(folder: Path) -> Path:
    """The Zenodo tree: two patients, one of them without perfusion."""
    for subject, maps in (("sub-stroke0001", True), ("sub-stroke0002", False)):
        raw, derived = f"train/raw_data/{subject}/ses-01", f"train/derivatives/{subject}"
        put(folder, *(f"{raw}/{subject}_ses-01_{name}.nii.gz" for name in ("ncct", "cta")))
        put(folder, f"{derived}/ses-01/{subject}_ses-01_space-ncct_cta.nii.gz")
        put(folder, *(f"{derived}/ses-02/{subject}_ses-02_space-ncct_{n}.nii.gz" for n in ("dwi", "adc", "lesion-msk")))
        if maps:
            put(folder, f"{raw}/perfusion-maps/{subject}_ses-01_tmax.nii.gz")
            put(folder, f"{derived}/ses-01/perfusion-maps/{subject}_ses-01_space-ncct_tmax.nii.gz")
    first = folder / "train/phenotype/sub-stroke0001"
    names: list[object] = ["Age", "Sex", "NIHSS at admission", "mRS at admission", "Notes"]
    values: list[object] = [71, "F", 12, "n/a", "…"]
    workbook(first / "ses-01/sub-stroke0001_ses-01_demographic_baseline.xlsx", [names, values])
    workbook(first / "ses-02/sub-stroke0001_ses-02_outcome.xlsx", [["mRS 3 months"], [3]])
    broken = folder / "train/phenotype/sub-stroke0002/ses-01/sub-stroke0002_ses-01_demographic_baseline.xlsx"
    broken.parent.mkdir(parents=True)
    broken.write_text("this is no workbook")
    return folder


def test_a_workbook_may_list_labels_downwards(tmp_path: Path) -> None:
    put(tmp_path, "sub-1/ses-02/sub-1_ses-02_dwi.nii.gz")
    rows: list[list[object]] = [
        ["Patient", "x"],
        ["Age", 71.0],
        ["Sex", 1],
        ["NIHSS at admission", 43],
        ["mRS 3 months", "2"],
    ]
    workbook(tmp_path / "phenotype/sub-1/ses-01/sub-1_ses-01_demographic_baseline.xlsx", rows)
    assert LocalSource(tmp_path).case("sub-1").clinical == Clinical(age=71, mrs_3month=2)


class TestLocalSource(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return LocalSource(isles24(tmp_path))


@pytest.mark.parametrize("below", ["", "train"])
def test_the_isles24_tree(tmp_path: Path, below: str) -> None:
    source = LocalSource(isles24(tmp_path) / below)
    listing = source.listing()
    first, second = listing.cases
    assert not listing.complete and source.refresh().complete
    assert first.modalities == ("dwi", "adc", "ncct", "cta", "tmax", "lesion_mask")
    assert second.modalities == ("dwi", "adc", "ncct", "cta", "lesion_mask")
    files = source.fetch("sub-stroke0001", ["cta", "tmax", "ncct"]).files
    assert ["space-ncct" in files[n].path.name for n in ("cta", "tmax", "ncct")] == [True, True, False]
    assert source.case("sub-stroke0001").clinical == Clinical(71, "F", 12, None, 3)
    assert source.case("sub-stroke0002").clinical == Clinical()


def test_a_bids_tree_with_a_participants_table(tmp_path: Path) -> None:
    put(tmp_path, *(f"sub-0{n}/ses-02/dwi/sub-0{n}_ses-02_{kind}.nii.gz" for n in (1, 2, 3) for kind in ("dwi", "adc")))
    put(tmp_path, "derivatives/lesion_masks/sub-01/sub-01_desc-lesion_mask.nii.gz")
    put(tmp_path, "derivatives/strokescope-0.1/sub-02/sub-02_lesion-msk.nii.gz", ".git/sub-09_dwi.nii.gz")
    table = "participant_id\tage\tsex\tnihss\nsub-01\t64\tmale\t5\nsub-02\t640\tx\t-3\nsub-03\tn/a\t\tfive\n"
    (tmp_path / "participants.tsv").write_text("\ufeff" + table, encoding="utf-8")
    listing = LocalSource(tmp_path).listing()
    assert [case.case_id for case in listing.cases] == ["sub-01", "sub-02", "sub-03"] and listing.complete
    assert [case.clinical for case in listing.cases] == [Clinical(64, "M", 5), Clinical(), Clinical()]
    assert [case.modalities for case in listing.cases] == [("dwi", "adc", "lesion_mask")] + [("dwi", "adc")] * 2


@pytest.mark.parametrize("table", [b"\xff\xfe\x00\x01", b"", b"a\tb\n1\n", b'participant_id\t"age\n\x00'])
def test_a_broken_table_is_not_fatal(tmp_path: Path, table: bytes) -> None:
    put(tmp_path, "sub-01/sub-01_dwi.nii.gz")
    (tmp_path / "participants.tsv").write_bytes(table)
    assert LocalSource(tmp_path).listing().cases[0].clinical == Clinical()


def test_plain_case_folders(tmp_path: Path) -> None:
    put(
        tmp_path,
        "Müller A/dwi.nii.gz",
        "Müller A/adc.nii.gz",
        "b/x/dwi.nii.gz",
        "c/x/dwi.nii",
        "masks/lesion_mask.nii.gz",
    )
    listing = LocalSource(tmp_path).listing()
    assert [case.case_id for case in listing.cases] == ["M-ller-A", "b.x", "c.x"]
    assert listing.cases[0].modalities == ("dwi", "adc")


def test_files_without_a_folder_are_one_case(tmp_path: Path) -> None:
    put(tmp_path / "my case", "dwi.nii.gz", "adc.nii.gz", "lesion_mask.nii.gz")
    (case,) = LocalSource(tmp_path / "my case").listing().cases
    assert case.case_id == "my-case" and case.modalities == ("dwi", "adc", "lesion_mask")


def test_the_real_case_is_one_case() -> None:
    folder = real_case()[0].parent
    source = LocalSource(folder)
    (case,) = source.listing().cases
    assert (case.case_id, case.modalities) == ("sub-strokecase0001", ("dwi", "adc"))
    fetched = source.fetch(case.case_id, ["dwi", "adc", "lesion_mask"])
    assert fetched.files["dwi"].path == folder.resolve() / real_case()[0].name and fetched.absent == ("lesion_mask",)


def test_links_out_of_the_folder_are_ignored(tmp_path: Path) -> None:
    put(tmp_path / "outside", "adc.nii.gz", "secret/dwi.nii.gz")
    put(tmp_path / "in", "a/dwi.nii.gz")
    (tmp_path / "in/a/adc.nii.gz").symlink_to(tmp_path / "outside/adc.nii.gz")
    (tmp_path / "in/b").symlink_to(tmp_path / "outside/secret")
    (tmp_path / "in/a/flair.nii.gz").symlink_to(tmp_path / "in/a/dwi.nii.gz")
    (tmp_path / "in/a/gone_tmax.nii.gz").symlink_to("nowhere")
    (tmp_path / "in/a/loop").symlink_to(tmp_path / "in")
    (case,) = LocalSource(tmp_path / "in").listing().cases
    assert (case.case_id, case.modalities) == ("a", ("dwi", "flair"))


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for missing in (tmp_path / "no", tmp_path / "file"):
        with pytest.raises(BadSource, match="no such folder"):
            LocalSource(missing)
    put(tmp_path / "masks", "a/lesion_mask.nii.gz", "a/brain.nii.gz")
    with pytest.raises(BadSource, match="no case"):
        LocalSource(tmp_path / "masks").listing()


def test_a_damaged_file_is_an_error_until_it_is_repaired(tmp_path: Path) -> None:
    put(tmp_path, "a/dwi.nii.gz", "a/adc.nii.gz")
    path, whole = tmp_path / "a/dwi.nii.gz", (tmp_path / "a/dwi.nii.gz").read_bytes()
    source = LocalSource(tmp_path)
    assert source.fetch("a", ["dwi"]).files["dwi"].bytes == len(whole)
    path.write_bytes(whole[:-9])
    with pytest.raises(BadVolume):
        source.fetch("a", ["dwi"])
    assert set(source.fetch("a", ["adc"]).files) == {"adc"}
    path.write_bytes(whole)
    assert source.fetch("a", ["dwi"]).files["dwi"].bytes == len(whole)
    path.unlink()
    with pytest.raises(BadVolume):
        source.fetch("a", ["dwi"])


def test_the_listing_shows_the_folder_as_it_is_now(tmp_path: Path) -> None:
    put(tmp_path, "a/dwi.nii.gz", "b/dwi.nii.gz")
    source = LocalSource(tmp_path)
    assert len(source.listing().cases) == 2 and source.spec == f"local:{tmp_path.resolve()}"
    shutil.rmtree(tmp_path / "a")
    put(tmp_path, "c/dwi.nii.gz")
    assert [case.case_id for case in source.listing().cases] == ["b", "c"]


def test_the_look_through_a_folder_may_be_stopped(tmp_path: Path) -> None:
    put(tmp_path, "a/dwi.nii.gz")
    source = LocalSource(tmp_path)
    for ask in (source.listing, lambda cancelled: source.case("a", cancelled)):
        with pytest.raises(FetchCancelled) as caught:
            ask(cancelled=lambda: True)
        assert caught.value.hint
    assert [case.case_id for case in source.listing().cases] == ["a"]
