from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from core.errors import GridMismatch
from core.evaluation.overlap import OVERLAP_LABELS, overlap_labels
from tests.evaluation.masks import Pair, boxes, pairs


def test_each_kind_has_its_label() -> None:
    prediction, truth = boxes((5, 1, 1), (0, 0, 0, 3, 1, 1)), boxes((5, 1, 1), (2, 0, 0, 4, 1, 1))
    labels = overlap_labels(prediction, truth)
    assert labels.dtype == np.uint8
    assert labels[:, 0, 0].tolist() == [2, 2, 1, 3, 0]


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_both_masks_can_be_read_back_from_the_labels(pair: Pair) -> None:
    prediction, truth = pair
    for order in ("C", "F"):
        labels = overlap_labels(np.asarray(prediction, order=order), np.asarray(truth, order=order))
        assert np.array_equal((labels == 1) | (labels == 2), prediction)
        assert np.array_equal((labels == 1) | (labels == 3), truth)
        assert set(np.unique(labels)) <= {0, *OVERLAP_LABELS}


def test_shapes_must_agree() -> None:
    with pytest.raises(GridMismatch):
        overlap_labels(boxes((1, 2, 3)), boxes((3, 2, 1)))
