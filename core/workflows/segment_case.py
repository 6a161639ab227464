"""Segmenting: from a case to a mask, its numbers, and its score against the truth.

Where sources, the runner and the scorer meet. Each heavy step runs in a process of its own; the truth is never an input
of an engine and never lies in a folder that an engine writes to.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput, BadVolume, EngineAbsent, JobCancelled, ModalityAbsent, WorkerDied
from core.evaluation.records import CaseScore, ScoreJob
from core.evaluation.score import score_files
from core.imaging import stored
from core.imaging.nifti import read_header
from core.imaging.stream import make_folder
from core.resources.child import ChildEnd, child_env, run_child
from core.resources.cost import score_step
from core.resources.guard import Guard, OnWaiting, Worker, own_guard
from core.segmentation.engine import EngineInfo
from core.segmentation.results import JobResult
from core.segmentation.runner import error_of, run_job
from core.settings import Settings
from core.sources.protocol import Cancelled, Fetched, LocalFile, Report, Source, never, no_report
from core.sources.verified import VerifiedFiles
from core.workflows.asking import Ask
from core.workflows.guarded import Visit
from core.workflows.guarded import fetch as fetch_guarded
from core.workflows.guarded import recorded_case as recorded_case

OnPhase = Callable[[str, float], None]
ROOT = Path(__file__).resolve().parents[2]
SCORER = (sys.executable, "-P", "-m", "core.evaluation.score")
SCORE_TIMEOUT_S = 300.0


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
    visit: Visit | None = None,
) -> Fetched:
    """Fetch what the engine needs, what it can use, and `extra` (the truth, for the screen).

    Args:
        visit: the door to go through; None for none.

    Raises:
        OverBudget: the door refused.
        ModalityAbsent: the case lacks an image that the engine cannot do without.
        HubError, CaseNotFound, FetchCancelled: as the source does.
    """
    names = [*engine.inputs, *engine.optional, *extra]
    fetched = fetch_guarded(visit, source, case_id, names, report, cancelled)
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


def segment(
    settings: Settings,
    ask: Ask,
    out_dir: Path,
    on_phase: OnPhase = lambda phase, fraction: None,
    cancelled: Cancelled = never,
    *,
    guard: Guard | None = None,
    owner: str = "",
    waiting: OnWaiting = lambda sentence: None,
    on_start: Callable[[int], None] | None = None,
    job_id: str | None = None,
    known: Callable[[], JobResult | None] = lambda: None,
) -> JobResult:
    """Admit, run and collect one job in a worker process.

    Args:
        guard: the app's; by default one for this job alone.
        owner: a session, for turns.
        waiting: as Guard.enter.
        on_start: told the worker's pid.
        job_id: as Job's; a new one by default.
        known: asked when it is the job's turn: a result that is there by then is given instead of another.

    Raises:
        EngineAbsent: this machine cannot run the engine.
        OverBudget: the job does not fit the container now.
        EngineError: the engine refused, the worker died or was ended, or the job was cancelled; nothing is left in
            `out_dir`.
    """
    missing = ask.opened.missing()
    if missing is not None:
        raise EngineAbsent(missing.sentence.rstrip("."), hint=missing.hint)
    step = ask.step(recorded_case(settings, ask.case_id, ask.source))
    job = ask.job(out_dir, job_id)
    with (
        _guarded(settings, guard) as guarding,
        guarding.enter(step, "engine", owner, cancelled, waiting) as worker,
    ):
        if (found := known()) is not None:
            return found
        done = run_job(
            job, on_phase, cancelled, guard=worker, timeout_s=ask.timeout_s, on_start=on_start,
            address_space_mb=worker.backstop_mb if ask.info.backstop else None,
        )  # fmt: skip
        worker.used(done.peak_rss_mb)
    return done


def _guarded(settings: Settings, guard: Guard | None) -> AbstractContextManager[Guard]:
    return own_guard(settings) if guard is None else nullcontext(guard)


def score(
    settings: Settings,
    prediction: Path,
    truth: Path,
    overlap: Path,
    cancelled: Cancelled = never,
    *,
    case: str = "",
    guard: Guard | None = None,
    owner: str = "",
    waiting: OnWaiting = lambda sentence: None,
) -> Scored:
    """Compare two masks in a process of its own, and write their label map to `overlap`.

    Args:
        case: as `recorded_case` gives it.
        guard, owner, waiting: as `segment`.

    Raises:
        GridMismatch, BadVolume: the masks cannot be compared.
        OverBudget, WorkerDied, JobCancelled: the step could not be made.
    """
    step = score_step(voxels_of(prediction), foreground_of((prediction, truth)), case)
    with (
        _guarded(settings, guard) as guarding,
        guarding.enter(step, "score", owner, cancelled, waiting) as worker,
    ):
        end, last = _score(ScoreJob(prediction, truth, overlap), worker, cancelled)
        reason = worker.ended(end)
        if reason is not None:
            raise reason
        if "error" in last:
            raise error_of(last["error"])
        if end.cancelled:
            raise JobCancelled("scoring was stopped", hint="run it again when you like")
        if "result" not in last:
            died = f"the scoring process ended with code {end.returncode}"
            raise WorkerDied(died, hint="try again; see Resources for the RAM")
        worker.used(end.peak_rss_mb)
    return Scored(CaseScore.from_json(last["result"]), overlap)


def score_here(settings: Settings, prediction: Path, truth: Path) -> CaseScore:
    """Compare two masks in this process, for a command: behind a door of its own, without a label map.

    Raises:
        GridMismatch, BadVolume, OverBudget: as `score`.
    """
    foreground = foreground_of((prediction, truth))
    if foreground is None:
        return score_files(prediction, truth)  # which says which of them cannot be read, and why
    with own_guard(settings) as guard, guard.enter(score_step(voxels_of(prediction), foreground), "score"):
        return score_files(prediction, truth)


def foreground_of(masks: Iterable[Path]) -> int | None:
    """Voxels of several masks together, read piece by piece; None when one cannot be read."""
    count = 0
    try:
        for path in masks:
            count += sum(int(np.count_nonzero(piece > 0.5)) for _, piece in stored.values(path, read_header(path)))
    except BadVolume:  # the scoring process says which one, and why
        return None
    return count


def _score(job: ScoreJob, worker: Worker, cancelled: Cancelled) -> tuple[ChildEnd, dict[str, Any]]:
    """Run the scoring process: how it ended and the last thing it said."""
    said: list[dict[str, Any]] = []
    env = child_env(extra={"PYTHONPATH": str(ROOT)})
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "score.json"
        if job.overlap_out is not None:
            make_folder(job.overlap_out.parent)
        task.write_text(json.dumps(job.to_json()), encoding="utf-8")
        end = run_child(
            (*SCORER, str(task)), said.append, cancelled, SCORE_TIMEOUT_S, env,
            on_handle=worker.attach, address_space_mb=worker.backstop_mb,
        )  # fmt: skip
    return end, said[-1] if said else {}
