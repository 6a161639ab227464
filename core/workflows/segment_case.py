"""Segmenting: from a case to a mask, its numbers, and its score against the truth.

Where sources, the runner and the scorer meet. Each heavy step runs in a process of its own; the truth is never an input
of an engine and never lies in a folder that an engine writes to.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput, JobCancelled, ModalityAbsent, WorkerDied
from core.evaluation.records import CaseScore, ScoreJob
from core.imaging.nifti import read_header
from core.imaging.stream import make_folder
from core.resources import budget
from core.resources.child import child_env, run_child
from core.resources.probe import take_reading
from core.segmentation.engine import EngineInfo
from core.segmentation.job import Job
from core.segmentation.results import JobResult
from core.segmentation.runner import error_of, run_job
from core.settings import Settings
from core.sources.protocol import Cancelled, Fetched, LocalFile, Report, Source, never, no_report
from core.sources.verified import VerifiedFiles

OnPhase = Callable[[str, float], None]
ROOT = Path(__file__).resolve().parents[2]
SCORER = (sys.executable, "-P", "-m", "core.evaluation.score")
SCORE_TIMEOUT_S = 300.0
SCORE_BYTES_PER_VOXEL = 40.0  # the worst measured: masks of pure noise; ordinary ones take about 5


@dataclass(frozen=True)
class Scored:
    """A score and the label map behind its picture (1 true positive, 2 false positive, 3 false negative)."""

    score: CaseScore
    overlap: Path


def fetch_inputs(
    source: Source,
    case_id: str,
    engine: EngineInfo,
    extra: Sequence[str] = (),
    report: Report = no_report,
    cancelled: Cancelled = never,
) -> Fetched:
    """Fetch what the engine needs, what it can use, and `extra` (the truth, for the screen).

    Raises:
        ModalityAbsent: the case lacks an image that the engine cannot do without.
        HubError, CaseNotFound, FetchCancelled: as the source does.
    """
    fetched = source.fetch(case_id, [*engine.inputs, *engine.optional, *extra], report, cancelled)
    missing = [name.upper() for name in engine.inputs if name not in fetched.files]
    if missing:
        raise ModalityAbsent(
            f"{case_id} has no {' and no '.join(missing)}, which {engine.name} needs",
            hint="choose another case or engine",
        )
    return fetched


def given_inputs(engine: EngineInfo, paths: Mapping[str, Path]) -> dict[str, LocalFile]:
    """Files that a person named, checked and hashed.

    Raises:
        BadInput: one that the engine needs is not given.
        BadVolume: a file is not there or is no readable NIfTI image.
    """
    missing = [name for name in engine.inputs if name not in paths]
    if missing:
        raise BadInput(
            f"{engine.name} needs {' and '.join(n.upper() for n in missing)}", hint=f"give --{missing[0]} FILE"
        )
    files = VerifiedFiles()
    return {name: files.verify(path.resolve()) for name, path in paths.items()}


def voxels_of(path: Path) -> int:
    """Voxels of one 3D image, from its header alone."""
    return math.prod(read_header(path).shape[:3])


def admit(settings: Settings, what: str, predicted_mb: float) -> budget.Decision:
    """Check a step against the container's RAM as it is now.

    Raises:
        OverBudget: it does not fit.
    """
    memory = take_reading(settings).memory
    decision = budget.decide(predicted_mb, memory.used_mb, memory.limit_mb)
    budget.require(what, decision)
    return decision


def segment(
    settings: Settings,
    engine: EngineInfo,
    inputs: Mapping[str, LocalFile],
    parameters: Mapping[str, float],
    out_dir: Path,
    case_id: str | None = None,
    source: str | None = None,
    on_phase: OnPhase = lambda phase, fraction: None,
    cancelled: Cancelled = never,
) -> JobResult:
    """Admit, run and collect one job in a worker process.

    Raises:
        OverBudget: the job does not fit the container now.
        EngineError: the engine refused, the worker died, or the job was cancelled; nothing is left in `out_dir`.
    """
    admit(settings, engine.name, engine.predict_memory_mb(voxels_of(inputs[engine.inputs[0]].path)))
    job = Job(
        job_id=uuid.uuid4().hex,
        case_id=case_id,
        engine=engine.name,
        inputs={name: file.path for name, file in inputs.items()},
        parameters=engine.settle(parameters),
        out_dir=out_dir,
        source=source,
    )
    return run_job(job, on_phase, cancelled)


def score(settings: Settings, prediction: Path, truth: Path, overlap: Path, cancelled: Cancelled = never) -> Scored:
    """Compare two masks in a process of its own, and write their label map to `overlap`.

    Raises:
        GridMismatch, BadVolume: the masks cannot be compared.
        OverBudget, WorkerDied, JobCancelled: the step could not be made.
    """
    admit(settings, "scoring", 150.0 + SCORE_BYTES_PER_VOXEL * voxels_of(prediction) / 1e6)
    said: list[dict[str, Any]] = []
    env = child_env(extra={"PYTHONPATH": str(ROOT)})
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "score.json"
        make_folder(overlap.parent)
        task.write_text(json.dumps(ScoreJob(prediction, truth, overlap).to_json()), encoding="utf-8")
        end = run_child((*SCORER, str(task)), said.append, cancelled, SCORE_TIMEOUT_S, env)
    last = said[-1] if said else {}
    if "result" in last:
        return Scored(CaseScore.from_json(last["result"]), overlap)
    if "error" in last:
        raise error_of(last["error"])
    if end.cancelled:
        raise JobCancelled("scoring was stopped", hint="run it again when you like")
    raise WorkerDied(
        f"the scoring process ended with code {end.returncode}", hint="try again; see Resources for the RAM"
    )
