"""ENGINE "consensus": several results on one grid become one, with a map of how far they lie apart.

`combine` is pure: arrays in, arrays out. The engine reads masks and probabilities that other engines made, so that a
consensus is a job like any other, in a process of its own. Finds no results by itself: `consensus_job` is told them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, BadParameter, GridMismatch
from core.imaging import nifti, stored
from core.imaging.geometry import same_grid
from core.imaging.volume import Mask, voxel_ml_of
from core.segmentation.adc import scale_of
from core.segmentation.engine import (
    Choice,
    EngineInfo,
    Image,
    Missing,
    Needs,
    Phase,
    Segmentation,
    Value,
    needed,
)
from core.segmentation.job import Job
from core.segmentation.results import JobResult

Levels = NDArray[np.uint8]  # (X, Y, Z), an opinion in steps of 1/255
MOST = 6
FULL = 255
RULES = ("majority", "mean")
INFO = EngineInfo(
    name="consensus",
    label="Consensus of several results",
    version="1.0",
    inputs=("mask1", "mask2"),
    optional=(
        *(f"mask{n}" for n in range(3, MOST + 1)),
        *(f"probability{n}" for n in range(1, MOST + 1)),
        "adc",
    ),
    validated="Not validated: it is as good as its members, and no better where they share a fault.",
    failures=(
        "Members that share a fault agree on it: little disagreement is no proof.",
        "With an even number of members a tie counts as lesion.",
        "The mean of scores that are not calibrated leans to the member with the boldest ones.",
    ),
    parameters=(
        Choice("rule", "Rule", "majority", RULES, "At least half of the masks, or the mean of the probabilities."),
    ),
    memory_base_mb=77.0,
    memory_bytes_per_voxel=14.6,
    seconds_base=1.5,
    seconds_per_mvoxel=0.5,
    licence="Apache-2.0, as Strokescope itself; its members keep their own",
    citation="cite its members; the consensus itself has no publication",
    task="that of its members",
    probability="share of members that mark a voxel, or the mean of their scores; the mask is where it is at least 0.5",
)
DISAGREEMENT = "mean absolute difference between two members, over all pairs; 0: all say the same"


@dataclass(frozen=True, eq=False)
class Opinion:
    """What several members say together.

    Attributes:
        mask: (X, Y, Z) bool, where the probability is at least 0.5.
        probability: (X, Y, Z) float32, the mean of the members.
        disagreement: (X, Y, Z) float32, mean absolute difference over all pairs of members; 0 where all say the same,
            1 where two members contradict each other, at most 2/3 for three and 3/5 for six.
    """

    mask: NDArray[np.bool_]
    probability: NDArray[np.float32]
    disagreement: NDArray[np.float32]


def combine(members: Sequence[Levels], full: int = FULL) -> Opinion:
    """Join opinions on one grid: masks for a majority, probabilities for a mean.

    Args:
        members: two or more, all of one shape; values 0 to `full`.
        full: the value that means 1: 1 for masks, 255 for probabilities in steps of 1/255.
    """
    shape, count = members[0].shape, len(members)
    mask: NDArray[np.bool_] = np.empty(shape, np.bool_, order="F")
    probability: NDArray[np.float32] = np.empty(shape, np.float32, order="F")
    disagreement: NDArray[np.float32] = np.empty(shape, np.float32, order="F")
    pairs = list(combinations(range(count), 2))
    for k in range(shape[2]):  # a slab at a time, so that nothing but the maps grows with the image
        slab = [member[:, :, k].astype(np.int32) for member in members]
        total = np.sum(slab, axis=0)
        apart = np.sum([np.abs(slab[i] - slab[j]) for i, j in pairs], axis=0)
        mask[:, :, k] = 2 * total >= full * count
        probability[:, :, k] = total.astype(np.float32) / np.float32(full * count)
        disagreement[:, :, k] = apart.astype(np.float32) / np.float32(full * len(pairs))
    return Opinion(mask, probability, disagreement)


def overlaps(masks: Sequence[NDArray[np.bool_]]) -> dict[tuple[int, int], float]:
    """Dice of each pair; 1 when both are empty."""
    sizes = [int(np.count_nonzero(mask)) for mask in masks]
    found = {}
    for i, j in combinations(range(len(masks)), 2):
        both = sum(int(np.count_nonzero(masks[i][:, :, k] & masks[j][:, :, k])) for k in range(masks[i].shape[2]))
        found[i, j] = 2 * both / (sizes[i] + sizes[j]) if sizes[i] + sizes[j] else 1.0
    return found


def consensus_job(
    results: Sequence[JobResult],
    rule: str,
    out_dir: Path,
    job_id: str,
    source: str | None = None,
    adc: Path | None = None,
) -> Job:
    """The job that joins these results.

    Args:
        adc: of the same grid, for the lesions' mean ADC; None for none.

    Raises:
        BadInput: fewer than two results, more than MOST, or of several cases.
        BadParameter: no such rule, or a mean of members whose masks begin at different thresholds.
    """
    if not 2 <= len(results) <= MOST:
        raise BadInput(f"a consensus of {len(results)} results", hint=f"choose 2 to {MOST}")
    if len({result.case_id for result in results}) != 1:
        raise BadInput("the results belong to several cases", hint="choose results of one case")
    INFO.settle({"rule": rule})
    if rule == "mean" and any(result.threshold != 0.5 for result in results):
        said = "the members' masks begin at different probabilities, so their mean says little"
        raise BadParameter(said, hint="take the majority of their masks")
    inputs, labels = {}, {}
    names = [f"{result.engine} {result.engine_version}" for result in results]
    for n, result in enumerate(results, start=1):
        again = names[: n - 1].count(names[n - 1])
        inputs[f"mask{n}"] = result.mask
        labels[f"mask{n}"] = names[n - 1] + (f" ({again + 1})" if again else "")
        if rule == "mean" and result.probability is not None:
            inputs[f"probability{n}"] = result.probability
            labels[f"probability{n}"] = labels[f"mask{n}"]
    if adc is not None:
        inputs["adc"] = adc
    return Job(job_id, results[0].case_id, INFO.name, inputs, {"rule": rule}, out_dir, source, labels=labels)


class Consensus:
    """The engine; see core.segmentation.engine.Engine for the contract. Its images are masks of other engines."""

    @property
    def info(self) -> EngineInfo:
        """What it is, needs, and cannot do."""
        return INFO

    def needs(self, voxels: int, parameters: Mapping[str, Value]) -> Needs:
        """By measured lines, for two to six members alike; what they differ by is within a fifth."""
        return INFO.needs(voxels)

    def missing(self) -> Missing | None:
        """Runs everywhere."""
        return None

    def segment(
        self, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Phase, scratch: Path
    ) -> Segmentation:
        """Join masks (and probabilities) on one grid; see Engine.segment.

        Raises:
            BadInput: fewer than two masks.
            BadParameter: no such rule.
            GridMismatch: members that do not lie on one grid.
            BadVolume: a file is damaged.
        """
        rule = INFO.settle(parameters)["rule"]
        needed(inputs, INFO)
        numbers = [n for n in range(1, MOST + 1) if f"mask{n}" in inputs]
        images = [inputs[f"mask{n}"] for n in numbers]
        check_grids([*images, *(inputs[f"probability{n}"] for n in numbers if f"probability{n}" in inputs)])
        masks: list[NDArray[Any]] = []
        for done, image in enumerate(images):
            phase(f"Reading {image.title}", 0.4 * done / len(images))
            masks.append(nifti.read_mask(image.path).data)
        scores = [inputs.get(f"probability{n}") for n in numbers]
        phase("Comparing the members", 0.4)
        affine = images[0].header.affine
        spread = Spread.of([image.title for image in images], masks, overlaps(masks), voxel_ml_of(affine))
        tied = voxel_ml_of(affine) * tied_voxels(masks) if rule == "majority" else 0.0
        phase("Joining the members", 0.6)
        for at, score in enumerate(scores):  # each opinion takes the place of its mask, so that one of them is kept
            masks[at] = level(masks[at], score) if rule == "mean" else masks[at].view(np.uint8)
        found = combine(masks, full=FULL if rule == "mean" else 1)
        told = spread.sentences(rule == "mean", [image.title for image, s in zip(images, scores, strict=True) if not s])
        if tied:
            told = (*told, f"On {tied:.2f} ml the members are exactly divided; it counts as lesion.")
        phase("Done", 1.0)
        notes = {"rule": rule, "disagreement": DISAGREEMENT, "tied_ml": tied, **spread.notes()}
        return Segmentation(
            Mask(found.mask, affine), found.probability, None, told,
            adc_scale=_adc_scale(inputs, images[0]), disagreement=found.disagreement, notes=notes,
        )  # fmt: skip


def check_grids(images: Sequence[Image]) -> None:
    """Raise GridMismatch, with the shapes, unless all lie on the grid of the first."""
    first = images[0]
    for image in images[1:]:
        if not same_grid(first.header.grid, first.header.affine, image.header.grid, image.header.affine):
            shapes = ["×".join(str(n) for n in i.header.grid) for i in (first, image)]
            said = f"{first.title} ({shapes[0]}) and {image.title} ({shapes[1]}) do not lie on one grid"
            raise GridMismatch(said, hint="join results that were made from the same images")


def level(mask: NDArray[np.bool_], score: Image | None) -> Levels:
    """One member's opinion in steps of 1/255: its probabilities, or its mask as all or nothing."""
    if score is None:
        return mask.view(np.uint8) * np.uint8(FULL)
    found: Levels = np.empty(mask.shape, np.uint8, order="F")
    for start, values in stored.values(score.path, score.header):
        share = np.clip(np.nan_to_num(values, nan=0.0), 0, 1)
        found.reshape(-1, order="F")[start : start + len(values)] = np.rint(share * FULL).astype(np.uint8)
    return found


