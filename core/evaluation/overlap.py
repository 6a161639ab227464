"""Overlap: a label map that shows where a prediction and the truth agree.

Labels, not colours (the viewer chooses those) and not numbers (metrics.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.evaluation.components import Bools, require_pair

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
OVERLAP_LABELS: dict[int, str] = {
    TRUE_POSITIVE: "in both",
    FALSE_POSITIVE: "only in the prediction (false positive)",
    FALSE_NEGATIVE: "only in the truth (false negative)",
}


def overlap_labels(prediction: Bools, truth: Bools) -> NDArray[np.uint8]:
    """(X, Y, Z) uint8 on the masks' grid: 0 in neither, otherwise a key of OVERLAP_LABELS.

    Raises:
        BadVolume, GridMismatch: a mask is not 3D bool, or the shapes differ.
    """
    require_pair(prediction, truth)
    labels = np.zeros_like(prediction, dtype=np.uint8)  # keeps the memory order, so the writes below run straight
    labels[prediction] = FALSE_POSITIVE
    labels[truth] = FALSE_NEGATIVE
    labels[prediction & truth] = TRUE_POSITIVE
    return labels
