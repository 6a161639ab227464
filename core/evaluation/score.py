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
from pathlib import Path
from typing import Any

from core.errors import BadParameter, BadVolume, StrokescopeError
from core.evaluation import metrics
from core.evaluation.components import crop_pair, lesion_overlap
from core.evaluation.grids import require_same_grid
from core.evaluation.overlap import overlap_labels
from core.evaluation.records import TOLERANCE_MM, CaseScore, ScoreJob
from core.evaluation.surface import surface_distances
from core.imaging import nifti
from core.imaging.volume import Mask
from core.resources.child import expendable, peak_rss_mb

Phase = Callable[[str, float], None]  # what is being done, share of the whole done (0..1)


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
        surface_dice_2mm=metrics.surface_dice(distances, TOLERANCE_MM),
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
    expendable()
    sys.exit(main(sys.argv[1:]))