def tied_voxels(masks: Sequence[NDArray[np.bool_]]) -> int:
    """Voxels that exactly half of the members mark."""
    slabs = range(masks[0].shape[2])
    votes = (np.sum([mask[:, :, k] for mask in masks], axis=0, dtype=np.int32) for k in slabs)
    return sum(int(np.count_nonzero(2 * slab == len(masks))) for slab in votes)


@dataclass(frozen=True)
class Spread:
    """How far the members' masks lie apart, in numbers."""

    names: tuple[str, ...]
    volumes_ml: tuple[float, ...]
    dice: Mapping[tuple[int, int], float]

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        masks: Sequence[NDArray[np.bool_]],
        dice: Mapping[tuple[int, int], float],
        voxel_ml: float,
    ) -> Spread:
        """From masks on one grid."""
        return cls(tuple(names), tuple(int(np.count_nonzero(mask)) * voxel_ml for mask in masks), dice)

    def sentences(self, mean: bool, without: Sequence[str]) -> tuple[str, ...]:
        """For the screen; `without` are members that have no probability, which a mean has to take as masks."""
        pairs = "; ".join(f"{self.names[i]} and {self.names[j]} {value:.2f}" for (i, j), value in self.dice.items())
        low, high = min(self.volumes_ml), max(self.volumes_ml)
        told = [
            f"Overlap of its members (Dice): {pairs}.",
            f"The volumes of its members range from {low:.2f} to {high:.2f} ml.",
        ]
        if mean and without:
            told.append(f"{' and '.join(without)} gave no probability; the mask counts as 0 or 1.")
        return tuple(told)

    def notes(self) -> dict[str, object]:
        """For the provenance."""
        members = [{"name": n, "volume_ml": v} for n, v in zip(self.names, self.volumes_ml, strict=True)]
        dice = [{"members": [self.names[i], self.names[j]], "dice": value} for (i, j), value in self.dice.items()]
        return {"members": members, "dice": dice}


def _adc_scale(inputs: Mapping[str, Image], first: Image) -> float | None:
    adc = inputs.get("adc")
    if adc is None or not same_grid(first.header.grid, first.header.affine, adc.header.grid, adc.header.affine):
        return None
    return scale_of(adc)


ENGINE = Consensus()
