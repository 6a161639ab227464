from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from core.errors import BadVolume, GridMismatch
from core.evaluation.components import bounding_box, count_components, crop_pair, label_components, lesion_overlap
from tests.evaluation import oracle
from tests.evaluation.masks import Pair, boxes, pairs


def test_corner_contact_is_one_lesion() -> None:
    diagonal = boxes((4, 4, 4), (0, 0, 0, 2, 2, 2), (2, 2, 2, 4, 4, 4))
    assert count_components(diagonal) == 1


def test_a_gap_of_one_voxel_makes_two_lesions() -> None:
    assert count_components(boxes((5, 2, 2), (0, 0, 0, 2, 2, 2), (3, 0, 0, 5, 2, 2))) == 2


def test_lesions_do_not_wrap_around_the_border() -> None:
    assert count_components(boxes((6, 3, 3), (0, 0, 0, 1, 3, 3), (5, 0, 0, 6, 3, 3))) == 2


@pytest.mark.parametrize("order", ["C", "F"])
def test_bounding_box_in_either_memory_order(order: str) -> None:
    mask = np.asarray(boxes((7, 8, 9), (1, 2, 3, 4, 6, 8)), order=order)  # type: ignore[call-overload]
    assert bounding_box(mask) == (slice(1, 4), slice(2, 6), slice(3, 8))


def test_bounding_box_of_a_strided_view() -> None:
    mask = boxes((14, 16, 18), (2, 4, 6, 8, 12, 16))[::2, ::2, ::2]
    assert bounding_box(mask) == (slice(1, 4), slice(2, 6), slice(3, 8))


def test_nothing_has_no_box_and_no_lesion() -> None:
    empty = boxes((3, 4, 5))
    assert bounding_box(empty) is None
    assert count_components(empty) == 0
    assert [part.shape for part in crop_pair(empty, empty)] == [(1, 1, 1), (1, 1, 1)]
    assert lesion_overlap(empty, empty).pairs.shape == (0, 2)


def test_sizes_and_shared_voxels_by_hand() -> None:
    truth = boxes((10, 3, 3), (0, 0, 0, 4, 1, 1), (6, 0, 0, 10, 1, 1))  # 4 and 4 voxels
    prediction = boxes((10, 3, 3), (3, 0, 0, 7, 1, 1), (9, 2, 2, 10, 3, 3))  # 4 and 1 voxels
    overlap = lesion_overlap(prediction, truth)
    assert overlap.truth_sizes.tolist() == [4, 4]
    assert overlap.prediction_sizes.tolist() == [4, 1]
    assert overlap.pairs.tolist() == [[0, 0], [0, 1]]
    assert overlap.shared.tolist() == [1, 1]


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_labels_are_the_floods(pair: Pair) -> None:
    mask = pair[0]
    labels, count = label_components(mask, (slice(None), slice(None), slice(None)))
    ours = {frozenset(oracle.voxels(labels == label)) for label in range(1, count + 1)}
    assert ours == set(oracle.lesions(mask))
    assert np.array_equal(labels > 0, mask)
    assert count_components(mask) == count


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_overlaps_are_the_intersections_of_the_floods(pair: Pair) -> None:
    prediction, truth = pair
    overlap = lesion_overlap(prediction, truth)
    ours = sorted(
        (int(overlap.prediction_sizes[p]), int(overlap.truth_sizes[t]), int(shared))
        for (p, t), shared in zip(overlap.pairs, overlap.shared, strict=True)
    )
    theirs = sorted(
        (len(p), len(t), len(p & t)) for p in oracle.lesions(prediction) for t in oracle.lesions(truth) if p & t
    )
    assert ours == theirs
    assert sorted(overlap.truth_sizes.tolist()) == sorted(map(len, oracle.lesions(truth)))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(GridMismatch, match=r"\(1, 1, 1\) and \(3, 3, 3\)"):
        lesion_overlap(boxes((1, 1, 1)), boxes((3, 3, 3)))


def test_labels_in_place_of_a_mask_are_refused() -> None:
    with pytest.raises(BadVolume, match="3D uint8"):
        lesion_overlap(np.full((2, 2, 2), 2, dtype=np.uint8), boxes((2, 2, 2)))
