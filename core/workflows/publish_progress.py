"""Publish progress: how far a publisher is, as it tells in `progress.json` of its staging folder.

Written by whoever works in the folder, read by everybody; it is for people, and nothing is decided by it: what was
built, sent and proven is in the staging folder's own record. Knows no dataset.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from core.resources.pids import is_alive

FILE = "progress.json"
Phase = Literal["plan", "validate", "build", "upload", "card", "verify", "waiting", "done", "failed", "stopped"]
PHASES: tuple[Phase, ...] = get_args(Phase)
ENDED: frozenset[Phase] = frozenset({"done", "failed", "stopped"})
MAX_BYTES = 65_536  # of the file; ours have less than a thousand
_TEXTS, _COUNTS = ("unit", "message", "hint"), ("pid", "done", "total", "bytes", "total_bytes")


@dataclass(frozen=True)
class Progress:
    """How far a publisher is, or how it ended.

    Attributes:
        pid, born: of its process, and when that began (seconds since 1970), because numbers are used again.
        phase: what it does; "waiting" for something outside, or how it ended.
        step: the work at hand; the same as `phase` while it works, and that in which it waits or ended otherwise.
        done, total, unit: of the step: "files", "shards" or "" when nothing is counted.
        bytes, total_bytes: of the step; 0 of 0 when none are counted.
        rate: bytes a second of late; 0.0 while nobody can say.
        seconds_left: of the step; None while nobody can say.
        message: one sentence: what it does, waits for, or why it ended.
        hint: the next step of a person; "" when there is none.
        until: when it will try again (seconds since 1970); None when it does not wait for a moment.
        began, updated: seconds since 1970.
    """

    pid: int
    born: float | None
    phase: Phase
    step: Phase
    done: int = 0
    total: int = 0
    unit: str = ""
    bytes: int = 0
    total_bytes: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    hint: str = ""
    until: float | None = None
    began: float = 0.0
    updated: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether the publisher said how it ended."""
        return self.phase in ENDED

    @property
    def fraction(self) -> float | None:
        """Of the step, by bytes where they are counted; None when nobody can say."""
        done, total = (self.bytes, self.total_bytes) if self.total_bytes else (self.done, self.total)
        return min(1.0, done / total) if total else None


def is_at_work(progress: Progress | None) -> bool:
    """Whether the process that wrote this lives and is not done. A number that another process has now is no proof."""
    return progress is not None and not progress.ended and is_alive(progress.pid, progress.born)


def write_progress(path: Path, progress: Progress) -> None:
    """Write it beside and rename it; a disk that is full only leaves the one before.

    It is not synced: nothing depends on it, and it is written every second.
    """
    part = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        try:
            part.write_text(json.dumps(dataclasses.asdict(progress)), encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_progress(path: Path) -> Progress | None:
    """What was told last; None if nothing was, or it cannot be read."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MAX_BYTES))
        return _checked(told)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _checked(told: Any) -> Progress:
    """The progress, of the types that it should have. Raises LookupError, TypeError, ValueError."""
    if not isinstance(told, dict):
        raise TypeError
    names = {field.name for field in dataclasses.fields(Progress)}
    found = Progress(**{name: value for name, value in told.items() if name in names})
    if found.phase not in PHASES or found.step not in PHASES:
        raise ValueError
    if not all(type(getattr(found, name)) is int for name in _COUNTS):
        raise TypeError
    if not all(isinstance(getattr(found, name), str) for name in _TEXTS):
        raise TypeError
    numbers = (found.born, found.rate, found.seconds_left, found.until, found.began, found.updated)
    if not all(number is None or type(number) in (int, float) for number in numbers):
        raise TypeError
    return found
