"""Where the brain is in a DWI, and which of its voxels are tissue.

Pure functions on arrays of one grid; works with the skull on or off, in any intensity scale, with negative values.
Finds no lesions and knows nothing of left and right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import BadInput

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]
Spacing = tuple[float, float, float]

TISSUE_FRACTION = (
    0.45  # of the median tissue signal: CSF on a b=1000 DWI lies near 0.3, grey and white matter above 0.7
)
PEEL_MM = 3.0  # scalp and meninges are thinner than twice this, the brainstem is thicker
CLOSE_MM = 9.0  # half the width of a wide ventricle, so that closing makes it part of the brain
ROUGH_MM = 4.0  # grid for closing
DEEP_MM = 20.0  # below the skin there is neither scalp nor skull
FAT = 0.7  # of the whole head's level: a lower one in the depth says that the scalp outshines the brain
FAT_SIGNAL = 1.6  # of the brain's level: fat is brighter
SKIN_MM = 6.0
SMALLEST_ML = 50.0  # less tissue than this is not a head
NO_BRAIN = "no brain was found in the DWI"
NO_BRAIN_HINT = "check that the DWI shows a whole head and is not an ADC map"
FULL = np.ones((3, 3, 3), bool)  # 26-connectivity


@dataclass(frozen=True, eq=False)
class Brain:
    """The brain on one grid.

    Attributes:
        brain: (X, Y, Z) bool, brain with its inner CSF.
        tissue: (X, Y, Z) bool, the part that is not CSF on the DWI; a subset of brain.
        level: median DWI signal of tissue, in the image's own scale; positive.
    """

    brain: Bools
    tissue: Bools
    level: float


def smooth(data: NDArray[np.generic], sigma_mm: float, spacing: Spacing) -> Array:
    """Gaussian smoothing with a standard deviation in mm along every axis; outside counts as 0."""
    sigma = [sigma_mm / s for s in spacing]
    return np.asarray(
        ndimage.gaussian_filter(data, sigma, output=np.float32, mode="constant", truncate=3.0), dtype=np.float32
    )


def local_mean(data: Array, inside: Bools, sigma_mm: float, spacing: Spacing) -> tuple[Array, Array]:
    """Gaussian-weighted mean of `data` over `inside`, and the weight it rests on (0 = nothing near).

    Where nothing is near, the mean is 0.
    """
    weight = smooth(inside.astype(np.float32), sigma_mm, spacing)
    total = smooth(np.where(inside, data, np.float32(0)), sigma_mm, spacing)
    return np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), np.float32(0)).astype(np.float32), weight


def tissue_level(dwi: Array) -> float:
    """Median signal of brain tissue, by repeatedly taking the median of what is not background.

    Raises:
        BadInput: the image is flat or has no signal.
    """
    positive = dwi[dwi > 0]
    if positive.size < 100:
        raise BadInput("the DWI holds no signal", hint="check that the DWI is the trace image and not empty")
    floor = 0.2 * float(np.percentile(positive, 95))
    level = floor
    for _ in range(4):
        level = float(np.median(positive[positive > floor])) if (positive > floor).any() else 0.0
        floor = TISSUE_FRACTION * level
    if not level > 0 or float(positive.max() - positive.min()) < 1e-3 * level:
        raise BadInput("the DWI has no contrast", hint="check that the DWI is the trace image and not a mask")
    return level


def below_skin(dwi: Array, level: float, spacing: Spacing) -> Array:
    """Depth of every voxel in the head in mm, 0 outside; the field of view's own border is no skin."""
    head = ndimage.binary_fill_holes(np.pad(dwi > 0.1 * level, 1))[1:-1, 1:-1, 1:-1]
    depth = ndimage.distance_transform_edt(np.pad(head, 1, mode="edge"), sampling=spacing)
    return np.asarray(depth[1:-1, 1:-1, 1:-1], dtype=np.float32)


def deep_level(dwi: Array, level: float, spacing: Spacing) -> float:
    """`tissue_level` of what lies deep in the head, from every k-th voxel; `level` itself where nothing does."""
    step = [max(1, round(ROUGH_MM / s)) for s in spacing]
    rough = dwi[:: step[0], :: step[1], :: step[2]]
    x, y, z = (s * k for s, k in zip(spacing, step, strict=True))
    deep = rough[below_skin(rough, level, (x, y, z)) > DEEP_MM]
    return tissue_level(deep) if np.count_nonzero(deep > 0) >= 1000 else level


