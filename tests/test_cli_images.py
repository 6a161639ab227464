"""Results of different images on the command line: never joined, never put over each other; early refusals."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from core.cli import app
from core.errors import BadInput, BadParameter, EngineAbsent
from core.imaging import nifti
from core.imaging.volume import Volume
from core.workflows.written import check_out, members_of, read_written
from tests.segmentation.heads import pair, sick

TOLD: dict[str, Any] = {
    "CaseId": None, "Source": None, "Warnings": [], "GeneratedBy": {"Engine": "diffusion", "Version": "1"},
    "Volumes": {"lesion": {"value": 1.0}}, "LesionCount": {"value": 1}, "Probability": None,
}  # fmt: skip
STEM = "case_space-orig_label-L_desc-diffusion_mask"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"STROKESCOPE_CACHE_DIR": str(tmp_path / "cache"), "STROKESCOPE_STATE_DIR": str(tmp_path / "state")}


def invoke(env: dict[str, str], *args: str) -> Result:
    return CliRunner().invoke(app, args, env={**dict.fromkeys(os.environ), **env})


def a_result(folder: Path, **more: object) -> Path:
    """A folder as `segment` leaves it, of images with these digests."""
    folder.mkdir()
    (folder / f"{STEM}.json").write_text(json.dumps({**TOLD, **more}), encoding="utf-8")
    nifti.write_volume(Volume(np.ones((4, 4, 4), np.float32), np.eye(4)), folder / f"{STEM}.nii.gz", "uint8")
    return folder


def of(dwi: str) -> dict[str, object]:
    return {"Inputs": {"dwi": {"sha256": dwi}, "adc": {"sha256": "a"}}}


def test_results_of_two_patients_are_not_joined(env: dict[str, str], tmp_path: Path) -> None:
    first, second = a_result(tmp_path / "x1", **of("1")), a_result(tmp_path / "x2", **of("2"))
    run = invoke(env, "consensus", str(first), str(second), "--out", str(tmp_path / "x3"))
    assert isinstance(run.exception, BadInput) and "different images" in str(run.exception)
    assert not (tmp_path / "x3").exists()


def test_an_adc_of_another_patient_is_not_joined_with_them(env: dict[str, str], tmp_path: Path) -> None:
    first, second = a_result(tmp_path / "x1", **of("1")), a_result(tmp_path / "x2", **of("1"))
    nifti.write_volume(pair(sick())["adc"], tmp_path / "adc.nii.gz")
    args = ("--adc", str(tmp_path / "adc.nii.gz"), "--out", str(tmp_path / "x3"))
    run = invoke(env, "consensus", str(first), str(second), *args)
    assert isinstance(run.exception, BadInput) and "different images" in str(run.exception)


def test_a_result_of_other_images_is_not_replaced(env: dict[str, str], tmp_path: Path) -> None:
    images, digests = [], {}
    for name, volume in pair(sick()).items():
        path = tmp_path / f"{name}.nii.gz"
        nifti.write_volume(volume, path)
        images += [f"--{name}", str(path)]
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    out = a_result(tmp_path / "out", **of("1"))
    before = (out / f"{STEM}.json").read_bytes()
    run = invoke(env, "segment", *images, "--out", str(out))
    assert isinstance(run.exception, BadInput) and "holds a result of other images" in str(run.exception)
    assert (out / f"{STEM}.json").read_bytes() == before
    check_out(out, "sub-2", digests)  # another case has files of other names
    check_out(tmp_path / "none", None, digests)
    (out / f"{STEM}.json").write_text(json.dumps({"Inputs": {n: {"sha256": d} for n, d in digests.items()}}))
    check_out(out, None, digests)


def test_a_consensus_of_other_images_is_not_replaced(tmp_path: Path) -> None:
    out = a_result(tmp_path / "out", Images={"dwi": "1"}, Inputs={"mask1": {"sha256": "m"}})
    check_out(out, None, {"dwi": "1"})
    with pytest.raises(BadInput, match="other images"):
        check_out(out, None, {"dwi": "2"})


def test_what_cannot_run_is_told_before_anything_is_opened(env: dict[str, str], tmp_path: Path) -> None:
    out = ("--source", "local:/nowhere", "--out", str(tmp_path / "out"))
    joined = invoke(env, "segment", "sub-01", "--engine", "consensus", *out)
    assert isinstance(joined.exception, BadParameter) and "the command" in joined.exception.hint
    env = {**env, "PATH": str(tmp_path)}
    absent = invoke(env, "segment", "sub-01", "--engine", "deepisles", *out)
    assert isinstance(absent.exception, EngineAbsent) and absent.exception.hint


@pytest.mark.parametrize(
    "change",
    [
        {"LesionCount": {"value": float("inf")}}, {"LesionCount": {"value": float("nan")}}, {"Warnings": 5},
        {"Volumes": {"lesion": {"value": 1e400}}}, {"Volumes": {"lesion": {"value": float("nan")}}},
        {"Threshold": [1]}, {"Threshold": float("nan")}, {"CaseId": [1]}, {"GeneratedBy": None},
    ],
)  # fmt: skip
def test_a_sidecar_with_numbers_that_are_none_is_no_result(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="is no sidecar"):
        read_written(a_result(tmp_path / "a", **change))


def test_files_of_a_persons_own_have_no_source(tmp_path: Path) -> None:
    found = [read_written(a_result(tmp_path / name, **of("1"))) for name in ("a", "b")]
    assert members_of(found)[1] is None
