"""Score: all metrics of one prediction against one truth, from masks or from files, in this process or in its own.

`python -m core.evaluation.score job.json` writes JSON lines to stdout: progress {"phase", "fraction", "rss_mb"}, then
{"result": {...}} or {"error": {"kind", "message", "hint"}}. The formulas live in metrics.py. Nothing is resampled, and
the input files are never written to.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import BadParameter, BadVolume, StrokescopeError
from core.evaluation import metrics
from core.evaluation.components import crop_pair, lesion_overlap
from core.evaluation.grids import require_same_grid
from core.evaluation.overlap import overlap_labels
from core.evaluation.surface import surface_distances
from core.imaging import nifti
from core.imaging.volume import Mask
from core.resources.child import peak_rss_mb

Phase = Callable[[str, float], None]  # what is being done, share of the whole done (0..1)

TASK_NOTE = (
    "These scores belong to segmenting the lesion that the follow-up MRI shows; they are not comparable with the "
    "ISLES'24 challenge, which predicts the final infarct from the acute images (winner: Dice 0.285 ± 0.213)."
)

DEFINITIONS: dict[str, str] = {
    "dice": "Dice: twice the volume in both masks over the sum of their volumes, 0 to 1 without unit; 1 when both are "
    "empty, 0 when one is. Source: ISLES'22.",
    "volume_prediction_ml": "Volume of the predicted lesion in ml: voxels inside times the affine's voxel volume.",
    "volume_truth_ml": "Volume of the true lesion in ml: voxels inside times the affine's voxel volume.",
    "avd_ml": "Absolute difference of the two volumes in ml; 0 is best. Source: ISLES'22.",
    "lesion_count_difference": "Absolute difference of the numbers of lesions (a count); voxels that share a face, an "
    "edge or a corner are one lesion. Source: ISLES'22.",
    "lesion_f1_isles22": "Lesion-wise F1, 0 to 1 without unit: a true lesion counts as found when one predicted voxel "
    "touches it, a predicted lesion as false when it touches none; 1 when both masks are empty. Source: ISLES'22.",
    "lesion_f1_isles24": "Lesion-wise F1, 0 to 1 without unit: lesions are matched one to one where intersection over "
    f"union is at least {metrics.ISLES24_IOU}, so a lesion predicted in two pieces costs a false positive; 1 when both "
    "masks are empty. Source: ISLES'24 (recognition quality of panoptica).",
    "hd95_mm": "95th percentile Hausdorff distance in mm between boundary voxel centres, the larger of the two "
    "directions; undefined when a mask is empty. Source: Metrics reloaded, Nat Methods 2024.",
    "surface_dice_2mm": f"Surface Dice, 0 to 1 without unit: share of both outlines' voxels within "
    f"{metrics.TOLERANCE_MM:g} mm of the other outline; undefined when a mask is empty. Source: Nikolov et al., "
    "J Med Internet Res 2021.",
}


@dataclass(frozen=True)
class CaseScore:
    """Every metric of one case; DEFINITIONS says what each is, None is undefined."""

    dice: float
    volume_prediction_ml: float
    volume_truth_ml: float
    avd_ml: float
    lesion_count_difference: int
    lesion_f1_isles22: float
    lesion_f1_isles24: float
    hd95_mm: float | None
    surface_dice_2mm: float | None

    def to_json(self) -> dict[str, float | int | None]:
        """Keys as in `score --json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseScore:
        """Back from to_json.

        Raises:
            BadParameter: a key is missing.
        """
        missing = [field.name for field in fields(cls) if field.name not in data]
        if missing:
            raise BadParameter(f"the score lacks {', '.join(missing)}", hint="score the case again")
        return cls(**{field.name: data[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class ScoreJob:
    """What one scoring process does.

    Attributes:
        prediction, truth: masks, .nii or .nii.gz.
        overlap_out: where to write the label map of overlap.py on the prediction's grid, or None.
    """

    prediction: Path
    truth: Path
    overlap_out: Path | None = None

    def to_json(self) -> dict[str, str | None]:
        """For job.json."""
        return {key: None if value is None else str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_file(cls, path: Path) -> ScoreJob:
        """Read job.json.

        Raises:
            BadParameter: it is not there, not JSON, or lacks a path.
        """
        try:
            data = json.loads(path.read_text("utf-8"))
            out = data.get("overlap_out")
            return cls(Path(data["prediction"]), Path(data["truth"]), None if out is None else Path(out))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "give a JSON file with prediction and truth"
            raise BadParameter(f"the scoring job cannot be read ({type(error).__name__})", hint=hint) from None


def no_phase(phase: str, fraction: float) -> None:
    """For callers that do not watch."""


def score_masks(prediction: Mask, truth: Mask) -> CaseScore:
    """Score two masks that lie on one grid; millimetres and millilitres by the truth's affine.

    Raises:
        GridMismatch: the grids differ; nothing is resampled.
    """
    require_same_grid(prediction, truth)
    data, affine = (prediction.data, truth.data), truth.affine
    if all(mask.flags.f_contiguous for mask in data):  # as files are: name the axes as memory has them, copy less
        data, affine = (data[0].T, data[1].T), affine[:, [2, 1, 0, 3]]
    predicted, true = crop_pair(*data)
    lesions = lesion_overlap(predicted, true)
    distances = surface_distances(predicted, true, affine)
    return CaseScore(
        dice=metrics.dice(predicted, true),
        volume_prediction_ml=metrics.volume_ml(predicted, affine),
        volume_truth_ml=metrics.volume_ml(true, affine),
        avd_ml=metrics.avd_ml(predicted, true, affine),
        lesion_count_difference=abs(len(lesions.prediction_sizes) - len(lesions.truth_sizes)),
        lesion_f1_isles22=metrics.f1_isles22(lesions),
        lesion_f1_isles24=metrics.f1_isles24(lesions),
        hd95_mm=metrics.hd95(distances),
        surface_dice_2mm=metrics.surface_dice(distances, metrics.TOLERANCE_MM),
    )


def score_files(prediction: Path, truth: Path, overlap_out: Path | None = None, phase: Phase = no_phase) -> CaseScore:
    """Score two mask files, each decoded once, and write the overlap if a path is given.

    Raises:
        BadVolume: a file is missing or is no mask (says which one), or the overlap's folder cannot be written to.
        GridMismatch: the grids differ.
        BadParameter: `overlap_out` is one of the inputs.
        DiskFull: no room for the overlap.
    """
    if overlap_out is not None and overlap_out.resolve() in (prediction.resolve(), truth.resolve()):
        raise BadParameter("the overlap would overwrite a mask", hint="choose another file for it")
    phase("reading the prediction", 0.0)
    predicted = _read("prediction", prediction)
    phase("reading the truth", 0.25)
    true = _read("truth", truth)
    phase("comparing", 0.5)
    score = score_masks(predicted, true)
    if overlap_out is not None:
        phase("writing the overlap", 0.8)
        nifti.write_labels(overlap_labels(predicted.data, true.data), overlap_out, like=prediction)
    return score


def _read(role: str, path: Path) -> Mask:
    if not path.is_file():
        raise BadVolume(f"the {role} file is not there", hint="check its path")
    try:
        return nifti.read_mask(path)
    except BadVolume as error:
        raise BadVolume(f"the {role} is not a mask that can be read: {error}", hint=error.hint) from error


def _emit(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _emit_phase(phase: str, fraction: float) -> None:
    _emit({"phase": phase, "fraction": fraction, "rss_mb": round(peak_rss_mb(), 1)})


def _emit_error(kind: str, message: str, hint: str) -> int:
    _emit({"error": {"kind": kind, "message": message, "hint": hint}})
    return 1


def main(arguments: Sequence[str]) -> int:
    """The process: one argument, the job's path. Returns the exit code, 0 with a result and 1 with an error."""
    try:
        if len(arguments) != 1:
            raise BadParameter("expected one argument, the job's path", hint="run python -m core.evaluation.score JOB")
        job = ScoreJob.from_file(Path(arguments[0]))
        score = score_files(job.prediction, job.truth, job.overlap_out, _emit_phase)
    except StrokescopeError as error:
        return _emit_error(type(error).__name__, str(error), error.hint)
    except MemoryError:
        return _emit_error("WorkerDied", "there was not enough memory to score these masks", "close other images first")
    except Exception as error:  # noqa: BLE001  # the process's outermost edge: the parent needs a sentence
        # The message may name files of a patient, so only where it happened is kept.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + "\n")
        return _emit_error(
            "StrokescopeError", f"the scoring failed unexpectedly ({type(error).__name__})", "report this"
        )
    _emit({"result": score.to_json()})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
