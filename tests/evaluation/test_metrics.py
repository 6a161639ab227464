from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from core.errors import GridMismatch
from core.evaluation import metrics
from core.evaluation.components import lesion_overlap
from core.evaluation.surface import surface_distances, surface_voxels
from tests.evaluation import oracle
from tests.evaluation.masks import Affine, Bools, Pair, affine_of, affines, boxes, pairs, rotation, spaced

ONE_MM = spaced(1, 1, 1)
EMPTY = boxes((6, 6, 6))
CUBE = boxes((6, 6, 6), (1, 1, 1, 4, 4, 4))


def test_dice_and_volumes_by_hand() -> None:
    shifted = np.roll(CUBE, 1, axis=0)  # 27 voxels each, 18 in both
    assert metrics.dice(shifted, CUBE) == pytest.approx(36 / 54)
    assert metrics.volume_ml(CUBE, spaced(0.5, 2, 4)) == pytest.approx(27 * 4 / 1000)
    bigger = boxes((6, 6, 6), (0, 0, 0, 4, 4, 4))
    assert metrics.avd_ml(bigger, CUBE, spaced(0.5, 2, 4)) == pytest.approx((64 - 27) * 4 / 1000)
    assert metrics.avd_ml(CUBE, bigger, spaced(0.5, 2, 4)) == pytest.approx((64 - 27) * 4 / 1000)


def test_volume_of_an_oblique_sheared_grid_is_its_determinant() -> None:
    matrix = rotation(0.4, -0.7) @ np.diag([0.5, 2.0, 4.0])
    matrix[:, 2] += 0.3 * matrix[:, 1]  # shear keeps the volume
    assert metrics.volume_ml(CUBE, affine_of(matrix)) == pytest.approx(27 * 4 / 1000)


def test_lesion_count_difference_is_absolute() -> None:
    three = boxes((9, 1, 1), (0, 0, 0, 1, 1, 1), (3, 0, 0, 4, 1, 1), (6, 0, 0, 7, 1, 1))
    one = boxes((9, 1, 1), (0, 0, 0, 9, 1, 1))
    assert metrics.lesion_count_difference(one, three) == 2
    assert metrics.lesion_count_difference(three, one) == 2


def test_a_lesion_in_two_pieces_costs_only_under_isles24() -> None:
    truth = boxes((11, 4, 4), (0, 0, 0, 11, 4, 4))
    prediction = boxes((11, 4, 4), (0, 0, 0, 5, 4, 4), (6, 0, 0, 11, 4, 4))
    assert metrics.lesion_f1_isles22(prediction, truth) == 1.0
    assert metrics.lesion_f1_isles24(prediction, truth) == pytest.approx(2 / 3)


def test_two_lesions_bridged_into_one() -> None:
    truth = boxes((11, 4, 4), (0, 0, 0, 5, 4, 4), (6, 0, 0, 11, 4, 4))
    prediction = boxes((11, 4, 4), (0, 0, 0, 11, 4, 4))
    assert metrics.lesion_f1_isles22(prediction, truth) == 1.0  # both true lesions are touched
    assert metrics.lesion_f1_isles24(prediction, truth) == pytest.approx(2 / 3)  # one match, one missed


def test_one_touching_voxel_is_enough_for_isles22_but_not_for_isles24() -> None:
    truth = boxes((10, 2, 2), (0, 0, 0, 5, 2, 2))
    prediction = boxes((10, 2, 2), (4, 0, 0, 9, 2, 2))  # IoU 4 / 36
    assert metrics.lesion_f1_isles22(prediction, truth) == 1.0
    assert metrics.lesion_f1_isles24(prediction, truth) == 0.0


def test_isles24_counts_an_iou_of_exactly_the_threshold() -> None:
    truth = boxes((10, 1, 1), (0, 0, 0, 5, 1, 1))
    assert metrics.lesion_f1_isles24(boxes((10, 1, 1), (0, 0, 0, 1, 1, 1)), truth) == 1.0  # 1 / 5
    assert metrics.lesion_f1_isles24(boxes((10, 1, 1), (4, 0, 0, 6, 1, 1)), truth) == 0.0  # 1 / 6


def test_isles24_takes_the_best_pair_first_even_where_other_pairs_would_match_more() -> None:
    truth = boxes((15, 1, 1), (0, 0, 0, 11, 1, 1), (12, 0, 0, 15, 1, 1))
    prediction = boxes((15, 1, 1), (0, 0, 0, 3, 1, 1), (4, 0, 0, 15, 1, 1))
    # IoU: short and long 3 / 11, long and long 7 / 15, long and short 3 / 11
    overlap = lesion_overlap(prediction, truth)
    assert metrics.f1_isles24(overlap) == pytest.approx(0.5)
    assert metrics.f1_isles24(overlap, iou=0.47) == 0.0


