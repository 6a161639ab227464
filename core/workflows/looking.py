"""Looking: a result as somebody looks at it: at a threshold, without its small lesions, as numbers and as files.

Joins what a reading measures (reading.py) with the files that a screen and a report need (reading_files.py). Runs no
engine and draws nothing. Surface distances are not part of it: they take a process of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.resources.cost import Step
from core.segmentation.results import JobResult, LesionRow
from core.workflows.reading import Against, Reading
from core.workflows.reading_files import write_mask_view, write_overlap_view

READING_BYTES = 20.0  # per voxel: mask, probability, truth, ADC in float32 and the boxes cut from them
MOST_FILES = 48  # of the views of one result; the oldest go, and are made again when somebody looks
SAME = 0.005  # thresholds nearer than this are one


@dataclass(frozen=True)
class Look:
    """A result at one threshold and one smallest lesion.

    Attributes:
        threshold, minimum_ml, volume_ml, core_volume_ml, lesion_count, left_out, against: as reading.View's.
        lesions: the largest first; of thousands only the largest.
        mask: the engine's own file where nothing differs from it.
        overlap: label map against the truth (core.evaluation.overlap); None without a truth.
        own: this is the engine's own mask.
    """

    threshold: float
    minimum_ml: float
    volume_ml: float
    core_volume_ml: float | None
    lesion_count: int
    left_out: int
    lesions: tuple[LesionRow, ...]
    against: Against | None
    mask: Path
    overlap: Path | None
    own: bool

    @property
    def sentence(self) -> str:
        """How it differs from what the engine said; "" where it does not."""
        if self.own:
            return ""
        return (
            f"Shown at threshold {self.threshold:g}, lesions from {self.minimum_ml:g} ml; "
            "the engine's own mask differs."
        )


def reading_step(voxels: int, case: str = "") -> Step:
    """Opening a result of so many voxels inside the app."""
    return Step("reading", "opening the result", READING_BYTES * voxels / 1e6, case=case)


def threshold_of(wanted: float, own: float) -> float | None:
    """The threshold that a slider means; None for the engine's own."""
    return None if abs(wanted - own) < SAME else round(wanted, 2)


def look_at(
    result: JobResult,
    reading: Reading,
    threshold: float | None,
    minimum_ml: float,
    folder: Path,
    most: int = MOST_FILES,
) -> Look:
    """Measure the result there, and write what a screen needs of it into `folder`.

    Args:
        threshold: None for the engine's own.
        most: files that may stay in the folder; the oldest go, never those of this look.

    Raises:
        BadParameter: as Reading.at.
        DiskFull, BadVolume, GridMismatch: a file could not be written.
    """
    view = reading.at(threshold, minimum_ml)
    own = view.threshold == reading.threshold and not view.left_out
    mask = result.mask if own else write_mask_view(reading, view, folder, result.mask)
    overlap = write_overlap_view(reading, view, folder, result.mask)
    _thin(folder, {mask, overlap}, most)
    return Look(
        view.threshold,
        minimum_ml,
        view.volume_ml,
        view.core_volume_ml,
        view.lesion_count,
        view.left_out,
        reading.rows(view),
        view.against,
        mask,
        overlap,
        own,
    )


def as_looked(result: JobResult, look: Look) -> JobResult:
    """The result with the look's mask and numbers, for a report or a zip; engine, other files and cost are the run's.

    The core is left out where the mask differs: its file would be of another mask.
    """
    return replace(
        result,
        mask=look.mask,
        core=result.core if look.own else None,
        volume_ml=look.volume_ml,
        core_volume_ml=look.core_volume_ml,
        lesion_count=look.lesion_count,
        lesions=look.lesions,
        threshold=look.threshold,
        warnings=result.warnings if look.own else (*result.warnings, look.sentence),
    )


def told_looked(told: Mapping[str, Any], look: Look) -> dict[str, Any]:
    """The sidecar `told` with the look's numbers; as it was where the mask is the engine's own."""
    if look.own:
        return dict(told)
    volumes = {name: dict(value) for name, value in told.get("Volumes", {}).items()}
    for name, value in (("lesion", look.volume_ml), ("core", look.core_volume_ml)):
        if name in volumes:
            volumes[name]["value"] = value
    return {
        **told,
        "Volumes": volumes,
        "LesionCount": {**told.get("LesionCount", {}), "value": look.lesion_count},
        "Lesions": [asdict(row) for row in look.lesions],
        "Threshold": look.threshold,
        "SmallestLesionMl": look.minimum_ml,
        "EnginesOwn": {name: told.get(name) for name in ("Threshold", "Volumes", "LesionCount")},
        "Warnings": [*told.get("Warnings", []), look.sentence],
    }


def _thin(folder: Path, needed: set[Path | None], most: int) -> None:
    """Let the oldest views go, never those that were just made."""
    with suppress(OSError):
        files = sorted(folder.glob("*.nii.gz"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(0, len(files) - most)]:
            if path not in needed:
                path.unlink(missing_ok=True)
