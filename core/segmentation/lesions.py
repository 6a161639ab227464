"""Lesions: a mask measured part by part. Writes nothing and compares with no truth."""

from __future__ import annotations

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
    labels, _ = ndimage.label(mask.data[box], CONNECTIVITY)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    places = ndimage.find_objects(labels)
    known = adc is not None and adc_scale is not None and adc.data.shape == mask.data.shape
    values = adc.data[box] if adc is not None and known else None
    rows = []
    for rank, label in enumerate(np.argsort(-sizes, kind="stable")[: min(len(places), MOST_ROWS)], start=1):
        local = places[label - 1]
        part = labels[local] == label
        start = [b.start + s.start for b, s in zip(box, local, strict=True)]
        points = world(mask.affine, np.argwhere(part) + np.array(start))
        inside = values[local][part] if values is not None else np.empty(0, np.float32)
        inside = inside[inside > 0]
        mean = float(inside.mean(dtype=np.float64)) * float(adc_scale or 0) if inside.size else None
        rows.append(_row(rank, points, float(sizes[label]) * mask.voxel_ml, mean, midplane))
    return tuple(rows)


def _row(
    rank: int,
    points: NDArray[np.float64],
    volume_ml: float,
    mean_adc: float | None,
    midplane: tuple[float, float, float, float] | None,
) -> LesionRow:
    centre = points[np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))]
    return LesionRow(
        index=rank,
        side=side(centre, midplane),
        volume_ml=volume_ml,
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        max_diameter_mm=largest_diameter(points),
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
    if len(points) > DIRECTIONS:
        k = np.arange(DIRECTIONS) + 0.5
        height, turn = 1 - 2 * k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
        flat = np.sqrt(1 - height**2)
        directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), height])
        extremes = {int(np.argmax(points @ directions[:, i])) for i in range(DIRECTIONS)}
        points = points[sorted(extremes)]
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
