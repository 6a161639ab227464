"""JobBook: what is known of every job, also after the process that ran it is gone: one small JSON file and a log each.

Keeps, bounds and protects the records: a job that is over changes no more, whoever comes later. Runs nothing (desk.py).
The disk is written by a lane of its own, so that a slow one holds up no page; one that is full costs only the memory
of a job after a restart.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.resources.lane import Lane
from core.resources.pids import born_of
from core.workflows.job_record import JobRecord as JobRecord
from core.workflows.job_record import is_id as is_id

MOST, DAYS = 400, 30.0  # records; the oldest of those that are over go first
LOG_LINES = 200  # of one job
LARGEST = 1_000_000  # bytes of a record; a longer one is none
WRITE_S = 2.0  # between two writes that tell of nothing but progress
WAIT_S = 0.5  # how long a change of state waits to be on disk


@dataclass(frozen=True)
class LogLine:
    """What happened to a job, and when (seconds since 1970)."""

    at: float
    text: str


class JobBook:
    """The records below one folder; safe to use from several threads. Reads the folder when it is first asked.

    Args:
        most, days: how many records stay, and for how long.
    """

    def __init__(
        self, folder: Path, most: int = MOST, days: float = DAYS, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._most, self._days, self._clock = folder, most, days, clock
        self._lane = Lane("jobs")
        self._lock = threading.RLock()
        self._records: dict[str, JobRecord] | None = None
        self._logs: dict[str, deque[LogLine]] = {}
        self._written: dict[str, float] = {}

    def open(self, record: JobRecord) -> None:
        """A new job; on disk, if the disk is well, when this returns."""
        with self._lock:
            self._all()[record.job_id] = record
            self._logs[record.job_id] = deque(maxlen=LOG_LINES)
            gone = self._surplus()
        self._write(record.job_id, wait=True)
        for job_id in gone:
            self._lane.do(lambda job_id=job_id: self._remove(job_id))  # type: ignore[misc]

    def advance(self, job_id: str, **changes: Any) -> JobRecord | None:
        """The record as it is now that this has changed; None where it is over, or unknown, and nothing changes."""
        with self._lock:
            before = self._all().get(job_id)
            if before is None or before.over:
                return None
            after = self._records_now(job_id, replace(before, **changes))
            moved = after.state != before.state
            due = self._clock() - self._written.get(job_id, 0.0) > WRITE_S
        if moved or due:
            self._write(job_id, wait=after.over)
        return after

    def explain(self, job_id: str, reason: str) -> None:
        """Why a job was interrupted, now that it is known."""
        with self._lock:
            before = self._all().get(job_id)
            if before is None or not before.unexplained:
                return
            self._records_now(job_id, replace(before, reason=reason, unexplained=False))
        self._write(job_id)

    def get(self, job_id: str) -> JobRecord | None:
        """The record of that job."""
        with self._lock:
            return self._all().get(job_id)

    def all(self) -> tuple[JobRecord, ...]:
        """Every record, oldest first."""
        with self._lock:
            return tuple(sorted(self._all().values(), key=lambda record: record.created))

    def is_own(self, job_id: str) -> bool:
        """Whether the job was opened here, not by another process."""
        with self._lock:
            return job_id in self._logs

    def look_again(self, job_id: str) -> JobRecord | None:
        """The record as another process has written it meanwhile."""
        found = self._read(job_id)
        with self._lock:
            if found is not None and job_id in self._all():
                self._records_now(job_id, found)
            return self._all().get(job_id)

    def say(self, job_id: str, text: str) -> None:
        """A line for the log of a job."""
        line = LogLine(self._clock(), text)
        with self._lock:
            lines = self._logs.get(job_id)
            if lines is None or (lines and lines[-1].text == text):
                return
            lines.append(line)
            kept = list(lines)
        if len(kept) < LOG_LINES:
            self._lane.do(lambda: self._append(job_id, line))

    def log(self, job_id: str) -> tuple[LogLine, ...]:
        """What happened to the job, oldest first."""
        with self._lock:
            if job_id in self._logs:
                return tuple(self._logs[job_id])
        try:
            text = self._path(job_id, "log").read_text(encoding="utf-8") if is_id(job_id) else ""
        except (OSError, ValueError):
            return ()
        return tuple(line for line in map(_line, text.splitlines()[:LOG_LINES]) if line is not None)

    def sweep(self) -> None:
        """Remove what a process that died while it wrote has left."""
        with suppress(OSError):
            for path in self._folder.glob(".*.part"):
                pid = path.name.split(".")[-2]
                if not (pid.isdigit() and pid.isascii()) or born_of(int(pid)) is None:
                    path.unlink(missing_ok=True)

    def close(self, wait_s: float = 2.0) -> bool:
        """Write what is waiting; True when all of it is written. The book can be used on."""
        with self._lock:
            late = [] if self._records is None else [job_id for job_id in self._logs if job_id in self._records]
        for job_id in late:
            self._write(job_id)
        return self._lane.close(wait_s)

    def _all(self) -> dict[str, JobRecord]:
        """The records; under the lock."""
        if self._records is None:
            self._records = {}
            with suppress(OSError):
                for path in sorted(self._folder.glob("*.json")):
                    found = self._read(path.stem)
                    if found is not None:
                        self._records[found.job_id] = found
        return self._records

    def _records_now(self, job_id: str, record: JobRecord) -> JobRecord:
        self._all()[job_id] = record
        return record

    def _surplus(self) -> list[str]:
        """Forget what is too old or too much; gives the ids. Under the lock."""
        over = sorted((r for r in self._all().values() if r.over), key=lambda r: r.ended or r.created)
        much, oldest = len(self._all()) - self._most, self._clock() - self._days * 86400
        gone = [r.job_id for n, r in enumerate(over) if n < much or (r.ended or r.created) < oldest]
        for job_id in gone:
            del self._all()[job_id]
            self._logs.pop(job_id, None)
            self._written.pop(job_id, None)
        return gone

    def _path(self, job_id: str, suffix: str) -> Path:
        return self._folder / f"{job_id}.{suffix}"

    def _read(self, job_id: str) -> JobRecord | None:
        if not is_id(job_id):
            return None
        try:
            with self._path(job_id, "json").open("rb") as file:
                found = JobRecord.from_json(file.read(LARGEST))
        except (OSError, ValueError):
            return None
        return found if found is not None and found.job_id == job_id else None

    def _write(self, job_id: str, wait: bool = False) -> None:
        self._lane.do(lambda: self._put(job_id), WAIT_S if wait else 0.0)

    def _put(self, job_id: str) -> None:
        """Write the record as it is now, beside, then renamed."""
        with self._lock:
            record = self._all().get(job_id)
            self._written[job_id] = self._clock()
        if record is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f".{job_id}.{os.getpid()}.part"
        try:
            beside.write_text(json.dumps(asdict(record)), encoding="utf-8")
            beside.replace(self._path(job_id, "json"))
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise

    def _append(self, job_id: str, line: LogLine) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path(job_id, "log").open("a", encoding="utf-8") as file:
            file.write(json.dumps([round(line.at, 3), line.text]) + "\n")

    def _remove(self, job_id: str) -> None:
        for suffix in ("json", "log"):
            self._path(job_id, suffix).unlink(missing_ok=True)


def _line(text: str) -> LogLine | None:
    try:
        at, said = json.loads(text)
        return LogLine(float(at), str(said))
    except (ValueError, TypeError):
        return None
