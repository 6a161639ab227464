"""Lesions: a mask measured part by part. Writes nothing and compares with no truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.imaging.geometry import side_of, world
from core.imaging.volume import Mask, Volume
from core.segmentation.results import LesionRow

CONNECTIVITY = np.ones((3, 3, 3), bool)  # 26 neighbours, as ISLES'22 counts lesions
MIDLINE_MM = 3.0  # nearer to the mid-plane than this is neither side
DIRECTIONS = 200  # for the largest diameter: the error is below 1 %
MOST_ROWS = 1000  # measured one by one; a mask of noise has ten thousands of parts, which nobody reads
CHUNK = 2**16  # voxels that are looked at at a time
SLABS = 16  # in which the parts are counted, so that the counting takes little memory beside them


def count_lesions(mask: Mask) -> int:
    """All 26-connected parts of a mask."""
    box = _box(mask.data)
    return 0 if box is None else int(ndimage.label(mask.data[box], CONNECTIVITY)[1])


def lesion_rows(
    mask: Mask,
    adc: Volume | None = None,
    adc_scale: float | None = None,
    midplane: tuple[float, float, float, float] | None = None,
) -> tuple[LesionRow, ...]:
    """Measure each lesion of a mask, the largest first; of more than MOST_ROWS the largest.

    Args:
        adc: on the mask's grid, or None.
        adc_scale: brings it to 1e-6 mm2/s; without it there is no mean ADC.
        midplane: (nx, ny, nz, d) with n . p = d in RAS+ mm, n to the patient's right; None for x = 0.
    """
    box = _box(mask.data)
    if box is None:
        return ()
    labels, count = ndimage.label(mask.data[box], CONNECTIVITY)
    sizes = _keep_largest(labels, count)
    places = ndimage.find_objects(labels)
    known = adc is not None and adc_scale is not None and adc.data.shape == mask.data.shape
    values = adc.data[box] if adc is not None and known else None
    rows = []
    for rank, local in enumerate(places, start=1):
        part = labels[local] == rank
        start = [b.start + s.start for b, s in zip(box, local, strict=True)]
        inside = values[local][part] if values is not None else np.empty(0, np.float32)
        inside = inside[inside > 0]
        mean = float(inside.mean(dtype=np.float64)) * float(adc_scale or 0) if inside.size else None
        rows.append(_row(rank, _Part(part, start, mask.affine), float(sizes[rank - 1]) * mask.voxel_ml, mean, midplane))
    return tuple(rows)


def _outermost(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The farthest of (n, 3) points in each of DIRECTIONS, or all of few."""
    if len(points) <= DIRECTIONS:
        return points
    k = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - 2 * k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - height**2)
    directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), height])
    extremes = {int(np.argmax(points @ directions[:, i])) for i in range(DIRECTIONS)}
    return points[sorted(extremes)]


def _keep_largest(labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Number the MOST_ROWS largest of `count` parts by size, 1 the largest, and blank the others; voxels of each.

    Works in place and slab by slab: a mask of noise has as many parts as voxels of lesion.
    """
    slabs = np.array_split(labels, SLABS)
    sizes = np.zeros(count + 1, np.int32)
    for slab in slabs:
        sizes += np.bincount(slab.ravel(), minlength=count + 1)
    sizes[0] = 0
    least = np.partition(sizes, -MOST_ROWS)[-MOST_ROWS] if count > MOST_ROWS else 1
    large = np.flatnonzero(sizes >= least)
    order = large[np.argsort(-sizes[large], kind="stable")[:MOST_ROWS]]
    ranks = np.zeros(count + 1, np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    for slab in slabs:
        slab[...] = ranks[slab]
    return sizes[order]


@dataclass(frozen=True)
class _Part:
    """One lesion: its voxels (bool) from `start` on in the image's grid. A mask of noise is one huge sponge."""

    voxels: NDArray[np.bool_]
    start: Sequence[int]
    affine: NDArray[np.float64]

    def points(self) -> Iterator[NDArray[np.float64]]:
        """Centres of its voxels in RAS+ mm, (n, 3) at a time."""
        step = max(1, CHUNK // max(1, self.voxels[0].size))
        for first in range(0, len(self.voxels), step):
            found = np.argwhere(self.voxels[first : first + step])
            if len(found):
                yield world(self.affine, found + np.array(self.start) + np.array([first, 0, 0]))


def _row(
    rank: int,
    part: _Part,
    volume_ml: float,
    mean_adc: float | None,
    midplane: tuple[float, float, float, float] | None,
) -> LesionRow:
    total, count, outer = np.zeros(3), 0, []
    for points in part.points():
        total, count = total + points.sum(axis=0), count + len(points)
        outer.append(_outermost(points))
    middle = total / count
    nearest = [points[np.argmin(((points - middle) ** 2).sum(axis=1))] for points in part.points()]
    centre = min(nearest, key=lambda point: float(((point - middle) ** 2).sum()))
    return LesionRow(
        index=rank,
        side=side(centre, midplane),
        volume_ml=volume_ml,
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        max_diameter_mm=largest_diameter(np.concatenate(outer)),
        mean_adc=mean_adc,
    )


def side(point: NDArray[np.float64], midplane: tuple[float, float, float, float] | None) -> str:
    """The patient's "left" or "right" of the mid-plane, "midline" within MIDLINE_MM; by x alone without a plane."""
    if midplane is None:
        return side_of(float(point[0]))
    distance = float(np.dot(midplane[:3], point)) - midplane[3]
    if abs(distance) < MIDLINE_MM:
        return "midline"
    return "right" if distance > 0 else "left"


def largest_diameter(points: NDArray[np.float64]) -> float:
    """Largest distance within (n, 3) points, from the extremes in DIRECTIONS evenly spread directions."""
    points = _outermost(points)
    gaps = points[:, None, :] - points[None, :, :]
    return float(np.sqrt((gaps**2).sum(axis=-1).max()))


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if hit.size == 0:
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)
