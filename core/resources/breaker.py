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
from core.resources.events import READ_S, Event
from core.resources.lane import Lane
from core.resources.phases import OpenPhase, carry_salt
from core.resources.recorder import PATIENCE_S, Recorder, new_run
from core.resources.safemode import HEALTHY_S, SafeMode
from core.resources.verdict import Verdict


class Breaker:
    """Safe mode over a recorder's folders; safe to use from several threads.

    Args:
        clock: seconds since 1970, for the record alone.
        ticks: seconds that no setting of a clock can change, for how long the app has been healthy.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.recorder, self._clock, self._ticks, self._patience_s = recorder, clock, ticks, patience_s
        self._state_dir, self._persist_dir = recorder.state_dir, recorder.persist_dir
        self._lane, self._bucket = Lane("safe mode"), Lane("safe mode bucket")
        self._lock = threading.Lock()
        self._quiet_since = ticks()
        self._newest_end: Event | None = None
        self._unkept: tuple[Event, ...] = ()  # what the state folder does not have yet, or will not take

    def prepare(self) -> None:
        """Make room for the counts while there is some, and ask the persistent folder in a fresh container; once,
        before the app starts."""
        persist_dir = self._persist_dir
        if persist_dir is not None:
            self._bucket.do(lambda: carry_salt(self._state_dir, persist_dir), self._patience_s)
        self._lane.do(lambda: safemode.prepare(self._state_dir, persist_dir), self._patience_s + READ_S)

    def state(self) -> SafeMode:
        """Whether safe mode is on. Reads one small file."""
        return safemode.decide(self._entries())

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
                self._quiet_since = self._ticks()
        if not safemode.is_done(self._entries(), name, case or ""):
            self._keep(safemode.DONE, phase=name, case=case or "")

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

    def note_run(self, verdict: Verdict) -> None:
        """The end of a run, which counts where it was abnormal, as of when it ended."""
        if verdict.abnormal and verdict.counts:
            at = verdict.ended_at or verdict.last_sign
            self.note_end(verdict.phase or "", verdict.case or "", verdict.class_, verdict.run, at)

    def note_end(self, phase: str, case: str, class_: str, key: str = "", at: float | None = None) -> SafeMode:
        """An abnormal end of the app or of a worker, `at` or now; the same key counts once."""
        before, said = self.state(), {"phase": phase, "case": case, "class": class_, "key": key or new_run()}
        self._keep(safemode.END, **said, ended="" if at is None else f"{at:.1f}")
        after = self.state()
        if after.active and not before.active:
            self.recorder.note("safe mode entered", reason=after.reason, phase=phase, case=case)
        return after

    def leave(self) -> SafeMode:
        """A person ends safe mode and lifts every quarantine."""
        self._keep(safemode.LEFT)
        self.recorder.note("safe mode left", by="a person", phase="")
        return self.state()

    def tick(self, busy: bool = False) -> None:
        """Call it every few seconds: leaves safe mode after ten minutes of healthy running.

        Args:
            busy: a risky step is under way elsewhere; one of this process is known.
        """
        entries = self._entries()
        newest = safemode.newest_end(entries)
        if newest != self._newest_end or busy or self.recorder.current() is not None:
            self._newest_end, self._quiet_since = newest, self._ticks()
        elif newest is not None and self._ticks() - self._quiet_since >= HEALTHY_S:
            self._keep(safemode.HEALTHY)
            if safemode.decide(entries).active:
                self.recorder.note("safe mode left", by="ten minutes of healthy running", phase="")

    def pending(self) -> bool:
        """Whether ends count that healthy running would clear."""
        return safemode.pending(self._entries())

    def close(self) -> None:
        """Finish what is being written."""
        self._lane.close()
        self._bucket.close()

    def _entries(self) -> tuple[Event, ...]:
        unkept = self._unkept  # before the file: what is moved there meanwhile counts once all the same
        kept = safemode.read_entries(self._state_dir)
        known = {entry.key for entry in kept}
        return (*kept, *(entry for entry in unkept if entry.key not in known))

    def _keep(self, event: str, **facts: str) -> None:
        """Add an entry: for this process at once, for others when a disk has it; a hung bucket stops no disk."""
        entry = safemode.entry_of(event, self._clock(), **facts)
        with self._lock:
            self._unkept = (*self._unkept, entry)[-safemode.COUNT :]
            if event == safemode.END:
                self._newest_end, self._quiet_since = entry, self._ticks()
        persist_dir, began = self._persist_dir, self._ticks()
        if persist_dir is not None:
            self._bucket.do(lambda: safemode.put(persist_dir, [entry]))
        self._lane.do(self._write, self._patience_s)
        if persist_dir is not None:
            self._bucket.settle(max(0.001, self._patience_s - (self._ticks() - began)))

    def _write(self) -> None:
        """In the lane: what is not kept yet, in its order."""
        with self._lock:
            waiting = self._unkept
        if waiting:
            safemode.keep(self._state_dir, waiting)
            with self._lock:
                self._unkept = tuple(entry for entry in self._unkept if entry not in waiting)