def test_mixed_hits_misses_and_false_alarms() -> None:
    truth = boxes((20, 1, 1), (0, 0, 0, 2, 1, 1), (5, 0, 0, 7, 1, 1), (10, 0, 0, 12, 1, 1))
    prediction = boxes((20, 1, 1), (0, 0, 0, 2, 1, 1), (15, 0, 0, 16, 1, 1))  # one hit, two missed, one false
    assert metrics.lesion_f1_isles22(prediction, truth) == pytest.approx(1 / (1 + 1.5))
    assert metrics.lesion_f1_isles24(prediction, truth) == pytest.approx(1 / (1 + 1.5))


def test_both_empty_is_perfect_and_has_no_distance() -> None:
    assert metrics.dice(EMPTY, EMPTY) == 1.0
    assert metrics.lesion_f1_isles22(EMPTY, EMPTY) == 1.0
    assert metrics.lesion_f1_isles24(EMPTY, EMPTY) == 1.0
    assert metrics.avd_ml(EMPTY, EMPTY, ONE_MM) == 0.0
    assert metrics.hd95_mm(EMPTY, EMPTY, ONE_MM) is None
    assert metrics.surface_dice_2mm(EMPTY, EMPTY, ONE_MM) is None


@pytest.mark.parametrize(("prediction", "truth"), [(EMPTY, CUBE), (CUBE, EMPTY)])
def test_one_empty_is_zero_and_has_no_distance(prediction: Bools, truth: Bools) -> None:
    assert metrics.dice(prediction, truth) == 0.0
    assert metrics.lesion_f1_isles22(prediction, truth) == 0.0
    assert metrics.lesion_f1_isles24(prediction, truth) == 0.0
    assert metrics.lesion_count_difference(prediction, truth) == 1
    assert metrics.hd95_mm(prediction, truth, ONE_MM) is None
    assert metrics.surface_dice_2mm(prediction, truth, ONE_MM) is None


def test_surface_is_the_six_connected_boundary_and_the_border_counts() -> None:
    assert surface_voxels(boxes((7, 7, 7), (1, 1, 1, 6, 6, 6))).sum() == 125 - 27
    assert surface_voxels(boxes((5, 5, 5), (0, 0, 0, 5, 5, 5))).sum() == 125 - 27
    assert surface_voxels(boxes((1, 4, 4), (0, 0, 0, 1, 4, 4))).all()


@pytest.mark.parametrize(("axis", "millimetres"), [(0, 1.5), (1, 3.0), (2, 15.0)])
def test_distances_use_the_spacing_of_their_own_axis(axis: int, millimetres: float) -> None:
    one, other = boxes((6, 6, 6), (1, 1, 1, 2, 2, 2)), boxes((6, 6, 6), (1, 1, 1, 2, 2, 2))
    assert metrics.hd95_mm(one, np.roll(other, 3, axis=axis), spaced(0.5, 1, 5)) == pytest.approx(millimetres)


def test_distances_on_a_sheared_grid_are_those_in_the_patient() -> None:
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 2.0]])  # gantry tilt: z also moves along y
    one, other = boxes((3, 3, 4), (1, 1, 0, 2, 2, 1)), boxes((3, 3, 4), (1, 1, 3, 2, 2, 4))
    assert metrics.hd95_mm(one, other, affine_of(matrix)) == pytest.approx(np.hypot(1.5, 6.0))


def test_hd95_is_the_larger_directed_percentile_not_the_pooled_one() -> None:
    truth, prediction = boxes((21, 1, 1), (0, 0, 0, 1, 1, 1)), boxes((21, 1, 1), (0, 0, 0, 21, 1, 1))
    assert metrics.hd95_mm(prediction, truth, ONE_MM) == pytest.approx(19.0)  # pooled would be 18.95
    assert metrics.hd95_mm(truth, prediction, ONE_MM) == pytest.approx(19.0)


def test_surface_dice_counts_exactly_two_millimetres_as_near() -> None:
    one = boxes((12, 1, 1), (0, 0, 0, 1, 1, 1))
    for step, expected in ((5, 1.0), (6, 0.0)):
        other = boxes((12, 1, 1), (step, 0, 0, step + 1, 1, 1))
        assert metrics.surface_dice_2mm(one, other, spaced(0.4, 1, 1)) == expected
        stored = spaced(0.4, 1, 1).astype(np.float32).astype(np.float64)  # 5 x 0.4000000059 is above 2
        assert metrics.surface_dice_2mm(one, other, stored) == expected


def test_surface_dice_by_hand() -> None:
    truth, prediction = boxes((9, 1, 1), (0, 0, 0, 2, 1, 1)), boxes((9, 1, 1), (0, 0, 0, 6, 1, 1))
    # to the truth: 0 0 1 2 3 4; to the prediction: 0 0; six of eight are within 2 mm
    assert metrics.surface_dice_2mm(prediction, truth, ONE_MM) == pytest.approx(6 / 8)


