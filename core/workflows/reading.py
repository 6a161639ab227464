"""Reading: what a finished result says at another threshold or a larger smallest lesion, without running its engine.

Pure and quick enough for a slider: `curves` hold volume, core and Dice of every threshold from histograms made once,
`at` labels only the box in which anything can change. Reads no files (reading_files.py) and draws nothing. Surface
distances are not part of it: they take a process of their own (segment_case.score).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import BadParameter
from core.evaluation.components import Bools, Box, LesionOverlap, bounding_box
from core.evaluation.metrics import f1_isles22, f1_isles24
from core.imaging.geometry import world
from core.imaging.volume import Affine, voxel_ml_of
from core.segmentation.lesions import MOST_ROWS, largest_diameter, side
from core.segmentation.results import LesionRow

FULL = 255  # level of probability 1: as results store it
LOWEST = 0.02  # thresholds below would make a lesion of the whole head
TOUCHING = np.ones((3, 3, 3), np.bool_)
MidPlane = tuple[float, float, float, float]


@dataclass(frozen=True)
class Against:
    """A mask held against the truth, without its surfaces; definitions in core.evaluation.records."""

    dice: float
    volume_truth_ml: float
    avd_ml: float
    lesion_count_difference: int
    lesion_f1_isles22: float
    lesion_f1_isles24: float


@dataclass(frozen=True, eq=False)
class Curves:
    """What each threshold L / 255 gives without a smallest lesion, (256,) each: ml, ml, 0..1; None where unknown."""

    volume_ml: NDArray[np.float64]
    core_volume_ml: NDArray[np.float64] | None
    dice: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class View:
    """The result at one threshold and one smallest lesion.

    Attributes:
        threshold: the mask is where the probability is at least this.
        minimum_ml: smaller parts (26-connected) are left out.
        labels: parts of the mask within the reading's box, 1..n, axes as there.
        sizes: (n,) voxels of each part.
        volume_ml, core_volume_ml: ml; core None if the result has none or there is no ADC.
        lesion_count: parts that were kept.
        left_out: parts that were too small.
        against: None without a truth.
    """

    threshold: float
    minimum_ml: float
    labels: NDArray[np.int32]
    sizes: NDArray[np.int64]
    volume_ml: float
    core_volume_ml: float | None
    lesion_count: int
    left_out: int
    against: Against | None

    @property
    def inside(self) -> Bools:
        """The mask within the box."""
        return self.labels > 0


@dataclass(frozen=True, eq=False)
class Reading:
    """One result, opened. All arrays are the box alone, (Z, Y, X) and C-ordered, as files lie in memory.

    Attributes:
        shape, affine: of the whole grid.
        box: (x, y, z), where anything can change: probability of at least LOWEST, the mask, or the truth.
        levels: probability in steps of 1/255; without a probability FULL in the mask.
        own: the engine's own mask.
        low: voxels whose ADC counts as core, or None.
        truth: or None.
        adc: the ADC image within the box, or None; `adc_scale` brings it to 1e-6 mm2/s.
        threshold: the engine's own.
        graded: there is a probability, so that the threshold can be moved.
    """

    shape: tuple[int, int, int]
    affine: Affine
    box: Box
    levels: NDArray[np.uint8]
    own: Bools
    low: Bools | None
    truth: Bools | None
    adc: NDArray[np.float32] | None
    adc_scale: float | None
    midplane: MidPlane | None
    threshold: float
    graded: bool

    @property
    def voxel_ml(self) -> float:
        """Millilitres of a voxel."""
        return voxel_ml_of(self.affine)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds, the labels of the truth included."""
        arrays = (self.levels, self.own, self.low, self.truth, self.adc)
        labels = 0 if self.truth is None else 4 * self.truth.size
        return sum(0 if array is None else array.nbytes for array in arrays) + labels

    @cached_property
    def curves(self) -> Curves:
        """Volume, core and Dice over all thresholds."""
        total = _at_least(self.levels)
        core = None if self.low is None else _at_least(self.levels[self.low]) * self.voxel_ml
        dice = None
        if self.truth is not None:
            both = total + np.count_nonzero(self.truth)
            dice = np.where(both > 0, 2 * _at_least(self.levels[self.truth]) / np.maximum(both, 1), 1.0)
        return Curves(total * self.voxel_ml, core, dice)

    @cached_property
    def _true(self) -> tuple[NDArray[np.int32], NDArray[np.int64]] | None:
        return None if self.truth is None else _parts(self.truth)

    def mask_at(self, threshold: float) -> Bools:
        """The mask within the box; the engine's own at its own threshold.

        Raises:
            BadParameter: not a threshold, or another one where there is no probability.
        """
        if threshold == self.threshold:
            return self.own
        if not self.graded:
            raise BadParameter("this result has no probability", hint="its mask cannot be moved by a threshold")
        if not LOWEST <= threshold <= 1:
            raise BadParameter(f"threshold = {threshold:g} is out of range", hint=f"choose {LOWEST:g} to 1")
        return np.asarray(self.levels >= math.ceil(threshold * FULL - 1e-6))

    def at(self, threshold: float | None = None, minimum_ml: float = 0.0) -> View:
        """The result at this threshold (None: the engine's own), without parts smaller than `minimum_ml`.

        Raises:
            BadParameter: as `mask_at`; or a smallest lesion below zero.
        """
        if not (math.isfinite(minimum_ml) and minimum_ml >= 0):
            raise BadParameter(f"{minimum_ml:g} ml is no smallest lesion", hint="choose 0 ml or more")
        at = self.threshold if threshold is None else threshold
        mask = self.mask_at(at)
        labels, sizes = _parts(mask)
        keep = sizes * self.voxel_ml >= minimum_ml * (1 - 1e-9)
        left_out = int(np.count_nonzero(~keep))
        if left_out:
            renamed = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
            labels, sizes = renamed[labels], sizes[keep]
            mask = labels > 0
        core = None if self.low is None else float(np.count_nonzero(mask & self.low)) * self.voxel_ml
        volume = float(sizes.sum()) * self.voxel_ml
        against = self._against(labels, sizes, mask)
        return View(at, minimum_ml, labels, sizes, volume, core, len(sizes), left_out, against)

    def rows(self, view: View, most: int = MOST_ROWS) -> tuple[LesionRow, ...]:
        """The view's lesions, measured as the worker measures them; the largest where there are more than `most`."""
        places = ndimage.find_objects(view.labels)
        order = np.argsort(-view.sizes, kind="stable")[:most]
        return tuple(self._row(rank, int(i) + 1, places[i], view) for rank, i in enumerate(order, start=1))

    def _row(self, rank: int, label: int, place: tuple[slice, slice, slice], view: View) -> LesionRow:
        part = view.labels[place] == label
        start = [own.start + outer.start for own, outer in zip(place[::-1], self.box, strict=True)]
        index = np.argwhere(part)[:, ::-1] + np.array(start)
        gaps = (index - index.mean(axis=0)) @ self.affine[:3, :3].T
        centre = world(self.affine, index[np.argmin((gaps**2).sum(axis=1))])
        mean = None
        if self.adc is not None and self.adc_scale is not None:
            values = self.adc[place][part]
            values = values[values > 0]
            mean = float(values.mean(dtype=np.float64)) * self.adc_scale if values.size else None
        ends = part.copy()  # of each line of voxels: no other voxel can be the farthest in any direction
        ends[..., 1:-1] &= ~(part[..., :-2] & part[..., 2:])
        return LesionRow(
            index=rank,
            side=side(centre, self.midplane),
            volume_ml=float(view.sizes[label - 1]) * self.voxel_ml,
            centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
            max_diameter_mm=largest_diameter(world(self.affine, np.argwhere(ends)[:, ::-1] + np.array(start))),
            mean_adc=mean,
        )

    def whole(self, inside: NDArray[Any]) -> NDArray[Any]:
        """Values of the box on the whole grid, zero outside, first axis fastest as files have it."""
        full = np.zeros(self.shape, inside.dtype, order="F")
        full[self.box] = inside.T
        return full

    def _against(self, labels: NDArray[np.int32], sizes: NDArray[np.int64], mask: Bools) -> Against | None:
        if self.truth is None or self._true is None:
            return None
        true_labels, true_sizes = self._true
        shared = self.truth & mask
        keys = (labels[shared].astype(np.int64) - 1) * max(len(true_sizes), 1) + true_labels[shared] - 1
        pairs, counts = np.unique(keys, return_counts=True)
        overlap = LesionOverlap(
            sizes, true_sizes, np.stack(np.divmod(pairs, max(len(true_sizes), 1)), axis=1), counts.astype(np.int64)
        )
        predicted, true = int(sizes.sum()), int(true_sizes.sum())
        return Against(
            dice=2.0 * int(counts.sum()) / (predicted + true) if predicted + true else 1.0,
            volume_truth_ml=true * self.voxel_ml,
            avd_ml=abs(predicted - true) * self.voxel_ml,
            lesion_count_difference=abs(len(sizes) - len(true_sizes)),
            lesion_f1_isles22=f1_isles22(overlap),
            lesion_f1_isles24=f1_isles24(overlap),
        )


def _at_least(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.bincount(levels.ravel(), minlength=FULL + 1).astype(np.float64)
    return np.asarray(counts[::-1].cumsum()[::-1])


def _parts(mask: Bools) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Labels 1..n within the mask and the voxels of each."""
    labels: NDArray[np.int32] = np.zeros(mask.shape, np.int32)
    box = bounding_box(mask)
    if box is None:
        return labels, np.zeros(0, np.int64)
    labels[box], count = ndimage.label(mask[box], structure=TOUCHING, output=np.int32)
    return labels, np.bincount(labels[mask], minlength=count + 1)[1:].astype(np.int64)
