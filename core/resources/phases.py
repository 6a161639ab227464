"""Phases: the risky steps that are under way in this process, each recorded when it begins and when it ends.

Records through a function that it is given; decides nothing.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from core.resources.slots import read_tail

_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SALT, _SALT_BYTES = "salt", 16


class Phases:
    """The open phases, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._open: list[OpenPhase] = []
        self._lock = threading.Lock()

    def newest(self) -> OpenPhase | None:
        """The one that began last."""
        with self._lock:
            return self._open[-1] if self._open else None

    def add(self, phase: OpenPhase) -> None:
        """It begins."""
        with self._lock:
            self._open.append(phase)

    def remove(self, phase: OpenPhase) -> None:
        """It is over."""
        with self._lock:
            if phase in self._open:
                self._open.remove(phase)


class OpenPhase:
    """One risky step, a context manager. Made by `Recorder.phase`; attributes are as given there.

    `outcome` is "done", or the name of the error that left the block.
    """

    def __init__(
        self,
        name: str,
        case: str,
        predicted_mb: float | None,
        owner: str,
        kind: str,
        phases: Phases,
        note: Callable[..., bool],
    ) -> None:
        self.name, self.case, self.predicted_mb, self.owner, self.kind = name, case, predicted_mb, owner, kind
        self.outcome = ""
        self._phases, self._note, self._began = phases, note, 0.0

    def __enter__(self) -> OpenPhase:
        self._began = time.monotonic()
        self._phases.add(self)
        self._say("phase begin")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.outcome = "done" if kind is None else kind.__name__
        self._say("phase end", outcome=self.outcome, seconds=time.monotonic() - self._began)
        self._phases.remove(self)

    def worker_end(
        self, rc: int, *, oom_kills: int | None = None, peak_mb: float | None = None, cancelled: bool = False
    ) -> None:
        """Record how this step's worker process ended.

        Args:
            rc: as subprocess gives it, negative for a signal.
            oom_kills: kernel kills for memory seen meanwhile; None when nobody could count.
            cancelled: we ended it because a person or a deadline wanted so.
        """
        self._say("worker end", rc=rc, oom_kills=oom_kills, peak_mb=peak_mb, cancelled=cancelled)

    def _say(self, event: str, **facts: object) -> None:
        same = {"phase": self.name, "case": self.case, "owner": self.owner, "kind": self.kind}
        self._note(event, **same, predicted_mb=self.predicted_mb, **facts)


NO_PHASE = OpenPhase("", "", None, "", "", Phases(), lambda event, **facts: True)


def case_word(case_id: str, state_dir: Path, *, public: bool) -> str:
    """A case's name for the record: its id when it is one of a public dataset, otherwise a word that hides it.

    The same case has the same word as long as the state folder lives; a secret beside it keeps names from being tried.
    """
    if public and _CASE.fullmatch(case_id):
        return case_id
    return "private-" + hashlib.blake2s(case_id.encode(), key=_salt(state_dir), digest_size=5).hexdigest()


def carry_salt(state_dir: Path, persist_dir: Path) -> None:
    """Let the words outlive the container: the secret of the persistent folder, or ours goes there.

    Raises:
        OSError: it could not be kept.
    """
    kept = _read_salt(persist_dir / _SALT)
    if kept is None:
        _write_salt(persist_dir / _SALT, _salt(state_dir))
    elif kept != _read_salt(state_dir / _SALT):
        _write_salt(state_dir / _SALT, kept)


def _salt(state_dir: Path) -> bytes:
    path = state_dir / _SALT
    found = _read_salt(path)
    if found is None:
        try:
            _write_salt(path, os.urandom(_SALT_BYTES))
        except OSError:
            return _own_salt()
        found = _read_salt(path)
    return found or _own_salt()


@functools.cache
def _own_salt() -> bytes:
    """Where none can be kept: words that this process alone can make, rather than words that anybody can."""
    return os.urandom(_SALT_BYTES)


def _read_salt(path: Path) -> bytes | None:
    found = read_tail(path, 2 * _SALT_BYTES)
    return found if len(found) == _SALT_BYTES else None


def _write_salt(path: Path, salt: bytes) -> None:
    """Whole or not at all; of several processes that make one, the last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = False
    fd, beside = tempfile.mkstemp(prefix=f"{_SALT}-", dir=path.parent)
    try:
        whole = os.write(fd, salt) == len(salt)
    finally:
        os.close(fd)
        if not whole:
            Path(beside).unlink(missing_ok=True)
    Path(beside).replace(path)