def test_shapes_must_agree() -> None:
    small = boxes((1, 6, 6))
    with pytest.raises(GridMismatch):
        metrics.dice(small, CUBE)
    with pytest.raises(GridMismatch):
        metrics.avd_ml(small, CUBE, ONE_MM)
    with pytest.raises(GridMismatch):
        metrics.lesion_count_difference(small, CUBE)
    with pytest.raises(GridMismatch):
        metrics.hd95_mm(small, CUBE, ONE_MM)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_lesion_scores_match_the_oracle(pair: Pair) -> None:
    assert metrics.lesion_f1_isles22(*pair) == pytest.approx(oracle.f1_isles22(*pair))
    allowed = oracle.f1_isles24_all(*pair, iou=0.2)
    assert any(metrics.lesion_f1_isles24(*pair) == pytest.approx(value) for value in allowed)
    assert metrics.lesion_count_difference(*pair) == abs(len(oracle.lesions(pair[0])) - len(oracle.lesions(pair[1])))


@settings(max_examples=25, deadline=None)
@given(pairs(), affines())
def test_distances_match_the_oracle(pair: Pair, affine: Affine) -> None:
    prediction, truth = pair
    if not (prediction.any() and truth.any()):
        assert surface_distances(prediction, truth, affine) is None
        return
    assert metrics.hd95_mm(prediction, truth, affine) == pytest.approx(oracle.hd95(prediction, truth, affine), abs=1e-9)
    distances = surface_distances(prediction, truth, affine)
    assert distances is not None
    ours = np.sort(distances.to_truth)
    theirs = sorted(oracle.nearest_mm(oracle.surface(prediction), oracle.surface(truth), affine))
    assert ours == pytest.approx(np.array(theirs), abs=1e-9)
    assert metrics.surface_dice_2mm(prediction, truth, affine) == oracle.surface_dice(prediction, truth, affine, 2.0)


@settings(max_examples=60, deadline=None)
@given(pairs(), affines())
def test_swapping_the_masks_changes_only_isles22(pair: Pair, affine: Affine) -> None:
    prediction, truth = pair
    assert metrics.dice(prediction, truth) == metrics.dice(truth, prediction)
    assert metrics.avd_ml(prediction, truth, affine) == metrics.avd_ml(truth, prediction, affine)
    assert metrics.lesion_f1_isles24(prediction, truth) == metrics.lesion_f1_isles24(truth, prediction)
    assert metrics.hd95_mm(prediction, truth, affine) == pytest.approx(metrics.hd95_mm(truth, prediction, affine))
    assert metrics.surface_dice_2mm(prediction, truth, affine) == metrics.surface_dice_2mm(truth, prediction, affine)


@settings(max_examples=60, deadline=None)
@given(pairs(), affines())
def test_ranges_and_identity(pair: Pair, affine: Affine) -> None:
    prediction, truth = pair
    shares = [metrics.dice(*pair), metrics.lesion_f1_isles22(*pair), metrics.lesion_f1_isles24(*pair)]
    near = metrics.surface_dice_2mm(prediction, truth, affine)
    assert all(0.0 <= share <= 1.0 for share in [*shares, 1.0 if near is None else near])
    assert metrics.dice(truth, truth) == 1.0
    assert metrics.lesion_f1_isles22(truth, truth) == metrics.lesion_f1_isles24(truth, truth) == 1.0
    assert metrics.hd95_mm(truth, truth, affine) == (0.0 if truth.any() else None)
    assert metrics.surface_dice_2mm(truth, truth, affine) == (1.0 if truth.any() else None)


@settings(max_examples=40, deadline=None)
@given(pairs(), affines())
def test_storing_the_axes_otherwise_changes_nothing(pair: Pair, affine: Affine) -> None:
    prediction, truth = (np.flip(mask.transpose(2, 0, 1), axis=1) for mask in pair)
    stored = affine.copy()
    stored[:, :3] = affine[:, [2, 0, 1]]
    stored[:3, 3] += stored[:3, 1] * (truth.shape[1] - 1)
    stored[:3, 1] *= -1
    assert metrics.lesion_f1_isles22(prediction, truth) == metrics.lesion_f1_isles22(*pair)
    assert metrics.volume_ml(truth, stored) == pytest.approx(metrics.volume_ml(pair[1], affine))
    expected = metrics.hd95_mm(*pair, affine)
    found = metrics.hd95_mm(prediction, truth, stored)
    assert found is None if expected is None else found == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_empty_space_around_changes_nothing(pair: Pair) -> None:
    wide = tuple(np.pad(mask, ((3, 1), (0, 2), (1, 0))) for mask in pair)
    affine = spaced(0.5, 1, 3)
    assert metrics.lesion_f1_isles22(wide[0], wide[1]) == metrics.lesion_f1_isles22(*pair)
    assert metrics.hd95_mm(wide[0], wide[1], affine) == metrics.hd95_mm(*pair, affine)
    assert metrics.surface_dice_2mm(wide[0], wide[1], affine) == metrics.surface_dice_2mm(*pair, affine)
