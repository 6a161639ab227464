"""A consensus is what its members say, on their grid, and it tells how far they lie apart."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from core.errors import BadInput, BadParameter, GridMismatch
from core.imaging import nifti
from core.imaging.volume import Mask, Volume
from core.segmentation.consensus import MOST, combine, consensus_job, overlaps
from core.segmentation.engine import Segmentation, load_engine
from core.segmentation.job import Job
from core.segmentation.lesions import lesion_rows
from core.segmentation.results import JobResult
from core.segmentation.runner import run_job
from tests.segmentation.engines import image_of
from tests.segmentation.heads import dice

SHAPE = (7, 6, 5)
AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2.0, 0, -20], [0, 0, 5.0, 5], [0, 0, 0, 1]])
VOXEL_ML = 0.02
members = st.integers(2, MOST).flatmap(lambda n: arrays.arrays(np.uint8, (n, *SHAPE)))
votes = st.integers(2, MOST).flatmap(lambda n: arrays.arrays(np.bool_, (n, *SHAPE)))


@settings(deadline=None, max_examples=25)
@given(members)
def test_it_is_the_mean_of_its_members_and_their_mean_difference(levels: NDArray[np.uint8]) -> None:
    found = combine(list(levels))
    shares = levels.astype(np.float64) / 255
    np.testing.assert_allclose(found.probability, shares.mean(axis=0), atol=1e-6)
    apart = np.mean([np.abs(a - b) for a, b in combinations(shares, 2)], axis=0)
    np.testing.assert_allclose(found.disagreement, apart, atol=1e-6)
    np.testing.assert_array_equal(found.mask, found.probability >= 0.5)
    assert found.probability.min() >= 0 and found.probability.max() <= 1 and found.disagreement.max() <= 1


@settings(deadline=None, max_examples=25)
@given(votes)
def test_a_majority_is_at_least_half_in_any_order(masks: NDArray[np.bool_]) -> None:
    levels = [mask.view(np.uint8) for mask in masks]
    found = combine(levels, full=1)
    np.testing.assert_array_equal(found.mask, 2 * masks.sum(axis=0) >= len(masks))
    turned = combine(levels[::-1], full=1)
    np.testing.assert_array_equal(found.mask, turned.mask)
    np.testing.assert_array_equal(found.disagreement, turned.disagreement)
    same = np.all(masks == masks[0], axis=0)
    np.testing.assert_array_equal(found.disagreement == 0, same)


@settings(deadline=None, max_examples=25)
@given(votes)
def test_the_overlap_of_each_pair_is_its_dice(masks: NDArray[np.bool_]) -> None:
    found = overlaps(list(masks))
    assert found == {(i, j): pytest.approx(dice(masks[i], masks[j])) for i, j in combinations(range(len(masks)), 2)}


def ball(centre: float, radius: float) -> NDArray[np.bool_]:
    x, y, z = np.ogrid[:24, :20, :10]
    return np.asfortranarray((x - centre) ** 2 + (y - 10) ** 2 + 4 * (z - 5) ** 2 <= radius**2)


def a_result(
    folder: Path, engine: str, data: NDArray[np.bool_], affine: NDArray[np.float64] = AFFINE, **changes: object
) -> JobResult:
    """A result of an engine, with a probability of 0.9 inside and 0.2 around for those named so."""
    folder.mkdir(exist_ok=True)
    like, mask, probability = (folder / f"{engine}-{name}.nii.gz" for name in ("like", "mask", "prob"))
    nifti.write_volume(Volume(data.astype(np.float32), affine), like)
    nifti.write_mask(Mask(data, affine), mask, like)
    scores = np.where(data, np.float32(0.9), np.float32(0.2)).astype(np.float32)
    nifti.write_probability(np.asfortranarray(scores), probability, like)
    values: dict[str, object] = {
        "case_id": "sub-x", "engine": engine, "engine_version": "1.0", "mask": mask, "core": None,
        "probability": probability, "sidecar": like, "volume_ml": 0.0, "core_volume_ml": None, "lesion_count": 1,
        "lesions": (), "seconds": 1.0, "peak_rss_mb": 1.0, "warnings": (),
    }  # fmt: skip
    return JobResult(**{**values, **changes})  # type: ignore[arg-type]


def in_process(job: Job) -> Segmentation:
    """What the worker would be given, without a worker."""
    inputs = {name: image_of(name, path, job.labels.get(name, "")) for name, path in job.inputs.items()}
    return load_engine("consensus").segment(inputs, job.parameters, lambda name, done: None, job.out_dir)


def test_a_consensus_is_a_job_with_its_members_in_the_provenance(tmp_path: Path) -> None:
    data = [ball(10, 5), ball(11, 5), ball(10, 6)]
    results = [a_result(tmp_path, f"e{n}", mask) for n, mask in enumerate(data)]
    job = consensus_job(results, "majority", tmp_path / "out", "j1", "sample")
    found = run_job(job, lambda name, done: None, lambda: False)
    mask = nifti.read_mask(found.mask)
    np.testing.assert_array_equal(mask.data, sum(m.astype(int) for m in data) >= 2)
    assert found.disagreement is not None and found.probability is not None
    apart = nifti.read_volume(found.disagreement).data
    np.testing.assert_allclose(apart.max(), 2 / 3, atol=1 / 255)
    np.testing.assert_array_equal(apart > 0, (data[0] != data[1]) | (data[1] != data[2]))
    said = json.loads(found.sidecar.read_text(encoding="utf-8"))
    assert [member["name"] for member in said["Notes"]["members"]] == ["e0 1.0", "e1 1.0", "e2 1.0"]
    assert said["Inputs"]["mask1"]["label"] == "e0 1.0" and len(said["Inputs"]["mask1"]["sha256"]) == 64
    volumes = [member["volume_ml"] for member in said["Notes"]["members"]]
    assert volumes == pytest.approx([VOXEL_ML * int(m.sum()) for m in data])
    assert f"e0 1.0 and e1 1.0 {dice(data[0], data[1]):.2f}" in found.warnings[0]
    assert f"{max(volumes):.2f} ml" in found.warnings[1] and len(found.warnings) == 2
    assert found.lesion_count == 1 and str(tmp_path) not in found.sidecar.read_text(encoding="utf-8")


def test_two_that_contradict_each_other_are_joined_and_the_tie_is_told(tmp_path: Path) -> None:
    data = [ball(6, 4), ball(17, 4)]
    results = [a_result(tmp_path, "same", data[0]), a_result(tmp_path / "b", "same", data[1])]
    job = consensus_job(results, "majority", tmp_path / "out", "j1")
    assert list(job.labels.values()) == ["same 1.0", "same 1.0 (2)"]
    found = run_job(job, lambda name, done: None, lambda: False)
    np.testing.assert_array_equal(nifti.read_mask(found.mask).data, data[0] | data[1])
    tied = VOXEL_ML * int((data[0] ^ data[1]).sum())
    assert any(f"On {tied:.2f} ml" in sentence for sentence in found.warnings)


def test_a_mean_takes_probabilities_and_says_who_has_none(tmp_path: Path) -> None:
    data = [ball(9, 5), ball(12, 5)]
    with_scores, without = a_result(tmp_path, "a", data[0]), a_result(tmp_path, "b", data[1], probability=None)
    job = consensus_job([with_scores, without], "mean", tmp_path / "out", "j1")
    found = run_job(job, lambda name, done: None, lambda: False)
    assert found.probability is not None
    expected = (np.where(data[0], 0.9, 0.2) + data[1]) / 2
    np.testing.assert_allclose(nifti.read_volume(found.probability).data, expected, atol=0.005)
    np.testing.assert_array_equal(nifti.read_mask(found.mask).data, expected >= 0.5)
    assert any("b 1.0 gave no probability" in sentence for sentence in found.warnings)
    both = [with_scores, a_result(tmp_path, "c", data[1], threshold=0.3)]
    with pytest.raises(BadParameter, match="different probabilities"):
        consensus_job(both, "mean", tmp_path / "out", "j2")


def test_members_of_other_grids_cases_or_numbers_are_refused(tmp_path: Path) -> None:
    away = AFFINE.copy()
    away[0, 3] += 3
    one = a_result(tmp_path, "a", ball(9, 5))
    for other, words in (
        (a_result(tmp_path, "b", ball(9, 5), away), r"a 1\.0 \(24×20×10\)"),
        (a_result(tmp_path, "c", ball(9, 5)[:, :, :-1].copy(order="F")), r"c 1\.0 \(24×20×9\)"),
    ):
        with pytest.raises(GridMismatch, match=words):
            in_process(consensus_job([one, other], "majority", tmp_path / "out", "j1"))
    with pytest.raises(BadInput, match="several cases"):
        consensus_job([one, a_result(tmp_path, "d", ball(9, 5), case_id="sub-y")], "majority", tmp_path, "j1")
    for count in (1, MOST + 1):
        with pytest.raises(BadInput, match=f"of {count} results"):
            consensus_job([one] * count, "majority", tmp_path, "j1")
    with pytest.raises(BadParameter, match="rule"):
        consensus_job([one, one], "loudest", tmp_path, "j1")


def test_lesions_have_a_mean_adc_when_the_adc_lies_on_the_grid(tmp_path: Path) -> None:
    data = [ball(9, 5), ball(10, 5)]
    results = [a_result(tmp_path, f"e{n}", mask) for n, mask in enumerate(data)]
    adc = np.where(data[0] | data[1], np.float32(500), np.float32(900)).astype(np.float32)
    nifti.write_volume(Volume(np.asfortranarray(adc), AFFINE), tmp_path / "adc.nii.gz", dtype="float32")
    job = consensus_job(results, "majority", tmp_path / "out", "j1", adc=tmp_path / "adc.nii.gz")
    found = in_process(job)
    rows = lesion_rows(found.mask, nifti.read_volume(tmp_path / "adc.nii.gz"), found.adc_scale)
    assert rows[0].mean_adc == pytest.approx(500)
    away = AFFINE.copy()
    away[0, 3] += 3
    nifti.write_volume(Volume(np.asfortranarray(adc), away), tmp_path / "adc.nii.gz", dtype="float32")
    assert in_process(job).adc_scale is None
