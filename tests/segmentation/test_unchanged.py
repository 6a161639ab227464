"""A worker works with the bytes and the engine that its job was made for, or with none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput
from core.imaging import nifti
from core.segmentation import unchanged
from core.segmentation.engine import load_engine
from core.segmentation.job import Job
from core.segmentation.runner import run_job
from core.segmentation.worker import work
from tests.segmentation.heads import pair, sick

VERSION = load_engine("diffusion").info.version


def ignore(phase: str, done: float) -> None:
    """For tests that do not watch."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    inputs, digests = {}, {}
    for name, volume in pair(sick()).items():
        inputs[name] = tmp_path / f"{name}.nii.gz"
        nifti.write_volume(volume, inputs[name])
        digests[name] = hashlib.sha256(inputs[name].read_bytes()).hexdigest()
    return Job("j1", "sub-x", "diffusion", inputs, {}, tmp_path / "out", "sample", digests=digests, version=VERSION)


def test_the_images_that_were_asked_for_are_worked_with(job: Job) -> None:
    made = work(job, ignore)
    told = json.loads(made.sidecar.read_text())["Inputs"]
    assert {name: said["sha256"] for name, said in told.items()} == dict(job.digests)


def test_an_image_that_changed_before_its_turn_is_refused_in_one_sentence(job: Job, tmp_path: Path) -> None:
    other = tmp_path / "other.nii.gz"
    other.write_bytes(job.inputs["adc"].read_bytes())
    other.replace(job.inputs["dwi"])
    with pytest.raises(BadInput, match=r"image \(DWI\) changed since it was chosen") as refused:
        run_job(job, ignore, lambda: False)
    assert refused.value.hint == "open the case again"
    assert not job.out_dir.exists()


def test_an_image_that_changes_while_it_is_used_is_refused(job: Job) -> None:
    def swap(phase: str, done: float) -> None:
        if phase == "Measuring lesions":
            job.inputs["dwi"].write_bytes(job.inputs["dwi"].read_bytes() + b"x")

    with pytest.raises(BadInput, match="changed"):
        work(job, swap)
    assert not job.sidecar_path.exists() and not job.mask_path.exists()


def test_another_engine_or_model_than_was_chosen_is_refused(job: Job) -> None:
    with pytest.raises(BadInput, match=rf"0\.9\+old then, {VERSION} now"):
        work(replace(job, version="0.9+old"), ignore)


def test_an_input_that_is_gone_is_another_one(job: Job) -> None:
    before = unchanged.stamps_of(job)
    unchanged.check_stamps(job, before)
    job.inputs["adc"].unlink()
    with pytest.raises(BadInput, match="ADC"):
        unchanged.check_stamps(job, before)


def test_a_job_takes_all_of_it_to_its_worker(job: Job) -> None:
    whole = replace(job, images={"dwi": "a" * 64})
    assert Job.from_json(whole.to_json()) == whole
