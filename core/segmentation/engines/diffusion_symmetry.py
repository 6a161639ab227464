"""The mid-sagittal plane, and the other side of the brain seen through it.

Finds the plane whose mirror image fits the brain best, starting from its centre of mass; gives every array mirrored on
its own grid. Pure; the plane lives in patient space (RAS+ mm), so orientation and obliqueness do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.imaging.volume import Affine, spacing_of
from core.segmentation.engines.diffusion_brain import Array, Bools, Brain, smooth

SEARCH_MM = 6.0  # grid of the search: fine enough for half a millimetre, small enough for a few ms per look
FIRST_STEPS = (8.0, 8.0, 6.0)  # degrees of yaw and roll, mm
HALVINGS = 6  # down to 0.1 degrees and 0.1 mm
FARTHEST = (30.0, 30.0, 25.0)  # a head is not turned further than this in a scanner
BRIGHTEST = 1.3  # of the tissue level: lesions must not pull the plane
POOR = 0.5  # below this correlation the two halves do not explain each other


@dataclass(frozen=True, eq=False)
class Midplane:
    """The plane n . (p - centre) = offset in RAS+ mm.

    Attributes:
        normal: (3,) unit vector, pointing to the patient's right.
        centre: (3,) mm, the brain's centre of mass.
        offset: mm.
        correlation: of the brain's DWI with its mirror image, where both are brain; -1..1.
    """

    normal: NDArray[np.float64]
    centre: NDArray[np.float64]
    offset: float
    correlation: float

    @property
    def equation(self) -> tuple[float, float, float, float]:
        """(nx, ny, nz, d) with n . p = d in RAS+ mm."""
        x, y, z = (float(v) for v in self.normal)
        return x, y, z, float(self.normal @ self.centre) + self.offset

    def reflection(self, affine: Affine) -> NDArray[np.float64]:
        """(4, 4): voxel index -> voxel index of the mirrored point, on the grid of `affine`."""
        return reflection(self.normal, self.centre, self.offset, affine)

    def mirror(self, data: Array, affine: Affine) -> Array:
        """The array as the other side sees it; 0 where the mirrored point is off the grid."""
        return mirror(data, self.reflection(affine))


def normal_of(yaw: float, roll: float) -> NDArray[np.float64]:
    """Unit vector near +x for two small angles in degrees."""
    y, r = np.radians(yaw), np.radians(roll)
    return np.array([np.cos(y) * np.cos(r), np.sin(y) * np.cos(r), np.sin(r)])


def reflection(
    normal: NDArray[np.float64], centre: NDArray[np.float64], offset: float, affine: Affine
) -> NDArray[np.float64]:
    """(4, 4): voxel index -> index of the point mirrored at the plane."""
    world = np.eye(4)
    world[:3, :3] -= 2.0 * np.outer(normal, normal)
    world[:3, 3] = 2.0 * normal * (normal @ centre + offset)
    return np.asarray(np.linalg.inv(affine) @ world @ affine)


def mirror(data: Array, index_map: NDArray[np.float64]) -> Array:
    """`data` looked up at the mapped index, linearly; 0 outside."""
    seen = ndimage.affine_transform(data, index_map[:3, :3], index_map[:3, 3], order=1, mode="constant", cval=0.0)
    return np.asarray(seen, dtype=np.float32)


def correlation(a: Array, b: Array) -> float:
    """Pearson's r; 0 where one is constant or there are fewer than 10 values."""
    if a.size < 10:
        return 0.0
    x, y = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    scale = float(np.sqrt((x * x).sum(dtype=np.float64) * (y * y).sum(dtype=np.float64)))
    return float((x * y).sum(dtype=np.float64)) / scale if scale > 0 else 0.0


def coarse(data: Array, affine: Affine) -> tuple[Array, Affine]:
    """Every k-th voxel of the smoothed array, about SEARCH_MM apart, with its affine."""
    spacing = spacing_of(affine)
    step = [max(1, round(SEARCH_MM / s)) for s in spacing]
    start = [k // 2 for k in step]
    picked = smooth(data, SEARCH_MM / 2.355, spacing)[start[0] :: step[0], start[1] :: step[1], start[2] :: step[2]]
    placed = affine.copy()
    placed[:3, :3] = affine[:3, :3] * np.array(step)
    placed[:3, 3] = affine[:3, 3] + affine[:3, :3] @ np.array(start, float)
    return np.ascontiguousarray(picked), placed


def find_midplane(dwi: Array, found: Brain, affine: Affine) -> Midplane:
    """Turn and shift the plane until the brain fits its mirror image best (pattern search, deterministic).

    Args:
        dwi: (X, Y, Z) float32 on the grid of `affine`.
        found: brain and tissue on the same grid.
    """
    feature = np.where(found.brain, np.clip(dwi / found.level, 0.0, BRIGHTEST), 0.0).astype(np.float32)
    small, placed = coarse(feature, affine)
    inside = coarse(found.brain.astype(np.float32), affine)[0]
    index = np.argwhere(found.brain).mean(axis=0)
    centre = affine[:3, :3] @ index + affine[:3, 3]

    def fit(at: tuple[float, float, float]) -> float:
        other = mirror(small, reflection(normal_of(at[0], at[1]), centre, at[2], placed))
        union = (inside > 0.1) | (other > 0.1)
        return correlation(small[union], other[union])

    best = (0.0, 0.0, 0.0)
    score = fit(best)
    for halving in range(HALVINGS):
        steps = [first / 2.0**halving for first in FIRST_STEPS]
        moved = True
        while moved:
            moved = False
            for axis in range(3):
                for sign in (1.0, -1.0):
                    there = list(best)
                    there[axis] += sign * steps[axis]
                    if abs(there[axis]) > FARTHEST[axis]:
                        continue
                    candidate = (there[0], there[1], there[2])
                    value = fit(candidate)
                    if value > score + 1e-6:
                        best, score, moved = candidate, value, True
    normal = normal_of(best[0], best[1])
    return Midplane(normal, centre, best[2], inner_correlation(small, inside, normal, centre, best[2], placed))


def inner_correlation(
    small: Array,
    inside: Array,
    normal: NDArray[np.float64],
    centre: NDArray[np.float64],
    offset: float,
    affine: Affine,
) -> float:
    """Correlation where both sides are brain: says whether the halves agree, not only their outlines."""
    index_map = reflection(normal, centre, offset, affine)
    both: Bools = (inside > 0.6) & (mirror(inside, index_map) > 0.6)
    return correlation(small[both], mirror(small, index_map)[both])
