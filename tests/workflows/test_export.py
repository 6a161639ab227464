"""The BIDS derivative of a result: names and fields by the specification, no truth inside, the same bytes each time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import __version__
from core.errors import BadInput, BadVolume
from core.imaging.nifti import read_mask
from core.segmentation.engine import load_engine
from core.segmentation.job import Job
from core.segmentation.results import JobResult
from core.segmentation.runner import run_job
from core.sources.sample import SampleSource
from core.workflows.export import bids_zip, read_sidecar, subject_of
from core.workflows.members import UNKNOWN, members, with_members
from core.workflows.origin import Origin, origin_of

HUB = Origin("hub:hugging-science/isles24-stroke@0123abc", "ncct", sessions=True)
IMAGE = re.compile(
    r"(?P<sub>sub-[A-Za-z0-9]+)/((?P<ses>ses-[A-Za-z0-9]+)/)?anat/(?P=sub)_(?(ses)(?P=ses)_)space-(orig|ncct)_label-L"
    r"_desc-[A-Za-z0-9]+_(mask|probseg)\.(nii\.gz|json)"  # what the validator is to look at
)
ROOT_FILES = {"dataset_description.json", "README.md", ".bidsignore"}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> JobResult:
    fetched = SampleSource(tmp_path_factory.mktemp("sample")).fetch("sample-05", ["dwi", "adc"])
    inputs = {name: file.path for name, file in fetched.files.items()}
    out = tmp_path_factory.mktemp("result")
    job = Job("j1", "sample-05", "diffusion", inputs, {}, out, "local:/home/jane-doe/cases")
    return run_job(job, lambda *_: None, lambda: False)


def check_derivative(root: Path) -> dict[str, Any]:
    """Hold a folder against the rules for derivative datasets; its dataset_description."""
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert names >= ROOT_FILES
    said: dict[str, Any] = json.loads((root / "dataset_description.json").read_text())
    for name in (name for name in names - ROOT_FILES if "_disagreement." not in name):
        assert IMAGE.fullmatch(name), name
        other = name.replace(".nii.gz", ".json") if name.endswith(".nii.gz") else name.replace(".json", ".nii.gz")
        assert other in names
        if name.endswith(".json"):
            told = json.loads((root / name).read_text())
            assert told["SpatialReference"] and told["SourceSha256"]
            assert all(uri.startswith("bids:source:") for uri in told.get("Sources", ()))
            assert "source" in said.get("DatasetLinks", {}) or "Sources" not in told
            assert name.endswith("probseg.json") or told["Type"] == "Lesion"
    assert said["DatasetType"] == "derivative"
    assert re.fullmatch(r"1\.\d+\.\d+", said["BIDSVersion"])
    assert said["Name"] and all(maker["Name"] for maker in said["GeneratedBy"])
    return said


def unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def test_a_result_becomes_a_derivative_dataset(result: JobResult, tmp_path: Path) -> None:
    root = unpacked(bids_zip(result, HUB, tmp_path / "new" / "a.zip"), tmp_path / "ds")
    said = check_derivative(root)
    page = "https://huggingface.co/datasets/hugging-science/isles24-stroke/tree/0123abc"
    assert said["SourceDatasets"] == [{"URL": page, "Version": "0123abc"}]
    stem = f"{subject_of('sample-05')}_ses-02_space-ncct_label-L_desc-diffusion"
    mask = next(root.rglob(f"{stem}_mask.nii.gz"))
    assert mask.read_bytes() == result.mask.read_bytes()
    assert read_mask(mask).volume_ml == pytest.approx(result.volume_ml)
    told = json.loads(mask.with_name(f"{stem}_mask.json").read_text())
    assert told["Measured"]["Seconds"] == round(result.seconds, 2)
    assert told["Measured"]["PeakMemoryMB"] > 0
    assert len(told["Inputs"]["dwi"]["sha256"]) == 64
    assert told["GeneratedBy"]["Licence"] and told["Parameters"]["adc_core"]["value"] == 620
    assert told["Host"]["Processors"] >= 1 and told["Host"]["MemoryLimitMB"] > 0
    assert told["Revision"] == "0123abc"
    assert "Research use only, not a medical device" in (root / "README.md").read_text()


def test_nothing_but_the_result_is_inside(result: JobResult, tmp_path: Path) -> None:
    folder = tmp_path / "crowded"
    shutil.copytree(result.mask.parent, folder)
    (folder / "lesion_mask.nii.gz").write_bytes(b"the truth")
    here = replace(result, mask=folder / result.mask.name, sidecar=folder / result.sidecar.name)
    with zipfile.ZipFile(bids_zip(here, HUB, tmp_path / "a.zip")) as archive:
        assert not [n for n in archive.namelist() if "lesion_mask" in n or "truth" in n]
        assert len([n for n in archive.namelist() if n.endswith(".nii.gz")]) == len(result.files) - 1


def test_the_same_result_gives_the_same_bytes(result: JobResult, tmp_path: Path) -> None:
    one, other = bids_zip(result, HUB, tmp_path / "a.zip"), bids_zip(result, HUB, tmp_path / "b.zip")
    assert one.read_bytes() == other.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_no_folder_of_this_machine_is_told(result: JobResult, tmp_path: Path) -> None:
    origin = Origin("local:/home/jane-doe/cases")
    root = unpacked(bids_zip(result, origin, tmp_path / "a.zip"), tmp_path / "ds")
    assert "SourceDatasets" not in check_derivative(root)
    for path in (p for p in root.rglob("*") if p.suffix in (".json", ".md")):
        text = path.read_text()
        assert "jane" not in text and str(result.mask.parent) not in text


def test_a_session_is_named_only_where_it_is_known(result: JobResult, tmp_path: Path) -> None:
    for origin in (Origin("local:/data"), origin_of(None, {"dwi": Path("/x/sub-1_ses-02_dwi.nii.gz")})):
        root = unpacked(bids_zip(result, origin, tmp_path / "a.zip"), tmp_path / f"ds{len(origin.source)}")
        assert "DatasetLinks" not in check_derivative(root)
        names = [path.relative_to(root).as_posix() for path in root.rglob("*_mask.*")]
        assert len(names) == 4 and not any("ses-" in name for name in names)
        assert all(name.startswith(f"{subject_of('sample-05')}/anat/") for name in names)
        told = json.loads(next(root.rglob("*diffusion_mask.json")).read_text())
        assert "Sources" not in told and len(told["SourceSha256"]) == 2


def test_what_a_score_is_of_follows_from_where_the_truth_comes_from() -> None:
    released = {"dwi": Path("/data/sub-1_ses-02_space-ncct_dwi.nii.gz")}
    for isles24 in (HUB, origin_of("hub:hugging-science/isles24-stroke", {}), origin_of("local:/data", released)):
        assert "ISLES'24 challenge" in isles24.about_scores and "follow-up MRI" in isles24.about_scores
    others = [
        origin_of(spec, {}).about_scores for spec in ("sample", "local:/home/jane-doe/isles24", "hub:a/b@0", None)
    ]
    assert not any("ISLES" in told or "follow-up" in told or "jane" in told for told in others)
    assert "painted into generated heads" in others[0] and "that a/b publishes" in others[2]
    assert others[1] == others[3] and "of the user's own" in others[1]


def test_what_the_paths_of_a_folder_tell_is_told(result: JobResult, tmp_path: Path) -> None:
    files = {name: Path(f"/data/isles24 copy/sub 1/ses-0001/{name}.nii.gz") for name in ("dwi", "adc")}
    origin = origin_of("local:/data/isles24 copy", files)
    root = unpacked(bids_zip(result, origin, tmp_path / "a.zip"), tmp_path / "ds")
    assert check_derivative(root)["DatasetLinks"] == {"source": "../.."}
    mask = next(root.rglob("*_space-orig_*diffusion_mask.json"))
    assert "_ses-0001_" in mask.name and mask.parents[1].name == "ses-0001"
    told = json.loads(mask.read_text())
    assert told["Sources"] == [f"bids:source:sub%201/ses-0001/{name}.nii.gz" for name in ("dwi", "adc")]
    assert origin.when(files) == "ses-0001" and not origin.sessions
    assert "derivatives/strokescope" in (root / "README.md").read_text()


def test_sessions_in_words_only_of_what_is_known() -> None:
    assert origin_of("sample", {}).when(["dwi", "adc"]) == "ses-02 (follow-up MRI, day 2–9)"
    assert origin_of("hub:a/isles24-stroke@1", {}).space == "ncct"
    for spec in (None, "local", "hub:a/stroke@1"):
        unknown = origin_of(spec, {"dwi": Path("/x/y.nii.gz")})
        assert (unknown.when(["dwi"]), unknown.sessions, unknown.space) == ("not told", False, "orig")
        assert unknown.session_of(["mask1", "mask2"]) is None and unknown.uri("dwi") is None
    assert origin_of("sample", {}).session_of(["mask1"]) == "ses-02"


def joined(result: JobResult, folder: Path) -> JobResult:
    """The result as if a consensus had made it, with a map of disagreement."""
    told = json.loads(result.sidecar.read_text())
    names = [{"name": "diffusion 1.x"}, {"name": "network 2+ab (2)"}]
    told["GeneratedBy"] |= {"Engine": "consensus", "Citation": "cite its members"}
    told |= {"Notes": {"members": names, "disagreement": "mean difference"}, "Inputs": {"mask1": {"sha256": "a" * 64}}}
    (folder / "c.json").write_text(json.dumps(told))
    shutil.copy(result.mask, folder / "d.nii.gz")
    return replace(result, engine="consensus", core=None, sidecar=folder / "c.json", disagreement=folder / "d.nii.gz")


def test_a_consensus_tells_its_members_and_its_disagreement(result: JobResult, tmp_path: Path) -> None:
    both = joined(result, tmp_path)
    network = {"GeneratedBy": {"Engine": "network", "Version": "2+ab", "Licence": "MIT", "Citation": "N, 2025"}}
    told = with_members(read_sidecar(both), [network, {"GeneratedBy": None}])
    root = unpacked(bids_zip(both, HUB, tmp_path / "a.zip", told), tmp_path / "ds")
    said = check_derivative(root)
    assert [(m["Name"], m["Version"]) for m in said["GeneratedBy"][2:]] == [("diffusion", "1.x"), ("network", "2+ab")]
    assert "MIT" in said["GeneratedBy"][3]["Description"] and "N, 2025" in said["HowToAcknowledge"]
    assert "network 2+ab; licence: MIT; to cite: N, 2025" in (root / "README.md").read_text()
    images = [path.name for path in root.rglob("*.nii.gz") if path.name.endswith("_disagreement.nii.gz")]
    assert len(images) == 1 and "probseg" not in images[0]
    assert "_disagreement" in (root / ".bidsignore").read_text()
    assert with_members(read_sidecar(result), [network]) == read_sidecar(result)


def test_a_member_of_this_very_version_is_told_by_its_engine() -> None:
    version = load_engine("diffusion").info.version
    for name, licence in ((version, load_engine("diffusion").info.licence), ("0.0", UNKNOWN)):
        notes = {"members": [{"name": f"diffusion {name}"}]}
        told = with_members({"GeneratedBy": {"Engine": "consensus"}, "Notes": notes}, [])
        assert members(told)[0]["Licence"] == licence


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__ == Origin("sample").software


def test_subjects_are_letters_and_digits_and_do_not_collide() -> None:
    assert subject_of("sub-stroke0001") == "sub-stroke0001"
    assert subject_of(None) == "sub-case"
    ids = ["a-b", "ab", "a.b", "a_b", "sub-ab.", "a+b"]
    subjects = {subject_of(i) for i in ids}
    assert len(subjects) == len(ids)
    assert all(re.fullmatch(r"sub-[A-Za-z0-9]+", s) for s in subjects)


def test_a_result_that_is_no_longer_whole_is_refused(result: JobResult, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="gone"):
        bids_zip(replace(result, core=tmp_path / "none.nii.gz"), HUB, tmp_path / "a.zip")
    (tmp_path / "broken.json").write_text("[]")
    with pytest.raises(BadInput, match="sidecar"):
        bids_zip(replace(result, sidecar=tmp_path / "broken.json"), HUB, tmp_path / "a.zip")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadVolume):
        bids_zip(result, HUB, tmp_path / "file" / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.stress
def test_the_bids_validator_finds_no_error(result: JobResult, tmp_path: Path) -> None:
    validator = os.environ.get("STROKESCOPE_BIDS_VALIDATOR") or shutil.which("bids-validator-deno")
    if validator is None:
        pytest.skip("bids-validator-deno is not installed (pip install bids-validator-deno, in its own environment)")
    files = {name: Path(f"/data/sub 1/ses-0001/{name}.nii.gz") for name in ("dwi", "adc")}
    cases = [(result, HUB), (result, origin_of(None, files)), (result, origin_of("local:/data", files))]
    cases += [(joined(result, tmp_path), HUB)]
    for n, (one, origin) in enumerate(cases):
        told = with_members(read_sidecar(one), [])
        root = unpacked(bids_zip(one, origin, tmp_path / "a.zip", told), tmp_path / f"ds{n}")
        done = subprocess.run(
            [validator, "--json", str(root)], capture_output=True, text=True, timeout=120, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert [i for i in issues if i["severity"] == "error"] == []
