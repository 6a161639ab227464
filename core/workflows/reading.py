"""Reading: what a finished result says at another threshold or a larger smallest lesion, without running its engine.

Pure and quick enough for a slider: beside one look for the mask's voxels, work follows the mask and not its box
(parts.py). Reads no files (reading_files.py) and draws nothing. Surface distances are not part of it: they take a
process of their own (segment_case.score).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.errors import BadParameter
from core.evaluation.components import Bools, Box, LesionOverlap
from core.evaluation.metrics import f1_isles22, f1_isles24
from core.imaging.volume import Affine, voxel_ml_of
from core.segmentation.lesions import MOST_ROWS, side
from core.segmentation.results import LesionRow
from core.workflows.part_sizes import measured
from core.workflows.parts import Ints, Parts, parts_of

FULL = 255  # level of probability 1: as results store it
LOWEST = 0.02  # thresholds below would make a lesion of the whole head
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
class View:
    """The result at one threshold and one smallest lesion.

    Attributes:
        threshold: the mask is where the probability is at least this.
        minimum_ml: smaller parts (26-connected) are left out.
        parts: of the mask, within the reading's box.
        volume_ml, core_volume_ml: ml; core None if the result has none or there is no ADC.
        lesion_count: parts that were kept.
        left_out: parts that were too small.
        against: None without a truth.
    """

    threshold: float
    minimum_ml: float
    parts: Parts
    volume_ml: float
    core_volume_ml: float | None
    lesion_count: int
    left_out: int
    against: Against | None


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

    @cached_property
    def voxel_ml(self) -> float:
        """Millilitres of a voxel."""
        return voxel_ml_of(self.affine)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds, the parts of the truth included."""
        arrays = (self.levels, self.own, self.low, self.truth, self.adc)
        parts = 0 if self.truth is None else 8 * int(np.count_nonzero(self.truth))
        return sum(0 if array is None else array.nbytes for array in arrays) + parts

    @cached_property
    def true_parts(self) -> Parts | None:
        """The parts of the truth, or None; found once."""
        return None if self.truth is None else parts_of(self.truth)

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
        parts = parts_of(self.mask_at(at))
        keep = parts.sizes * self.voxel_ml >= minimum_ml * (1 - 1e-9)
        left_out = int(np.count_nonzero(~keep))
        if left_out:
            parts = parts.kept(keep)
        core = None
        if self.low is not None:
            core = float(np.count_nonzero(self.low.reshape(-1)[parts.voxels])) * self.voxel_ml
        volume = float(parts.voxels.size) * self.voxel_ml
        return View(at, minimum_ml, parts, volume, core, len(parts.sizes), left_out, self._against(parts))

    def rows(self, view: View, most: int = MOST_ROWS) -> tuple[LesionRow, ...]:
        """The view's lesions, measured as the worker measures them; the largest where there are more than `most`."""
        adc = None if self.adc_scale is None else self.adc
        corner = (self.box[0].start, self.box[1].start, self.box[2].start)
        found = measured(view.parts, corner, self.affine, adc, most)
        return tuple(
            LesionRow(
                index=rank,
                side=side(one.centre, self.midplane),
                volume_ml=float(one.voxels) * self.voxel_ml,
                centre_mm=(float(one.centre[0]), float(one.centre[1]), float(one.centre[2])),
                max_diameter_mm=one.diameter_mm,
                mean_adc=None if one.mean is None else one.mean * float(self.adc_scale or 0),
            )
            for rank, one in enumerate(found, start=1)
        )

    def in_file(self, parts: Parts) -> Ints:
        """Where the parts' voxels lie in a file of the whole grid, whose first axis is the fastest; ascending."""
        z, y, x = parts.places()
        wide, high, _ = self.shape
        first = ((z + self.box[2].start) * high + y + self.box[1].start) * wide + x + self.box[0].start
        return np.asarray(parts.voxels + np.repeat(first - parts.starts, parts.lengths))

    def _against(self, parts: Parts) -> Against | None:
        true = self.true_parts
        if self.truth is None or true is None:
            return None
        hit = self.truth.reshape(-1)[parts.voxels]
        keys = parts.of_voxel[hit] * max(len(true.sizes), 1) + true.at(parts.voxels[hit])
        pairs, counts = np.unique(keys, return_counts=True)
        pairs = np.stack(np.divmod(pairs, max(len(true.sizes), 1)), axis=1)
        overlap = LesionOverlap(parts.sizes, true.sizes, pairs, counts.astype(np.int64))
        predicted, count = parts.voxels.size, true.voxels.size
        return Against(
            dice=2.0 * int(counts.sum()) / (predicted + count) if predicted + count else 1.0,
            volume_truth_ml=count * self.voxel_ml,
            avd_ml=abs(predicted - count) * self.voxel_ml,
            lesion_count_difference=abs(len(parts.sizes) - len(true.sizes)),
            lesion_f1_isles22=f1_isles22(overlap),
            lesion_f1_isles24=f1_isles24(overlap),
        )
