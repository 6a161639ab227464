"""Lesions are measured where they are, and results survive JSON."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core.errors import EngineError
from core.imaging import nifti
from core.imaging.volume import Mask, Volume
from core.segmentation.job import Job
from core.segmentation.lesions import MOST_ROWS, largest_diameter, lesion_rows, side
from core.segmentation.results import JobResult
from core.segmentation.runner import run_job

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2.0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])  # LAS


def two_lesions() -> Mask:
    data = np.zeros((32, 20, 12), bool)
    data[4:8, 5:7, 5] = True  # x = 22..16: right
    data[28, 5, 5] = data[29, 6, 6] = True  # touch at a corner: one lesion; x = -26..-28: left
    return Mask(data, AFFINE)


def test_rows_are_in_the_order_of_volume_with_side_place_and_size() -> None:
    rows = lesion_rows(two_lesions())
    assert [row.index for row in rows] == [1, 2]
    assert [row.side for row in rows] == ["right", "left"]
    assert [row.volume_ml for row in rows] == pytest.approx([8 * 0.012, 2 * 0.012])
    assert rows[0].max_diameter_mm == pytest.approx(np.hypot(6, 2))
    assert rows[1].max_diameter_mm == pytest.approx(np.sqrt(4 + 4 + 9))
    assert all(row.mean_adc is None for row in rows)


def test_the_centre_lies_inside_even_a_ring() -> None:
    data = np.zeros((21, 21, 3), bool)
    i, j = np.ogrid[:21, :21]
    data[:, :, 1] = np.abs(np.hypot(i - 10, j - 10) - 8) < 1
    (row,) = lesion_rows(Mask(data, AFFINE))
    index = np.linalg.solve(AFFINE[:3, :3], np.array(row.centre_mm) - AFFINE[:3, 3])
    assert data[tuple(np.rint(index).astype(int))]


def test_the_mean_adc_is_in_one_unit_and_leaves_out_voxels_without_one() -> None:
    mask = two_lesions()
    data = np.full(mask.data.shape, 0.5, np.float32)
    data[4, 5, 5] = 0
    rows = lesion_rows(mask, Volume(data, AFFINE), 1000.0)
    assert [row.mean_adc for row in rows] == pytest.approx([500.0, 500.0])
    assert lesion_rows(mask, Volume(data, AFFINE), None)[0].mean_adc is None


def test_the_side_is_that_of_the_mid_plane_and_not_of_the_scanner() -> None:
    plane = (1.0, 0.0, 0.0, 40.0)  # a head that lies 4 cm to the right
    assert side(np.array([20.0, 0, 0]), None) == "right"
    assert side(np.array([20.0, 0, 0]), plane) == "left"
    assert side(np.array([41.0, 0, 0]), plane) == "midline"


def test_no_lesion_no_rows() -> None:
    assert lesion_rows(Mask(np.zeros((4, 4, 4), bool), AFFINE)) == ()


def test_a_mask_of_noise_is_counted_whole_and_listed_in_part(tmp_path: Path) -> None:
    """All of its rows would be a line of two megabytes, which no worker could hand on."""
    data = np.zeros((72, 72, 72), bool, order="F")
    data[::3, ::3, ::3] = True
    data[0, 0, :8] = True  # one part of 8 voxels out of what were three
    path = tmp_path / "mask.nii.gz"
    nifti.write_volume(Volume(data.astype(np.float32), AFFINE), tmp_path / "like.nii.gz")
    nifti.write_mask(Mask(data, AFFINE), path, tmp_path / "like.nii.gz")
    job = Job("noise", None, "consensus", {"mask1": path, "mask2": path}, {}, tmp_path / "out")
    found = run_job(job, lambda name, done: None, lambda: False)
    assert found.lesion_count == 24**3 - 2
    assert len(found.lesions) == MOST_ROWS and found.lesions[0].volume_ml == pytest.approx(8 * 0.012)
    assert any("13,822 parts" in sentence and "1,000 largest" in sentence for sentence in found.warnings)


def test_the_diameter_of_a_large_cloud_is_right_within_a_percent() -> None:
    points = np.random.default_rng(2).normal(size=(1500, 3)) * (9, 4, 2)
    exact = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)).max()
    assert 0.99 * exact <= largest_diameter(points) <= exact + 1e-9


def a_result(**changes: object) -> JobResult:
    values: dict[str, object] = {
        "case_id": None,
        "engine": "diffusion",
        "engine_version": "1.0",
        "mask": Path("/o/m.nii.gz"),
        "core": None,
        "probability": Path("/o/p.nii.gz"),
        "sidecar": Path("/o/m.json"),
        "volume_ml": 0.12,
        "core_volume_ml": None,
        "lesion_count": 2,
        "lesions": lesion_rows(two_lesions()),
        "seconds": 1.5,
        "peak_rss_mb": 140.0,
        "warnings": ("a", "b"),
    }
    return JobResult(**{**values, **changes})  # type: ignore[arg-type]


def test_json_round_trip() -> None:
    whole = a_result(disagreement=Path("/o/d.nii.gz"), threshold=0.3, notes={"teams": ["SEALS"]})
    assert [path.name for path in whole.files] == ["m.nii.gz", "p.nii.gz", "d.nii.gz", "m.json"]
    for result in (whole, a_result(), a_result(core=Path("/o/c.nii.gz"), core_volume_ml=0.1, lesions=(), case_id="x")):
        assert JobResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mask": 3}'])
def test_a_broken_result_is_a_clear_error(text: str) -> None:
    with pytest.raises(EngineError):
        JobResult.from_json(text)


@pytest.mark.parametrize("share", [0.02, 0.12], ids=["dust", "a sponge"])
def test_a_mask_of_noise_is_measured_in_little_memory_and_only_its_largest_parts_are_listed(share: float) -> None:
    data = np.random.default_rng(5).random((128, 128, 128)) < share
    lesion_rows(Mask(data[:8, :8, :8], AFFINE))  # what the first call loads is not counted
    tracemalloc.start()
    rows = lesion_rows(Mask(data, AFFINE))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) > 100
    assert [row.volume_ml for row in rows] == sorted((row.volume_ml for row in rows), reverse=True)
    assert peak < 9 * data.size  # the labels themselves are 4 bytes a voxel
