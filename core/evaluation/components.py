"""Components: the single lesions of a mask, and which ones of two masks overlap.

Voxels that share a face, an edge or a corner belong to one lesion (26-connectivity, as in ISLES'22). Counts and labels
only: it knows neither millimetres nor scores (metrics.py), and keeps no label image once the sizes are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import BadVolume, GridMismatch

Bools = NDArray[np.bool_]  # (X, Y, Z)
Labels = NDArray[np.int32]
Box = tuple[slice, slice, slice]

_TOUCHING = np.ones((3, 3, 3), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class LesionOverlap:
    """The lesions of a prediction and of a truth, and the pairs that share voxels.

    Attributes:
        prediction_sizes: (P,) voxels of each predicted lesion.
        truth_sizes: (T,) voxels of each true lesion.
        pairs: (N, 2) indices (prediction, truth) of lesions that share at least one voxel, sorted.
        shared: (N,) voxels that the pair shares.
    """

    prediction_sizes: NDArray[np.int64]
    truth_sizes: NDArray[np.int64]
    pairs: NDArray[np.int64]
    shared: NDArray[np.int64]


def require_pair(prediction: Bools, truth: Bools) -> None:
    """Refuse what would be broadcast or counted wrongly.

    Raises:
        BadVolume: a mask is not 3D bool.
        GridMismatch: the shapes differ.
    """
    for mask in (prediction, truth):
        if mask.dtype != np.bool_ or mask.ndim != 3:
            found = f"{mask.ndim}D {mask.dtype}"
            raise BadVolume(f"expected a 3D bool mask, got {found}", hint="read masks with nifti.read_mask")
    if prediction.shape != truth.shape:
        sizes = f"{prediction.shape} and {truth.shape} voxels"
        raise GridMismatch(f"the masks have {sizes}", hint="bring both onto one grid first")


def bounding_box(mask: Bools) -> Box | None:
    """The smallest box that holds every voxel of the mask, or None when it is empty."""
    if not mask.flags.c_contiguous and mask.flags.f_contiguous:  # walk memory in its own order: ten times faster
        box = bounding_box(mask.T)
        return None if box is None else (box[2], box[1], box[0])
    outer = _extent(np.logical_or.reduce(mask, axis=(1, 2)))
    if outer is None:
        return None
    plane = np.logical_or.reduce(mask[outer], axis=0)
    rows, columns = _extent(np.logical_or.reduce(plane, axis=1)), _extent(np.logical_or.reduce(plane, axis=0))
    return outer, cast(slice, rows), cast(slice, columns)


def crop_pair(prediction: Bools, truth: Bools) -> tuple[Bools, Bools]:
    """Both masks, C-ordered, within the box that holds both. No metric changes by it. Empty masks keep one voxel.

    Raises:
        BadVolume, GridMismatch: as require_pair.
    """
    require_pair(prediction, truth)
    boxes = [box for box in (bounding_box(prediction), bounding_box(truth)) if box is not None]
    union = tuple(
        slice(min((box[axis].start for box in boxes), default=0), max((box[axis].stop for box in boxes), default=1))
        for axis in range(3)
    )
    return np.ascontiguousarray(prediction[union]), np.ascontiguousarray(truth[union])


def label_components(mask: Bools, box: Box) -> tuple[Labels, int]:
    """Labels within the box, int32, 0 outside and 1..count inside, and the count of lesions; the box holds the mask."""
    labels, count = ndimage.label(mask[box], structure=_TOUCHING, output=np.int32)
    return labels, int(count)


def count_components(mask: Bools) -> int:
    """How many lesions the mask has."""
    box = bounding_box(mask)
    return 0 if box is None else label_components(mask, box)[1]


def lesion_overlap(prediction: Bools, truth: Bools) -> LesionOverlap:
    """Sizes of the lesions of both masks and their overlaps. Holds one label image (4 bytes a voxel) at a time.

    Raises:
        BadVolume, GridMismatch: as require_pair.
    """
    prediction, truth = crop_pair(prediction, truth)
    both = prediction & truth
    prediction_sizes, predicted = _sizes_and_labels(prediction, both)
    truth_sizes, true = _sizes_and_labels(truth, both)
    keys = predicted.astype(np.int64) * max(len(truth_sizes), 1) + true
    unique, shared = np.unique(keys, return_counts=True)
    pairs = np.stack(np.divmod(unique, max(len(truth_sizes), 1)), axis=1)
    return LesionOverlap(prediction_sizes, truth_sizes, pairs, shared.astype(np.int64))


def _sizes_and_labels(mask: Bools, where: Bools) -> tuple[NDArray[np.int64], Labels]:
    """Voxels per lesion, and the lesion's index (from 0) at each voxel of `where`, which lies inside the mask."""
    box = bounding_box(mask)
    if box is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    labels, count = label_components(mask, box)
    sizes = np.bincount(labels[mask[box]], minlength=count + 1)[1:]
    return sizes.astype(np.int64), labels[where[box]] - np.int32(1)


def _extent(used: Bools) -> slice | None:
    """From the first to the last True of a 1D mask."""
    indices = np.flatnonzero(used)
    return slice(int(indices[0]), int(indices[-1]) + 1) if indices.size else None
