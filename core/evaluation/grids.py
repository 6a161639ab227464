"""Grids: why two masks cannot be compared voxel by voxel, in words and numbers.

Judges only; it never resamples. A score after a silent resampling would be the score of another mask.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from core.errors import GridMismatch
from core.imaging.geometry import orientation, same_grid, world
from core.imaging.volume import Affine, Mask, spacing_of

TOLERANCE_MM = 0.1  # between the same corner of both grids


def require_same_grid(prediction: Mask, truth: Mask) -> None:
    """Return if both masks lie on one grid.

    Raises:
        GridMismatch: shapes differ, or a corner lies more than TOLERANCE_MM apart. The message gives both grids and
            says whether they cover the same space, so that resampling would help, or not.
    """
    one, other = prediction.data.shape, truth.data.shape
    if same_grid(one, prediction.affine, other, truth.affine, tolerance_mm=TOLERANCE_MM):
        return
    described = f"the prediction has {_describe(prediction)}, the truth {_describe(truth)}"
    if _cover_same_space(prediction, truth):
        raise GridMismatch(
            f"the masks cover the same space on different grids: {described}",
            hint="resample the prediction to the truth's grid (nearest neighbour) and score again",
        )
    gap = np.abs(_bounds(one, prediction.affine) - _bounds(other, truth.affine)).max()
    raise GridMismatch(
        f"the masks cover different space, {gap:.1f} mm apart: {described}",
        hint="check that both belong to the same case and the same image",
    )


def _describe(mask: Mask) -> str:
    shape = " × ".join(str(n) for n in mask.data.shape)
    spacing = " × ".join(f"{mm:.3g}" for mm in spacing_of(mask.affine))
    return f"{shape} voxels of {spacing} mm ({orientation(mask.affine)})"


def _cover_same_space(one: Mask, other: Mask) -> bool:
    """Whether every edge of the fields of view agrees within one voxel of the coarser grid."""
    slack = max(*one.spacing_mm, *other.spacing_mm)
    bounds = _bounds(one.data.shape, one.affine), _bounds(other.data.shape, other.affine)
    return bool(np.abs(bounds[0] - bounds[1]).max() <= slack)


def _bounds(shape: tuple[int, ...], affine: Affine) -> NDArray[np.float64]:
    """(2, 3) lowest and highest RAS+ mm of the field of view, outer voxel edges included."""
    corners = world(affine, list(product(*((-0.5, n - 0.5) for n in shape))))
    return np.stack([corners.min(axis=0), corners.max(axis=0)])
