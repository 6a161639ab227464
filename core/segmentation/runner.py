"""The runner: one job in one worker process, and whatever becomes of it as a JobResult or a clear error.

Starts the worker, passes progress on, and turns every way a process can end into our own errors; after a failure no
output of the job is left. Does not admit jobs (core.resources.budget) and does not segment.
"""

from __future__ import annotations

import errno
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import core
from core import errors
from core.errors import DiskFull, EngineError, JobCancelled, StrokescopeError, WorkerDied
from core.resources.child import ChildEnd, Handle, child_env, run_child
from core.segmentation.job import Job
from core.segmentation.results import JobResult

WORKER = (sys.executable, "-P", "-X", "faulthandler", "-m", "core.segmentation.worker")
NATIVE = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})


class Guard(Protocol):
    """Who watches the worker (core.resources.watched.Watched is one)."""

    def attach(self, handle: Handle) -> None:
        """The worker has started."""

    def ended(self, end: ChildEnd) -> StrokescopeError | None:
        """The worker is gone; why, if somebody else than itself ended it."""


@dataclass
class _Heard:
    """What the worker has said so far."""

    on_progress: Callable[[str, float], None]
    fraction: float = 0.0
    peak_mb: float = 0.0
    result: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    phase: str = "Starting"

    def line(self, line: dict[str, object]) -> None:
        result, error, phase, done = (line.get(key) for key in ("result", "error", "phase", "fraction"))
        if isinstance(result, dict):
            self.result = result
        elif isinstance(error, dict):
            self.error = error
        elif isinstance(phase, str) and isinstance(done, int | float):
            self.fraction = max(self.fraction, min(1.0, float(done)))
            self.phase = phase
            peak = line.get("rss_mb")
            self.peak_mb = max(self.peak_mb, float(peak)) if isinstance(peak, int | float) else self.peak_mb
            self.on_progress(phase, self.fraction)


def run_job(
    job: Job,
    on_progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    *,
    timeout_s: float | None = 1800.0,
    on_start: Callable[[int], None] | None = None,
    guard: Guard | None = None,
    address_space_mb: float | None = None,
    command: tuple[str, ...] = WORKER,
) -> JobResult:
    """Segment in a process of its own; blocks the calling thread until that process is gone.

    Args:
        on_progress: phase in words and fraction of the whole, never falling.
        cancelled: asked about 20 times a second; true ends the worker within 2 s.
        timeout_s: wall seconds after which the worker is ended.
        on_start: called with the worker's pid.
        guard, address_space_mb: who watches the worker and may kill it; the worker's backstop. None for none.
        command: the worker's command line, to which the job file is added; the seam for tests.

    Raises:
        JobCancelled: `cancelled` said so.
        WorkerDied: the process ended without a result, or the guard ended it.
        DiskFull, BadVolume, BadInput, BadParameter, EngineError: as the worker said.
    """
    before = {path: _identity(path) for path in (*job.outputs, job.out_dir)}
    heard = _Heard(on_progress)
    whole = False
    try:
        end = _spawn(job, heard, cancelled, timeout_s, on_start, guard, address_space_mb, command)
        reason = None if guard is None else guard.ended(end)
        if reason is not None:
            raise reason
        result = _outcome(job, heard, end)
        whole = True
    finally:
        if not whole:
            _clear(job, before)
    return result


