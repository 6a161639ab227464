"""Runs: when the app started and how each run ended, kept so that the next start can tell.

One JSON line per start and per end in `state_dir/runs.jsonl`, fsynced, bounded. A torn or strange line is skipped; a
folder that cannot be written costs the record, never the run. Holds times, process numbers and return codes, nothing
about cases or people.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

FILE = "runs.jsonl"
MAX_BYTES = 64_000  # about 300 lines; then the newest half stays
CLEAN_CODES = frozenset({0, 130, 143})  # exit, SIGINT and SIGTERM as Streamlit answers them (facts, spaces)
_CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
_SAME_START_S = 2.0  # two looks at one process's start time differ by less; a reused number differs by more


@dataclass(frozen=True)
class Ending:
    """How a run ended: a class, "confirmed", "probable" or "none" as confidence, and what says so."""

    class_: str
    confidence: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class PreviousRun:
    """The newest run that is over. `started_at` and `ended_at` are seconds since 1970; the end may be unknown."""

    class_: str
    confidence: str
    evidence: tuple[str, ...]
    started_at: float
    ended_at: float | None

    def as_json(self) -> dict[str, Any]:
        return {"class": self.class_, "confidence": self.confidence, "evidence": list(self.evidence)}


def judge(returncode: int, *, asked: bool = False, forced: bool = False, oom_kills: int | None = None) -> Ending:
    """What a return code says. Pure.

    Args:
        returncode: as subprocess gives it, negative for a signal.
        asked: we told the app to stop.
        forced: it did not, and was killed by us.
        oom_kills: kernel kills for memory seen in the container during the run; None when nobody could count.
    """
    by = f"return code {returncode}" if returncode >= 0 else f"ended by {_signal_name(-returncode)}"
    if forced:
        return Ending("clean stop", "confirmed", ("asked to stop", "it took too long and the supervisor killed it"))
    if returncode in CLEAN_CODES or (asked and returncode in (-signal.SIGTERM, -signal.SIGINT)):
        return Ending("clean stop", "confirmed", (by,))
    if returncode == -signal.SIGKILL and oom_kills:
        return Ending("out of memory", "confirmed", (by, f"the kernel counted {oom_kills} kill(s) for memory"))
    if returncode == -signal.SIGKILL:
        counted = "no kill for memory was counted" if oom_kills == 0 else "kills for memory could not be counted"
        return Ending("killed", "confirmed", (by, counted))
    if -returncode in _CRASHES:
        return Ending("native crash", "confirmed", (by,))
    return Ending("killed" if returncode < 0 else "crash", "confirmed", (by,))


class RunLog:
    """Writes the record. `start` and the ending's time come from `clock`."""

    def __init__(self, state_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = state_dir / FILE, clock

    def start(self) -> str:
        """Record that a run begins in this process, before it does; returns its id."""
        run, pid = uuid.uuid4().hex[:12], os.getpid()
        self._append({"event": "start", "run": run, "at": self._clock(), "pid": pid, "born": _born(pid)})
        return run

    def end(self, run: str, ending: Ending, returncode: int | None = None) -> None:
        """Record how the run ended."""
        record = {"event": "end", "run": run, "at": self._clock(), "rc": returncode, "class": ending.class_}
        self._append({**record, "confidence": ending.confidence, "evidence": list(ending.evidence)})

    def _append(self, record: Mapping[str, Any]) -> bool:
        """False when the line could not be kept (read-only or full disk): the run goes on without."""
        line = (json.dumps(record) + "\n").encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._shorten()
            with self._path.open("ab") as file:
                torn = file.tell() > 0 and _last_byte(self._path) != b"\n"
                file.write(b"\n" + line if torn else line)  # a torn line must not swallow this one
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return False
        return True

    def _shorten(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < MAX_BYTES:
            return
        lines = self._path.read_bytes()[-MAX_BYTES // 2 :].splitlines(keepends=True)[1:]
        beside = self._path.with_name(f".{FILE}.{os.getpid()}")
        beside.write_bytes(b"".join(lines))
        beside.replace(self._path)


def previous_run(state_dir: Path, alive: Callable[[int, float | None], bool] | None = None) -> PreviousRun | None:
    """How the newest run that is over ended; None when no run is recorded.

    A run without an end whose process still lives is the present one and is passed over.

    Args:
        alive: whether process `pid` that was born at that time still runs; a seam for tests.
    """
    still = alive or is_alive
    records = list(_records(state_dir / FILE))
    ends = {record["run"]: record for record in records if record["event"] == "end"}
    for start in reversed([record for record in records if record["event"] == "start"]):
        end = ends.get(start["run"])
        if end is not None:
            evidence = tuple(str(item) for item in end["evidence"])
            return PreviousRun(end["class"], end["confidence"], evidence, start["at"], end["at"])
        if not still(start["pid"], start["born"]):
            why = ("there is no stop record", "its process is gone")
            return PreviousRun("unknown", "none", why, start["at"], None)
    return None


def is_alive(pid: int, born: float | None) -> bool:
    """Whether the process lives and is the same one: numbers are used again, in containers at every start."""
    now = _born(pid)
    return now is not None and (born is None or abs(now - born) < _SAME_START_S)


def _born(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Whole, well-formed records, oldest first."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and _well_formed(record):
            yield record


def _well_formed(record: Mapping[str, Any]) -> bool:
    if not isinstance(record.get("run"), str) or not _is_time(record.get("at")):
        return False
    if record.get("event") == "start":
        pid, born = record.get("pid"), record.get("born")
        return type(pid) is int and 0 < pid < 1 << 31 and (born is None or _is_time(born))
    words = (record.get("class"), record.get("confidence"))
    return (
        record.get("event") == "end"
        and all(isinstance(word, str) for word in words)
        and isinstance(record.get("evidence"), list)
    )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
