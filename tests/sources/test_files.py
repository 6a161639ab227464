"""HubFilesSource against the test Hub: the contract, and files that are not what the tree says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.case import Clinical
from core.errors import BadSource, CaseNotFound, HubCorrupt, HubNotFound
from core.hub.client import RemoteFile
from core.sources.files import group
from core.sources.protocol import Source
from tests.hub.conftest import PERSISTENT, drafts, source_on
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
    source = source_on(server, tmp_path, policies=PERSISTENT)
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


TABLE = b"participant_id\tage\tsex\tnihss\nsub-01\t71\tF\t99\nsub-02\tn/a\tmale\t4\nsub-09\t1\tM\t1\n"


@pytest.mark.parametrize("path", ["participants.tsv", "bids/participants.tsv"])
def test_the_table_of_participants_is_read_when_asked_for_and_once(tmp_path: Path, path: str) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {**FILES, path: TABLE})
        source = source_on(hub, tmp_path)
        listing = source.listing()
        assert not listing.complete and all(c.clinical == Clinical() for c in listing.cases)
        hub.reset_counts()
        refreshed = source.refresh()
        assert refreshed.complete and hub.requests == 1 and hub.total_bytes == len(TABLE)
        first, second = (c.clinical for c in refreshed.cases)
        assert (first, second) == (Clinical(age=71, sex="F"), Clinical(sex="M", nihss_admission=4))
        hub.reset_counts()
        again = source_on(hub, tmp_path)
        assert again.listing() == again.refresh() == refreshed and hub.requests == 0


@pytest.mark.parametrize("times", [1, None])
def test_a_table_with_a_wrong_byte_is_asked_for_again_and_then_an_error(tmp_path: Path, times: int | None) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {**FILES, "participants.tsv": TABLE})
        source = source_on(hub, tmp_path)
        source.listing()
        hub.faults.add(Fault("flip", where="participants", times=times))
        if times:
            assert source.refresh().complete
        else:
            with pytest.raises(HubCorrupt, match=r"participants\.tsv"):
                source.refresh()
            assert not source.listing().complete


@pytest.mark.parametrize("table", [b"\xff\xfe\x00", b"a" * 300_000, b"", b"participant_id\n" * 10, b"x" * 2_000_000])
def test_a_table_that_is_none_gives_nothing(tmp_path: Path, table: bytes) -> None:
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {**FILES, "participants.tsv": table})
        listing = source_on(hub, tmp_path).refresh()
        assert listing.complete and all(c.clinical == Clinical() for c in listing.cases)


def test_subjects_that_differ_only_by_case_are_two() -> None:
    paths = ["sub-a/sub-a_dwi.nii.gz", "sub-A/sub-A_dwi.nii.gz", "sub-b/sub-b_dwi.nii.gz"]
    found = group([RemoteFile(REPO, COMMIT, path, 5) for path in paths])
    assert {case_id: images["dwi"].path for case_id, images in found.items()} == {
        "sub-A": paths[1],
        "sub-a_2": paths[0],
        "sub-b": paths[2],
    }
