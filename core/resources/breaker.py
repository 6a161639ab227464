"""The breaker: safe mode at work for one process, so that a loop of crashes ends.

Wraps risky steps: refuses what is in quarantine when the app would begin it by itself, counts workers that died,
forgets a step's ends when it succeeds. Every change of safe mode is a transition of the flight record. A disk that
cannot keep the count costs the count of later processes, not this one's. The rules are safemode.py's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.errors import Quarantined, WorkerDied
from core.resources import safemode
from core.resources.events import Event
from core.resources.lane import Lane
from core.resources.phases import OpenPhase
from core.resources.recorder import PATIENCE_S, Recorder, new_run
from core.resources.safemode import SafeMode


class Breaker:
    """Safe mode over a recorder's folders; safe to use from several threads."""

    def __init__(
        self, recorder: Recorder, clock: Callable[[], float] = time.time, *, patience_s: float = PATIENCE_S
    ) -> None:
        self.recorder, self._clock, self._patience_s = recorder, clock, patience_s
        self._state_dir, self._persist_dir = recorder.state_dir, recorder.persist_dir
        self._lane = Lane("safe mode")
        self._lock = threading.Lock()
        self._quiet_since = clock()
        self._unkept: tuple[Event, ...] = ()  # ends that no disk would take

    def prepare(self) -> None:
        """Make room for the counts while there is some; once, before the app starts."""
        self._do(lambda: safemode.prepare(self._state_dir, self._persist_dir))

    def state(self) -> SafeMode:
        """Whether safe mode is on. Reads one small file."""
        return safemode.decide([*safemode.read_entries(self._state_dir), *self._unkept])

    @contextmanager
    def step(
        self,
        name: str,
        *,
        case: str | None = None,
        predicted_mb: float | None = None,
        owner: str = "visitor",
        kind: str = "",
        automatic: bool = False,
    ) -> Iterator[OpenPhase]:
        """A risky step, as `Recorder.phase`; with `automatic`, one that no person asked for.

        Raises:
            Quarantined: the step is automatic and safe mode forbids it; nothing was begun.
        """
        if automatic:
            self.require(name, case or "")
        with self.recorder.phase(name, case=case, predicted_mb=predicted_mb, owner=owner, kind=kind) as phase:
            try:
                yield phase
            except WorkerDied:
                self.note_end(name, case or "", "worker died")
                raise
            finally:
                self._quiet_since = self._clock()
        self._do(lambda: safemode.note_done(self._state_dir, self._persist_dir, name, case or "", self._clock()))

    def require(self, phase: str, case: str = "") -> None:
        """Do nothing if the app may begin this step by itself.

        Raises:
            Quarantined: safe mode forbids it; carries the reason.
        """
        state = self.state()
        if state.allows(phase, case):
            return
        why = state.reason if state.active else f'"{phase}" has ended abnormally twice for this case'
        raise Quarantined(
            f"nothing is loaded by itself: {why}", hint="begin it by hand, or leave safe mode on the Resources page"
        )

    def note_end(self, phase: str, case: str, class_: str, key: str = "") -> SafeMode:
        """An abnormal end of the app or of a worker; the same key counts once."""
        before, now, key = self.state(), self._clock(), key or new_run()
        facts = {"phase": phase, "case": case, "class": class_, "key": key}
        if not self._do(lambda: safemode.note_end(self._state_dir, self._persist_dir, phase, case, class_, now, key)):
            self._unkept = (*self._unkept, safemode.entry_of(safemode.END, now, **facts))[-safemode.COUNT :]
        after = self.state()
        if after.active and not before.active:
            self.recorder.note("safe mode entered", reason=after.reason, phase=phase, case=case)
        return after

    def leave(self) -> SafeMode:
        """A person ends safe mode and lifts every quarantine."""
        self._unkept = ()
        self._do(lambda: safemode.leave(self._state_dir, self._persist_dir, self._clock()))
        self.recorder.note("safe mode left", by="a person", phase="")
        return self.state()

    def tick(self, busy: bool = False) -> None:
        """Call it every few seconds: leaves safe mode after ten minutes of healthy running.

        Args:
            busy: a risky step is under way elsewhere; one of this process is known.
        """
        if busy or self.recorder.current() is not None:
            self._quiet_since = self._clock()
            return
        now, entries = self._clock(), [*safemode.read_entries(self._state_dir), *self._unkept]
        if not safemode.is_healthy(entries, self._quiet_since, now):
            return
        active, self._unkept = self.state().active, ()
        self._do(lambda: safemode.note_health(self._state_dir, self._persist_dir, self._quiet_since, now))
        if active and not self.state().active:
            self.recorder.note("safe mode left", by="ten minutes of healthy running", phase="")

    def pending(self) -> bool:
        """Whether ends count that healthy running would clear."""
        return safemode.pending([*safemode.read_entries(self._state_dir), *self._unkept])

    def close(self) -> None:
        """Finish what is being written."""
        self._lane.close()

    def _do(self, job: Callable[[], object]) -> bool:
        failed: list[bool] = [True]

        def work() -> None:
            job()
            failed.clear()

        with self._lock:
            self._lane.do(work, self._patience_s)
        return not failed
