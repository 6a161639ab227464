"""Part sizes: where each part of a mask lies, how long it is, and the mean of an image in it, the largest part first.

All parts at once where numpy can. Knows neither sides nor units of the image (reading.py), and labels nothing
(parts.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.evaluation.components import Bools
from core.imaging.geometry import world
from core.imaging.volume import Affine
from core.segmentation.lesions import largest_diameter
from core.workflows.parts import Ints, Parts

Floats = NDArray[np.float64]
NEAR = 1e-9  # squared distances that differ by less are one, and the first voxel is taken


@dataclass(frozen=True, eq=False)
class Size:
    """One part.

    Attributes:
        voxels: how many.
        centre: (3,) RAS+ mm, the voxel of the part that is nearest to its mean.
        diameter_mm: largest distance between two of its voxels.
        mean: of the image's positive values in it; None without an image or without such values.
    """

    voxels: int
    centre: Floats
    diameter_mm: float
    mean: float | None


def measured(
    parts: Parts, corner: tuple[int, int, int], affine: Affine, image: NDArray[np.float32] | None, most: int
) -> tuple[Size, ...]:
    """The parts, the largest first; of more than `most` the largest.

    Args:
        corner: (x, y, z) of the box's first voxel in the grid that `affine` belongs to.
        image: on the box, or None.
    """
    order = np.argsort(-parts.sizes, kind="stable")[:most]
    if order.size == 0:
        return ()
    means = _means(parts, image)
    rank = np.full(len(parts.sizes), order.size)
    rank[order] = np.arange(order.size)
    lines = np.argsort(rank[parts.of_line], kind="stable")  # those of the largest part first, each part in a row
    counts = np.bincount(rank[parts.of_line], minlength=order.size)[: order.size]
    lines = lines[: counts.sum()]
    first = np.cumsum(counts) - counts
    z, y, x = (axis[lines] + start for axis, start in zip(parts.places(), corner[::-1], strict=True))
    lengths = parts.lengths[lines]
    centres = _centres(np.stack([x, y, z], axis=1), lengths, first, counts, affine)
    diameters = _diameters(np.stack([x, y, z], axis=1), lengths, first, counts, affine)
    return tuple(
        Size(int(parts.sizes[part]), centres[i], diameters[i], None if means is None else _known(means[part]))
        for i, part in enumerate(order)
    )


def _means(parts: Parts, image: NDArray[np.float32] | None) -> Floats | None:
    """(n,) mean of the positive values in each part, NaN where there are none."""
    if image is None:
        return None
    values = image.reshape(-1)[parts.voxels]
    positive: Bools = values > 0
    inside = parts.of_voxel[positive]
    sums = np.bincount(inside, weights=values[positive], minlength=len(parts.sizes))
    counts = np.bincount(inside, minlength=len(parts.sizes))
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _centres(begin: Ints, lengths: Ints, first: Ints, counts: Ints, affine: Affine) -> Floats:
    """(n, 3) mm of the voxel of each part that is nearest to the part's mean.

    Args:
        begin: (L, 3) index of each line's first voxel; part i has `counts[i]` lines from `first[i]` on.
    """
    sums = begin * lengths[:, None]
    sums[:, 0] += lengths * (lengths - 1) // 2
    sizes = np.add.reduceat(lengths, first)
    mean = np.add.reduceat(sums, first) / sizes[:, None]
    step = affine[:3, 0]
    gap = (begin - np.repeat(mean, counts, axis=0)) @ affine[:3, :3].T
    nearest = np.ceil(-(gap @ step) / (step @ step) - 0.5 - NEAR)  # along the line; of two the first
    along = np.clip(nearest, 0, lengths - 1)
    squared = ((gap + along[:, None] * step) ** 2).sum(axis=1)
    least = np.minimum.reduceat(squared, first)
    hit = np.flatnonzero(squared <= np.repeat(least * (1 + NEAR) + NEAR, counts))
    owner = np.repeat(np.arange(len(counts)), counts)[hit]
    chosen = hit[np.searchsorted(owner, np.arange(len(counts)))]
    index = begin[chosen].astype(np.float64)
    index[:, 0] += along[chosen]
    return world(affine, index)


def _diameters(begin: Ints, lengths: Ints, first: Ints, counts: Ints, affine: Affine) -> list[float]:
    """Largest distance within each part: no voxel but a line's ends can be the farthest in any direction."""
    ends = np.repeat(begin, 2, axis=0)
    ends[1::2, 0] += lengths - 1
    real = np.ones(len(ends), np.bool_)
    real[1::2] = lengths > 1
    points = world(affine, ends[real])
    stop = np.cumsum(np.add.reduceat(1 + (lengths > 1), first))
    begins = np.concatenate([[0], stop[:-1]])
    return [
        0.0 if end - start == 1 else largest_diameter(points[start:end])
        for start, end in zip(begins.tolist(), stop.tolist(), strict=True)
    ]
