"""Ledger: what steps were predicted to need and what they really used, and the factor that follows.

One JSON line per step in `state_dir/ledger.jsonl`, bounded. A torn or strange line is skipped; a folder that cannot be
written costs the learning, never the step. Holds kinds of steps and megabytes, nothing about cases or people.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FILE = "ledger.jsonl"
KEEP = 50  # of each kind
NEEDS = 5  # fewer say nothing
LEAST, MOST = 0.5, 3.0  # a factor outside this is a mistake, not a lesson
QUANTILE = 0.9  # of used / predicted: nine of ten steps stay below
MAX_BYTES = 64_000


@dataclass(frozen=True)
class Entry:
    """One finished step, MB."""

    kind: str
    predicted_mb: float
    used_mb: float

    @property
    def ratio(self) -> float:
        return self.used_mb / self.predicted_mb


def factor_of(ratios: Sequence[float]) -> float:
    """What predictions are multiplied with: a high quantile of the last ratios; 1 while there are too few."""
    recent = sorted(ratios[-KEEP:])
    if len(recent) < NEEDS:
        return 1.0
    return min(MOST, max(LEAST, recent[math.ceil(QUANTILE * len(recent)) - 1]))


class Ledger:
    """Safe to use from several threads; several processes may write, and see each other's steps after a restart."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._lock = threading.Lock()
        self._entries: dict[str, list[Entry]] | None = None

    def factor(self, kind: str) -> float:
        """What a prediction of that kind is to be multiplied with."""
        return factor_of([entry.ratio for entry in self.entries(kind)])

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """The last steps of one kind, or of all, oldest first within their kind."""
        with self._lock:
            known = self._read()
            kinds = known if kind is None else [kind]
            return tuple(entry for name in kinds for entry in known.get(name, ()))

    def note(self, kind: str, predicted_mb: float, used_mb: float) -> bool:
        """Remember a finished step; False when it is not kept on disk. Numbers that cannot be are left out."""
        entry = _entry({"kind": kind, "predicted_mb": predicted_mb, "used_mb": used_mb})
        if entry is None:
            return False
        with self._lock:
            known = self._read()
            known[kind] = [*known.get(kind, []), entry][-KEEP:]
            return self._append(entry, known)

    def _read(self) -> dict[str, list[Entry]]:
        if self._entries is None:
            self._entries = read_entries(self._path)
        return self._entries

    def _append(self, entry: Entry, known: Mapping[str, Iterable[Entry]]) -> bool:
        line = b"\n" + _line(entry)  # whatever a torn line before it lacks
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._rewrite(known)
                return True
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)  # as in _tail
            try:
                return os.write(handle, line) == len(line)
            finally:
                os.close(handle)
        except OSError:
            return False

    def _rewrite(self, known: Mapping[str, Iterable[Entry]]) -> None:
        beside = self._path.with_name(f".{FILE}.{os.getpid()}")
        try:
            each = max(NEEDS, MAX_BYTES // 200 // max(1, len(known)))
            newest = [entry for entries in known.values() for entry in [*entries][-each:]]
            beside.write_bytes(b"".join(map(_line, newest)))
            beside.replace(self._path)
        finally:
            with suppress(OSError):
                beside.unlink()


def read_entries(path: Path) -> dict[str, list[Entry]]:
    """Whole, well-formed steps by kind, the last KEEP of each; empty when the file cannot be read."""
    known: dict[str, list[Entry]] = {}
    try:
        lines = _tail(path).splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            entry = _entry(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if entry is not None:
            known[entry.kind] = [*known.get(entry.kind, []), entry][-KEEP:]
    return known


def _tail(path: Path) -> bytes:
    """The end of the file, however large it is and whatever stands in its place."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would hold us for ever
    with os.fdopen(handle, "rb") as file:
        file.seek(max(0, os.fstat(handle).st_size - 4 * MAX_BYTES))
        return file.read(4 * MAX_BYTES)


def _entry(value: object) -> Entry | None:
    if not isinstance(value, dict):
        return None
    kind, predicted, used = value.get("kind"), _megabytes(value.get("predicted_mb")), _megabytes(value.get("used_mb"))
    if not isinstance(kind, str) or not 0 < len(kind) <= 60 or predicted is None or used is None:
        return None
    return Entry(kind, predicted, used)


def _megabytes(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0.1 <= value <= 1e8 else None  # not for NaN


def _line(entry: Entry) -> bytes:
    row = {"kind": entry.kind, "predicted_mb": round(entry.predicted_mb, 1), "used_mb": round(entry.used_mb, 1)}
    return (json.dumps(row) + "\n").encode()