def fat_of(dwi: Array, level: float, spacing: Spacing) -> Bools:
    """What outshines the brain and hangs together with the skin; an infarct does not, for the skull lies between."""
    labels, count = ndimage.label(dwi > FAT_SIGNAL * level)
    depth = below_skin(dwi, level, spacing)
    skin = np.zeros(count + 1, bool)
    skin[np.unique(labels[(depth > 0) & (depth <= SKIN_MM)])] = True
    skin[0] = False
    return np.asarray(skin[labels], dtype=np.bool_)


def grow_within(core: Bools, limit: Bools, reach_mm: float, spacing: Spacing) -> Bools:
    """Voxels of `limit` within reach of `core`."""
    near = ndimage.distance_transform_edt(~core, sampling=spacing) <= reach_mm
    return np.asarray(near & limit, dtype=np.bool_)


def close(mask: Bools, radius_mm: float, spacing: Spacing) -> Bools:
    """Morphological closing with a ball in mm."""
    pad = [int(np.ceil(radius_mm / s)) + 1 for s in spacing]
    padded = np.pad(mask, [(p, p) for p in pad])
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing) <= radius_mm
    closed = ndimage.distance_transform_edt(grown, sampling=spacing) > radius_mm
    inner = tuple(slice(p, -p) for p in pad)
    return np.asarray(closed[inner] | mask, dtype=np.bool_)


def close_roughly(mask: Bools, radius_mm: float, spacing: Spacing) -> Bools:
    """`close` on every k-th voxel, about ROUGH_MM apart: an eighth of the work where nobody needs the exact border."""
    step = [max(1, round(ROUGH_MM / s)) for s in spacing]
    rough = mask[:: step[0], :: step[1], :: step[2]]
    x, y, z = (s * k for s, k in zip(spacing, step, strict=True))
    closed = close(rough, radius_mm, (x, y, z))
    for axis, k in enumerate(step):
        closed = np.repeat(closed, k, axis=axis)
    return np.asarray(closed[: mask.shape[0], : mask.shape[1], : mask.shape[2]] | mask, dtype=np.bool_)


def main_parts(mask: Bools, fraction: float) -> Bools:
    """The largest 6-connected part and every other one of at least `fraction` of its size."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= fraction * sizes.max())[labels] & mask, dtype=np.bool_)


def find_brain(dwi: Array, spacing: Spacing) -> Brain:
    """Find brain and tissue in a DWI.

    Args:
        dwi: (X, Y, Z) float32, any positive scale; background near 0 or exactly 0.
        spacing: mm along each stored axis.

    Raises:
        BadInput: no signal, or less than SMALLEST_ML of it in one piece.
    """
    level = tissue_level(dwi)
    deep = deep_level(dwi, level, spacing)
    if deep < FAT * level:
        level = deep
        dwi = np.where(fat_of(dwi, level, spacing), np.float32(0), dwi)
    bright = smooth(dwi, 0.8, spacing) > TISSUE_FRACTION * level
    if not bright.any():
        raise BadInput(NO_BRAIN, hint=NO_BRAIN_HINT)
    margin_mm = CLOSE_MM + 2.0 * max(spacing)
    box = bounding_box(bright, [int(np.ceil(margin_mm / s)) for s in spacing])
    brain, tissue = np.zeros(dwi.shape, bool), np.zeros(dwi.shape, bool)
    tissue[box] = peel(bright[box], spacing)
    if np.count_nonzero(tissue) * float(np.prod(spacing)) / 1000.0 < SMALLEST_ML:
        raise BadInput(NO_BRAIN, hint=NO_BRAIN_HINT)
    brain[box] = close_roughly(tissue[box], CLOSE_MM, spacing)
    return Brain(brain, tissue, float(np.median(dwi[tissue])))


def peel(bright: Bools, spacing: Spacing) -> Bools:
    """Brain tissue without scalp and meninges: thin shells do not survive peeling, the brain grows back."""
    # Thick slices keep their outermost slice: peeling stops at the field of view's own border.
    padded = np.pad(bright, 1, mode="edge")
    deep = (ndimage.distance_transform_edt(padded, sampling=spacing) > PEEL_MM)[1:-1, 1:-1, 1:-1]
    return grow_within(main_parts(deep, 0.1), bright, PEEL_MM + max(1.0, min(spacing)), spacing)


def bounding_box(mask: Bools, margin: Sequence[int]) -> tuple[slice, slice, slice]:
    """Smallest box around a mask that is not empty, widened by `margin` voxels per axis within the array."""
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(0, int(hit[0]) - margin[axis]), min(mask.shape[axis], int(hit[-1]) + 1 + margin[axis])))
    return box[0], box[1], box[2]
