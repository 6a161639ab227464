"""Where voxels lie in the patient.

World coordinates are RAS+ in mm: x grows to the patient's right, y to the front, z to the head. Does not move images
(resample.py) or read files (nifti.py).
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.imaging.volume import Affine, check_grid, spacing_of

Shape = tuple[int, int, int]
Floats = NDArray[np.float32]

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def world(affine: Affine, ijk: ArrayLike) -> NDArray[np.float64]:
    """RAS+ mm, (..., 3), of voxel indices (..., 3); the index of a voxel's centre is whole."""
    index = np.asarray(ijk, dtype=np.float64)
    return index @ affine[:3, :3].T + affine[:3, 3]


def side_of(x_mm: float) -> str:
    """The patient's "left" (x < 0 in RAS+) or "right"."""
    return "left" if x_mm < 0 else "right"


def orientation(affine: Affine) -> str:
    """Where the stored axes point, e.g. "LAS": the nearest of the patient's axes for each, every axis named once."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order = max(permutations(range(3)), key=lambda p: sum(abs(cosines[p[axis], axis]) for axis in range(3)))
    return "".join(_LETTERS[row][int(cosines[row, axis] > 0)] for axis, row in enumerate(order))


def corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(8, 3) indices of the outermost voxels of a grid."""
    return np.array(list(product(*((0, n - 1) for n in shape[:3]))), dtype=np.float64)


def same_grid(
    a_shape: tuple[int, ...],
    a_affine: Affine,
    b_shape: tuple[int, ...],
    b_affine: Affine,
    tolerance_mm: float = 0.1,
) -> bool:
    """Whether two images have equal shapes (first three axes) and corners closer than the tolerance."""
    if tuple(a_shape[:3]) != tuple(b_shape[:3]):
        return False
    ends = corners(a_shape)
    gaps = np.linalg.norm(world(a_affine, ends) - world(b_affine, ends), axis=1)
    return bool(gaps.max() <= tolerance_mm)


def working_grid(shape: tuple[int, ...], affine: Affine, spacing_mm: float = 2.0) -> tuple[Shape, Affine]:
    """A coarser grid over exactly the same field of view: axes as stored, voxels near `spacing_mm`, never finer."""
    check_grid(shape, affine)
    spacing = spacing_of(affine)
    small = tuple(max(1, min(n, round(n * s / spacing_mm))) for n, s in zip(shape, spacing, strict=True))
    ratio = np.array([n / m for n, m in zip(shape, small, strict=True)])
    coarse = np.eye(4)
    coarse[:3, :3] = affine[:3, :3] * ratio
    coarse[:3, 3] = world(affine, (ratio - 1) / 2)  # centre of the first coarse voxel
    return (small[0], small[1], small[2]), coarse
