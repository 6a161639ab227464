"""Our metrics against MONAI, panoptica, surface-distance and the oracle, on random and on degenerate pairs of masks.

Where another tool defines a value differently, the difference itself is tested, so that nobody takes it for an error.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.errors import GridMismatch
from core.evaluation import metrics
from core.evaluation.components import lesion_overlap
from core.evaluation.score import score_masks
from core.evaluation.surface import surface_distances
from core.imaging.volume import Mask
from tests.evaluation import oracle
from tests.evaluation.masks import Bools, Pair, affine_of, boxes, pairs, spaced

torch = pytest.importorskip("torch", exc_type=ImportError)
monai = pytest.importorskip("monai.metrics", exc_type=ImportError)

# MONAI 1.6 calls its own deprecated argument.
pytestmark = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "panoptica_oracle.py"
PANOPTICA = os.environ.get("PANOPTICA_PYTHON", "")  # a Python of its own that has panoptica and surface-distance
BOX = (7, 6, 5)
DEGENERATE: dict[str, Pair] = {
    "both empty": (boxes(BOX), boxes(BOX)),
    "prediction empty": (boxes(BOX), boxes(BOX, (1, 1, 1, 4, 4, 4))),
    "truth empty": (boxes(BOX, (1, 1, 1, 4, 4, 4)), boxes(BOX)),
    "both full": (boxes(BOX, (0, 0, 0, *BOX)), boxes(BOX, (0, 0, 0, *BOX))),
    "full over one voxel": (boxes(BOX, (0, 0, 0, *BOX)), boxes(BOX, (3, 3, 2, 4, 4, 3))),
    "the same single voxel": (boxes(BOX, (3, 3, 2, 4, 4, 3)), boxes(BOX, (3, 3, 2, 4, 4, 3))),
    "single voxels in opposite corners": (boxes(BOX, (0, 0, 0, 1, 1, 1)), boxes(BOX, (6, 5, 4, 7, 6, 5))),
    "touching the border": (boxes(BOX, (0, 0, 0, 3, 3, 3)), boxes(BOX, (0, 2, 0, 4, 6, 5))),
    "one slice": (boxes((7, 6, 1), (1, 1, 0, 4, 4, 1)), boxes((7, 6, 1), (2, 2, 0, 5, 6, 1))),
    "contact at a corner": (boxes(BOX, (0, 0, 0, 2, 2, 2)), boxes(BOX, (2, 2, 2, 4, 4, 4))),
}
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 5.0), (2.0, 2.0, 2.0), (0.437, 0.91, 3.3)])
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@st.composite
def blobs(draw: st.DrawFn) -> Pair:
    """Two masks as segmentations are: smooth lesions, shifted, split and with false ones; up to 14 voxels a side."""
    shape = draw(st.tuples(*[st.integers(4, 14)] * 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth, noise = (ndimage.gaussian_filter(random.standard_normal(shape), 1.0) for _ in range(2))
    part, least = draw(st.sampled_from((0.0, 0.3, 0.7, 1.0))), draw(st.sampled_from((0.1, 0.2, 0.3)))
    return (1 - part) * truth + part * noise > least, truth > least


def tensors(pair: Pair) -> list[object]:
    """(1, 1, X, Y, Z) each, as MONAI wants them."""
    return [torch.from_numpy(np.ascontiguousarray(mask)[None, None]) for mask in pair]


def agree_with_monai(pair: Pair, spacing: tuple[float, float, float]) -> None:
    """Dice, HD95 and surface Dice; single precision decides in MONAI what is within 2 mm, so both sides are allowed."""
    p, t = tensors(pair)
    dice = monai.compute_dice(p, t, include_background=True, ignore_empty=False)
    assert metrics.dice(*pair) == pytest.approx(float(dice[0, 0]), abs=1e-6)
    distances = surface_distances(*pair, spaced(*spacing))
    assert (distances is None) == (not (pair[0].any() and pair[1].any()))
    if distances is None:
        return
    hd95 = monai.compute_hausdorff_distance(p, t, include_background=True, percentile=95, spacing=list(spacing))
    assert metrics.hd95(distances) == pytest.approx(float(hd95[0, 0]), rel=1e-5, abs=2e-3)  # MONAI: float32
    near = monai.compute_surface_dice(p, t, [2.0], include_background=True, spacing=list(spacing))
    low, high = (metrics.surface_dice(distances, 2.0 + step) for step in (-1e-3, 1e-3))
    assert low is not None and high is not None
    assert low - 1e-6 <= float(near[0, 0]) <= high + 1e-6


def agree_with_monais_recognition(pair: Pair) -> None:
    """Lesion-wise F1 at IoU above 0.5, where no lesion has two partners and every matching is the same."""
    labels = [ndimage.label(mask, np.ones((3, 3, 3)))[0] for mask in pair]
    counts = monai.compute_panoptic_quality(*(torch.from_numpy(each) for each in labels), metric_name="rq")
    overlap = lesion_overlap(*pair)
    if len(overlap.prediction_sizes) + len(overlap.truth_sizes):
        assert metrics.f1_isles24(overlap, iou=0.5 + 1e-9) == pytest.approx(float(counts), abs=1e-5)


def agree_with_the_oracle(pair: Pair, spacing: tuple[float, float, float]) -> None:
    """Both F1 by floods over sets of voxels; distances between all pairs of voxels where there are few."""
    assert metrics.lesion_f1_isles22(*pair) == pytest.approx(oracle.f1_isles22(*pair))
    found = metrics.lesion_f1_isles24(*pair)
    assert any(found == pytest.approx(value) for value in oracle.f1_isles24_all(*pair, iou=0.2))
    if pair[0].any() and pair[1].any() and pair[0].size <= 250:
        affine = spaced(*spacing)
        assert metrics.hd95_mm(*pair, affine) == pytest.approx(oracle.hd95(*pair, affine))
        expected = oracle.surface_dice(*pair, affine, 2.0)
        assert metrics.surface_dice_2mm(*pair, affine) == pytest.approx(expected)


@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
@given(st.one_of(pairs(), blobs()), SPACINGS)
def test_random_pairs(pair: Pair, spacing: tuple[float, float, float]) -> None:
    agree_with_monai(pair, spacing)
    agree_with_monais_recognition(pair)
    agree_with_the_oracle(pair, spacing)


@pytest.mark.stress
@pytest.mark.timeout(1200)
@settings(max_examples=1500, deadline=None, suppress_health_check=QUIET)
@given(st.one_of(pairs(), blobs()), SPACINGS)
def test_fifteen_hundred_random_pairs(pair: Pair, spacing: tuple[float, float, float]) -> None:
    agree_with_monai(pair, spacing)
    agree_with_monais_recognition(pair)
    agree_with_the_oracle(pair, spacing)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 5.0)])
@pytest.mark.parametrize("name", list(DEGENERATE))
def test_degenerate_pairs(name: str, spacing: tuple[float, float, float]) -> None:
    agree_with_monai(DEGENERATE[name], spacing)
    agree_with_monais_recognition(DEGENERATE[name])
    agree_with_the_oracle(DEGENERATE[name], spacing)


@pytest.mark.parametrize("name", ["prediction empty", "truth empty"])
def test_one_empty_mask_has_no_distance_here_and_no_finite_one_in_monai(name: str) -> None:
    pair = DEGENERATE[name]
    with pytest.warns(UserWarning, match="is all 0"):
        theirs = monai.compute_hausdorff_distance(*tensors(pair), include_background=True, percentile=95)
    assert not np.isfinite(float(theirs[0, 0]))
    assert metrics.hd95_mm(*pair, spaced(1, 1, 1)) is None
    with pytest.warns(UserWarning, match="is all 0"):
        near = monai.compute_surface_dice(*tensors(pair), [2.0], include_background=True)
    assert float(near[0, 0]) == 0.0  # MONAI: nothing is near; here: there is no outline to be near to
    assert metrics.surface_dice_2mm(*pair, spaced(1, 1, 1)) is None


def test_a_tolerance_that_float32_rounds_away_counts_as_near_here_and_not_in_monai() -> None:
    pair = boxes((12, 1, 1), (0, 0, 0, 1, 1, 1)), boxes((12, 1, 1), (5, 0, 0, 6, 1, 1))
    stored = [float(np.float32(0.4)), 1.0, 1.0]  # five of these are 2.00000003 mm
    near = monai.compute_surface_dice(*tensors(pair), [2.0 - 1e-6], include_background=True, spacing=stored)
    assert float(near[0, 0]) == 0.0
    assert metrics.surface_dice_2mm(*pair, spaced(*stored)) == 1.0


def test_a_sheared_grid_has_distances_that_a_spacing_cannot_express() -> None:
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 2.0]])  # gantry tilt
    pair = boxes((3, 3, 4), (1, 1, 0, 2, 2, 1)), boxes((3, 3, 4), (1, 1, 3, 2, 2, 4))
    spacing = np.linalg.norm(matrix, axis=0).tolist()
    theirs = monai.compute_hausdorff_distance(*tensors(pair), include_background=True, percentile=95, spacing=spacing)
    assert float(theirs[0, 0]) == pytest.approx(3 * np.hypot(0.5, 2.0))  # the same here: one axis only
    turned = boxes((3, 4, 4), (1, 0, 0, 2, 1, 1)), boxes((3, 4, 4), (1, 3, 3, 2, 4, 4))
    theirs = monai.compute_hausdorff_distance(*tensors(turned), include_background=True, percentile=95, spacing=spacing)
    ours = metrics.hd95_mm(*turned, affine_of(matrix))
    assert ours == pytest.approx(np.hypot(4.5, 6.0))
    assert float(theirs[0, 0]) < 0.95 * np.hypot(4.5, 6.0)


def test_two_grids_are_refused_even_where_monai_would_compare_the_arrays() -> None:
    here, there = DEGENERATE["touching the border"]
    moved = affine_of(np.eye(3), (0.0, 0.0, 4.0))
    assert float(monai.compute_dice(*tensors((here, there)))[0, 0]) == pytest.approx(metrics.dice(here, there))
    with pytest.raises(GridMismatch, match=r"4\.0 mm apart"):
        score_masks(Mask(here, spaced(1, 1, 1)), Mask(there, moved))
    with pytest.raises(GridMismatch, match="same space"):
        score_masks(Mask(here, spaced(1, 1, 1)), Mask(np.repeat(there, 2, 0), affine_of(np.diag([0.5, 1, 1]))))


def drawn(count: int) -> list[Pair]:
    """Pairs of the strategies above, the same ones on every run, and the degenerate ones."""
    found: list[Pair] = list(DEGENERATE.values())

    @settings(max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(st.one_of(pairs(), blobs()))
    def collect(pair: Pair) -> None:
        found.append(pair)

    collect()
    return found


def asked(cases: list[Pair], spacing: tuple[float, float, float], folder: Path) -> list[dict[str, Any]]:
    """The answers of panoptica and surface-distance, from their own Python."""
    arrays: dict[str, Bools] = {}
    for number, (prediction, truth) in enumerate(cases):
        arrays |= {f"p{number}": prediction, f"t{number}": truth}
    pairs_file, out = folder / "pairs.npz", folder / "out.json"
    np.savez(pairs_file, spacing=np.array(spacing), **arrays)  # type: ignore[arg-type]
    command = [PANOPTICA, str(SCRIPT), str(pairs_file), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=1000)
    answers: list[dict[str, Any]] = json.loads(out.read_text("utf-8"))["pairs"]
    return answers


needs_panoptica = pytest.mark.skipif(not PANOPTICA, reason="PANOPTICA_PYTHON names no Python with panoptica")


@pytest.mark.stress
@pytest.mark.timeout(1200)
@needs_panoptica
def test_panoptica_matches_the_same_lesions(tmp_path: Path) -> None:
    cases = drawn(1000)
    answers = asked(cases, (1.0, 1.0, 1.0), tmp_path)
    assert len(answers) == len(cases) > 1000
    for pair, answer in zip(cases, answers, strict=True):
        theirs = oracle.f1(answer["tp"], answer["fp"], answer["fn"])
        allowed = oracle.f1_isles24_all(*pair, iou=0.2)  # more than one only where IoUs tie
        assert any(theirs == pytest.approx(value) for value in allowed)
        if len(allowed) == 1:
            assert metrics.lesion_f1_isles24(*pair) == pytest.approx(theirs)
        if answer["dice"] is not None:
            assert metrics.dice(*pair) == pytest.approx(answer["dice"])


@pytest.mark.stress
@needs_panoptica
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 3.0)])
def test_surface_distance_differs_by_less_than_a_voxel(tmp_path: Path, spacing: tuple[float, float, float]) -> None:
    grid = np.indices((40, 40, 30)) - np.array([18, 18, 14])[:, None, None, None]
    one = np.sqrt((grid**2).sum(axis=0)) < 9.5
    cases = [(np.roll(one, step, axis), one) for axis in range(3) for step in (1, 3, 4)]
    diagonal = float(np.linalg.norm(spacing))
    for pair, answer in zip(cases, asked(cases, spacing, tmp_path), strict=True):
        hd95 = metrics.hd95_mm(*pair, spaced(*spacing))
        assert hd95 == pytest.approx(answer["hd95"], abs=diagonal)  # its surface lies between the voxels' centres
        assert metrics.surface_dice_2mm(*pair, spaced(*spacing)) == pytest.approx(answer["surface_dice"], abs=0.2)
