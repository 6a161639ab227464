"""The metrics once more, slowly and from their definitions: sets of voxel tuples, floods, all pairs of distances.

Shares no code and no library call with core.evaluation, so that both are unlikely to be wrong in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Voxel = tuple[int, int, int]
Lesion = frozenset[Voxel]
Match = tuple[float, Lesion, Lesion]  # IoU, predicted, true

_FACES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
_AROUND = tuple(step for step in product((-1, 0, 1), repeat=3) if step != (0, 0, 0))


def voxels(mask: NDArray[np.bool_]) -> set[Voxel]:
    return {index for index in np.ndindex(mask.shape) if mask[index]}


def _step(voxel: Voxel, step: Sequence[int]) -> Voxel:
    return voxel[0] + step[0], voxel[1] + step[1], voxel[2] + step[2]


def lesions(mask: NDArray[np.bool_]) -> list[Lesion]:
    left, found = voxels(mask), []
    while left:
        flood = [left.pop()]
        lesion = set(flood)
        while flood:
            here = flood.pop()
            near = {_step(here, step) for step in _AROUND} & left
            left -= near
            lesion |= near
            flood.extend(near)
        found.append(frozenset(lesion))
    return found


def f1(hits: int, spurious: int, missed: int) -> float:
    return 1.0 if hits == spurious == missed == 0 else hits / (hits + 0.5 * (spurious + missed))


def f1_isles22(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    p, t = voxels(prediction), voxels(truth)
    true, predicted = lesions(truth), lesions(prediction)
    hits = sum(1 for lesion in true if lesion & p)
    return f1(hits, sum(1 for lesion in predicted if not lesion & t), len(true) - hits)


def f1_isles24_all(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], iou: float) -> set[float]:
    """Every value that greedy matching may give, over all orders of pairs with equal IoU."""
    true, predicted = lesions(truth), lesions(prediction)
    pairs = [
        (len(p & t) / len(p | t), p, t) for p in predicted for t in true if p & t and len(p & t) / len(p | t) >= iou
    ]
    counts = {0}
    for group in _rivals(pairs):
        counts = {one + other for one in counts for other in _matches(group)}
    return {f1(n, len(predicted) - n, len(true) - n) for n in counts}


def _rivals(pairs: list[Match]) -> list[list[Match]]:
    """The pairs in groups that share no lesion, so that each group can be matched alone."""
    left, groups = list(pairs), []
    while left:
        group = [left.pop()]
        for member in group:  # grows while it is walked
            near = [pair for pair in left if pair[1] == member[1] or pair[2] == member[2]]
            left = [pair for pair in left if pair not in near]
            group += near
        groups.append(group)
    return groups


def _matches(open_pairs: list[Match]) -> set[int]:
    """Every number of matches of one group."""
    if not open_pairs:
        return {0}
    best = max(quality for quality, _, _ in open_pairs)
    counts: set[int] = set()
    for quality, p, t in open_pairs:
        if quality == best:
            counts |= {1 + n for n in _matches([q for q in open_pairs if q[1] != p and q[2] != t])}
    return counts


def surface(mask: NDArray[np.bool_]) -> list[Voxel]:
    inside = voxels(mask)
    return sorted(v for v in inside if any(_step(v, step) not in inside for step in _FACES))


def nearest_mm(source: Iterable[Voxel], target: Sequence[Voxel], affine: NDArray[np.float64]) -> list[float]:
    def place(v: Voxel) -> list[float]:
        return [sum(affine[row, axis] * v[axis] for axis in range(3)) + affine[row, 3] for row in range(3)]

    goals = [place(v) for v in target]
    return [min(math.dist(place(v), goal) for goal in goals) for v in source]


def percentile95(values: Iterable[float]) -> float:
    ordered = sorted(values)
    rank = 0.95 * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (rank - low) * (ordered[high] - ordered[low])


def hd95(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    p, t = surface(prediction), surface(truth)
    return max(percentile95(nearest_mm(p, t, affine)), percentile95(nearest_mm(t, p, affine)))


def surface_dice(
    prediction: NDArray[np.bool_], truth: NDArray[np.bool_], affine: NDArray[np.float64], tolerance_mm: float
) -> float:
    p, t = surface(prediction), surface(truth)
    distances = nearest_mm(p, t, affine) + nearest_mm(t, p, affine)
    return sum(1 for d in distances if d <= tolerance_mm + 1e-4) / len(distances)
