"""HubFilesSource against the test Hub: the contract, and files that are not what the tree says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import BadSource, CaseNotFound, HubCorrupt, HubNotFound
from core.sources.files import group
from core.sources.protocol import Source
from tests.hub.conftest import drafts, source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.server import Stored
from tests.hubserver.shards import COMMIT, REPO, nifti
from tests.sources.contract import SourceContract

DWI = "sub-01/ses-02/sub-01_ses-02_dwi.nii.gz"
FILES: dict[str, bytes | Path] = {
    DWI: nifti(1),
    "sub-01/ses-02/sub-01_ses-02_adc.nii.gz": nifti(2),
    "derivatives/sub-01/ses-02/sub-01_ses-02_lesion-msk.nii.gz": nifti(3),
    "sub-02/ses-02/sub-02_ses-02_dwi.nii.gz": nifti(4),
    "sub-02/notes.txt": b"nothing",
    "README.md": b"# strokes",
}


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, FILES)
        yield hub


class TestContract(SourceContract):
    @pytest.fixture
    def source(self, server: HubServer, tmp_path: Path) -> Source:
        return source_on(server, tmp_path)


def test_cases_are_grouped_by_subject_from_one_listing(server: HubServer, tmp_path: Path) -> None:
    listing = source_on(server, tmp_path).listing()
    assert {c.case_id: c.modalities for c in listing.cases} == {
        "sub-01": ("dwi", "adc", "lesion_mask"),
        "sub-02": ("dwi",),
    }
    assert server.requests == 1


def test_each_file_is_fetched_alone(server: HubServer, tmp_path: Path) -> None:
    source = source_on(server, tmp_path)
    source.listing()
    server.reset_counts()
    fetched = source.fetch("sub-01", ["dwi"])
    assert fetched.files["dwi"].path.read_bytes() == FILES[DWI]
    assert (server.requests, fetched.requests, fetched.bytes_fetched) == (1, 1, fetched.files["dwi"].bytes)


def test_files_in_git_itself_are_checked_too(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, FILES)
        files = hub.datasets[REPO].files
        files[DWI] = Stored(nifti(1), lfs=False)
        source = source_on(hub, tmp_path)
        source.listing()
        assert source.fetch("sub-01", ["dwi"]).files["dwi"].path.read_bytes() == nifti(1)
        hub.add_dataset(REPO, COMMIT, FILES)


@pytest.mark.parametrize("lfs", [True, False])
def test_a_good_image_that_is_another_one_is_refused(server: HubServer, tmp_path: Path, lfs: bool) -> None:
    files = server.datasets[REPO].files
    files[DWI] = Stored(nifti(1), lfs)
    source = source_on(server, tmp_path)
    source.listing()
    other = nifti(77)
    other = other if len(other) == len(nifti(1)) else nifti(1)[:4] + b"\1\2\3\4" + nifti(1)[8:]  # another time stamp
    files[DWI] = Stored(other, lfs)
    with pytest.raises(HubCorrupt, match="not the file"):
        source.fetch("sub-01", ["dwi"])
    assert drafts(tmp_path) == []
    assert source.cached("sub-01") == frozenset()


@pytest.mark.parametrize("kind", ["flip", "reset", "truncate", "hang", "silent"])
def test_a_fault_once_is_overcome(server: HubServer, tmp_path: Path, kind: str) -> None:
    source = source_on(server, tmp_path)
    server.faults.add(Fault(kind, where="/resolve/"))  # type: ignore[arg-type]
    assert source.fetch("sub-01", ["dwi"]).files["dwi"].path.read_bytes() == FILES[DWI]


def test_names_that_are_no_case_are_not_one(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(CaseNotFound):
        source_on(server, tmp_path).case("sub-03")
    assert group([]) == {}


def test_a_dataset_without_images_is_no_source(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {"README.md": b"# nothing"})
        with pytest.raises(BadSource):
            source_on(hub, tmp_path).listing()
        with pytest.raises(HubNotFound):
            source_on(hub, tmp_path, revision="other").listing()