def _spawn(
    job: Job,
    heard: _Heard,
    cancelled: Callable[[], bool],
    timeout_s: float | None,
    on_start: Callable[[int], None] | None,
    guard: Guard | None,
    address_space_mb: float | None,
    command: tuple[str, ...],
) -> ChildEnd:
    root = str(Path(core.__path__[0]).parent)
    env = child_env(extra={"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        with tempfile.TemporaryDirectory(prefix="strokescope-") as folder:
            description = Path(folder) / "job.json"
            description.write_text(job.to_json(), encoding="utf-8")
            return run_child(
                (*command, str(description)),
                heard.line,
                cancelled,
                timeout_s,
                env,
                on_start,
                on_handle=None if guard is None else guard.attach,
                address_space_mb=address_space_mb,
            )
    except OSError as error:
        hint = "free some memory and disk space, then try again"
        raise EngineError(f"the worker could not be started ({error.strerror})", hint=hint) from None


def _outcome(job: Job, heard: _Heard, end: ChildEnd) -> JobResult:
    """Decide what the end of the process means."""
    if end.cancelled:
        raise JobCancelled("the segmentation was cancelled", hint="start it again when you want it")
    if heard.error is not None:
        raise error_of(heard.error) if heard.error.get("kind") != "WorkerDied" else out_of_memory(heard.error, end)
    if end.timed_out:
        raise WorkerDied(f"the segmentation took longer than {end.seconds:.0f} s", hint="try a smaller image")
    if end.returncode != 0 or heard.result is None:
        raise died(end, heard.phase)
    result = JobResult.from_dict(heard.result)
    if (result.mask, result.sidecar) != (job.mask_path, job.sidecar_path):
        raise EngineError("the worker wrote its mask elsewhere", hint="run the job again")
    for path in result.files:
        if path not in job.outputs or not path.is_file():
            raise EngineError("an output of the worker is missing", hint="run the job again")
    return replace(result, seconds=end.seconds, peak_rss_mb=max(end.peak_rss_mb, heard.peak_mb, result.peak_rss_mb))


def error_of(said: Mapping[str, object]) -> StrokescopeError:
    """The worker's error as the class it names; an unknown one becomes an EngineError."""
    kind = getattr(errors, str(said.get("kind")), None)
    message, hint = str(said.get("message", "the engine failed")), str(said.get("hint", "run the job again"))
    plain = (EngineError, errors.BadVolume, errors.SourceError, DiskFull)
    if isinstance(kind, type) and issubclass(kind, plain):
        error = kind(message, hint=hint)
        if kind is DiskFull:  # a worker refuses nothing by itself: the system said so
            error.__cause__ = OSError(errno.ENOSPC, "told by the worker")
        return error
    return EngineError(message, hint=hint)


def out_of_memory(said: Mapping[str, object], end: ChildEnd) -> WorkerDied:
    """The worker's own report that it could not get memory, with the numbers that it does not know."""
    at = f"it had reached {end.peak_rss_mb:.0f} MB"
    if end.address_space_mb is not None:
        at += f" and may reserve {end.address_space_mb:.0f} MB at most"
    return WorkerDied(f"{said.get('message', 'there was not enough memory')}: {at}", hint=str(said.get("hint")))


def died(end: ChildEnd, phase: str) -> WorkerDied:
    """Why a process without a result ended, as far as its status tells."""
    at = f'during "{phase}", at {end.peak_rss_mb:.0f} MB'
    if end.hit_backstop:
        message = f"the segmentation asked for more than the {end.address_space_mb:.0f} MB it may reserve, {at}"
        return WorkerDied(message, hint="choose a smaller image; if it is small, report this with the engine's name")
    if end.signal == signal.SIGKILL:
        message = f"the segmentation was killed from outside {at}; no kill for want of memory was counted"
        return WorkerDied(message, hint="start it again; if it happens again, look at RAM on the Resources page")
    if end.signal is not None and end.signal in NATIVE:
        return WorkerDied(
            f"the segmentation crashed {at} (signal {end.signal})", hint="report this with the engine's name"
        )
    if end.signal is not None:
        return WorkerDied(
            f"the segmentation was stopped from outside {at} (signal {end.signal})", hint="start it again"
        )
    return WorkerDied(f"the segmentation ended without a result {at} (status {end.returncode})", hint="start it again")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _clear(job: Job, before: Mapping[Path, tuple[int, int] | None]) -> None:
    """Remove what this run wrote. Files of an earlier run stay, unless this one had begun to replace them."""
    shutil.rmtree(job.staging_dir, ignore_errors=True)
    if before[job.out_dir] is None:
        with suppress(OSError):
            job.out_dir.rmdir()
    if any(_identity(path) != before[path] for path in job.outputs):
        for path in job.outputs:
            with suppress(OSError):
                path.unlink()
