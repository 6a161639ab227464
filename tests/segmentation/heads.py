"""Small synthetic heads for the tests of the segmentation: made once per test run, on grids of any orientation."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.imaging.phantom import Lesion, PhantomCase, head
from core.imaging.volume import Affine, Mask, Volume

SHAPE, SPACING = (66, 76, 34), (2.9, 2.9, 4.3)
TERRITORY = Lesion((-42, -5, 20), (20, 28, 24))
EMBOLUS = Lesion((25, -40, 30), (6, 6, 6))


def centred(shape: tuple[int, int, int] = SHAPE, spacing: tuple[float, float, float] = SPACING) -> Affine:
    """An upright RAS grid around (0, 0, 0)."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


@cache
def sick() -> PhantomCase:
    """A territorial infarct on the left and an embolus on the right."""
    return head(SHAPE, centred(), 3, (TERRITORY, EMBOLUS))


@cache
def healthy() -> PhantomCase:
    """No lesion."""
    return head(SHAPE, centred(), 4)


def pair(case: PhantomCase) -> dict[str, Volume]:
    """DWI and ADC."""
    return {"dwi": case.images["dwi"], "adc": case.images["adc"]}


def scaled(volume: Volume, factor: float) -> Volume:
    """The same image in another unit."""
    return Volume((volume.data * np.float32(factor)).astype(np.float32), volume.affine)


def turned(volume: Volume, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """The same image stored with other axes: voxels and affine change, the patient does not."""
    data, affine = volume.data.transpose(axes), volume.affine[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
            affine[:3, axis] *= -1
            data = np.flip(data, axis)
    return Volume(np.ascontiguousarray(data), affine)


def back(mask: NDArray[np.bool_], axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> NDArray[np.bool_]:
    """Undo `turned` for an array."""
    flipped = np.flip(mask, tuple(axis for axis, flip in enumerate(flips) if flip))
    return np.asarray(flipped.transpose(np.argsort(axes)), dtype=np.bool_)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Overlap of two arrays; 1 when both are empty."""
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else 1.0


def overlap(a: Mask, b: Mask) -> float:
    """Overlap of two masks on one grid."""
    return dice(a.data, b.data)
