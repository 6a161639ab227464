"""Unchanged: whether a worker works with the very bytes, engine and model that its job was made for.

Compares what it is told; a file is looked at, never read.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput
from core.segmentation.job import Job

HINT = "open the case again"
Stamp = tuple[int, int, int] | None


def stamps_of(job: Job) -> dict[str, Stamp]:
    """The state of each input: another one may be another image."""
    return {name: _stamp(path) for name, path in job.inputs.items()}


def check_stamps(job: Job, before: dict[str, Stamp]) -> None:
    """Raise BadInput where an input is not as it was."""
    for name, now in stamps_of(job).items():
        if now != before[name]:
            raise changed(name)


def check_digest(job: Job, name: str, digest: str) -> None:
    """Raise BadInput where the input has another sha256 than the job tells."""
    if job.digests.get(name, digest) != digest:
        raise changed(name)


def check_version(job: Job, version: str) -> None:
    """Raise BadInput where the engine, and so its model, is another one than the job tells."""
    if job.version not in (None, version):
        said = f"the engine or its model changed since it was chosen ({job.version} then, {version} now)"
        raise BadInput(said, hint=HINT)


def changed(name: str) -> BadInput:
    """The refusal to work with other bytes than those that were asked for."""
    return BadInput(f"the image ({name.upper()}) changed since it was chosen", hint=HINT)


def _stamp(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
