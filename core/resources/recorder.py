"""The flight recorder: heartbeat and transitions of a process, written so that they outlive it.

The heartbeat goes to a preallocated file (beats.py), transitions to an fsynced record and, where a persistent folder is
given, to one immutable file each (events.py); what starts a risky step is written before the step. A full, read-only
or slow disk costs the record, never the app: failures are counted. Each transition is one line on stderr too. Several
processes of one run may each have a recorder. Judges nothing (verdict.py).
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from core.resources import beats, events
from core.resources.beats import Beat, Vitals, crossings, worth_keeping
from core.resources.events import Event, clean, in_words
from core.resources.lane import Lane
from core.resources.phases import NO_PHASE, OpenPhase, Phases
from core.resources.pids import born_of
from core.resources.slots import Slots

LOG = logging.getLogger("strokescope.flight")
RUN = "STROKESCOPE_RUN"  # id of the run, from the process that began it to those it starts
FOLDER = "flight"  # below the state folder and below the persistent one
PATIENCE_S = 0.5  # how long a transition waits to be on disk
TROUBLE_S = 10.0  # how long a heartbeat tells of a failed write
FRESH_S = 10.0  # how long a measurement may stand beside a transition
RETRY_S = 30.0  # between two tries to get a file for the heartbeat
TOLD_EVERY = 100  # failures of one kind are told first and then this seldom
_NUMBERS = itertools.count(1)  # events of this process, whichever recorder keeps them


class Recorder:
    """Records for this process; safe to use from several threads. Nothing is opened before something is recorded.

    Args:
        state_dir: local record.
        persist_dir: a folder that outlives the container (a mounted bucket), None for none.
        role: "app", "supervisor", "worker" or "command".
        run: id of the run; by default the one that STROKESCOPE_RUN names, or a new one.
        patience_s: how long a transition waits for the disk, 0 for not at all.
    """

    def __init__(
        self,
        state_dir: Path,
        persist_dir: Path | None = None,
        *,
        role: str = "app",
        run: str | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.state_dir, self.persist_dir, self.role = state_dir, persist_dir, role
        self.run = run or run_id(os.environ)
        self._clock, self._ticks, self._patience_s = clock, ticks, patience_s
        self._pid, self._born = os.getpid(), born_of(os.getpid())
        self._lock = threading.RLock()
        self._local, self._bucket = Lane("local", on_error=self._on_error), Lane("bucket", on_error=self._on_error)
        self._ring: Slots | None = None
        self._tried = float("-inf")
        self._phases = Phases()
        self._last: Beat | None = None
        self._vitals, self._vitals_at = Vitals(), float("-inf")
        self._near: set[str] = set()
        self._put = 0
        self._trouble: tuple[int, float] | None = None
        self._told: dict[int, int] = {}

    def beat(self, vitals: Vitals, tell: bool = True) -> None:
        """One heartbeat; returns at once. Those that say nothing new within a second are left out.

        Args:
            tell: a limit that comes near is a transition; not where another process of the run tells of it.
        """
        with self._lock:
            self._vitals = vitals
            self._vitals_at = self._ticks()
            crossed = crossings(vitals, self._near) if tell else []
            beat = self._beat(self._clock())
            if worth_keeping(beat, self._last):
                self._last = beat
                self._local.do(lambda: self._write(beat))
        for event, what, part in crossed:
            self.record(event, {"what": what, "percent": round(100 * part)}, wait_s=0.0)

    def beat_ram(self, used: float, limit: float, oom_kills: int | None = None) -> None:
        """A heartbeat between two, of whoever looks at RAM alone, and more often."""
        with self._lock:
            self.beat(replace(self._fresh(), ram_used=used, ram_limit=limit, oom_kills=oom_kills), tell=False)

    def note(self, event: str, **facts: object) -> bool:
        """`record`, with the facts as keywords."""
        return self.record(event, facts)

    def record(self, event: str, facts: Mapping[str, object], wait_s: float | None = None) -> bool:
        """Keep a transition, say it on stderr, and wait (a bounded time) until the disk has it.

        Without a `phase` among the facts, the risky step that is under way is added. Errno 28 or a full disk is the
        event "disk full". `of_run` names another run that this is about. True when every record has it.
        """
        name = event.replace("_", " ")
        if name in ("disk full", "errno 28"):
            self._note_trouble(errno.ENOSPC)
            name = "disk full"
        with self._lock:
            kept, beat = self._made(name, facts, next(_NUMBERS))
            self._last = beat
        LOG.info("%s", in_words(kept))
        return self._keep(kept, beat, self._patience_s if wait_s is None else wait_s)

    def phase(
        self,
        name: str,
        *,
        case: str | None = None,
        predicted_mb: float | None = None,
        owner: str = "visitor",
        kind: str = "",
    ) -> OpenPhase:
        """A risky step: `with recorder.phase("engine", case=…, predicted_mb=…):` is on disk before the block begins.

        Args:
            name: "fetch", "decode", "resample", "engine", "score", "publish", …
            case: id of a public case, or a `case_word`.
            owner: "visitor" for somebody's job, "app" for what the app does by itself; never who it is.
        """
        words = {"name": name, "case": case or "", "owner": owner, "kind": kind}
        kept = {what: str(word) for what, word in clean(words).items()}
        return OpenPhase(**kept, predicted_mb=predicted_mb, phases=self._phases, note=self.note)

    def current(self) -> OpenPhase | None:
        """The newest risky step that is under way in this process."""
        return self._phases.newest()

    def troubles(self) -> Mapping[str, int]:
        """What could not be recorded, and how often: {"local ENOSPC": 3, "bucket late": 1}."""
        return {**self._local.counts(), **self._bucket.counts()}

    def adopt(self, found: tuple[Event, ...]) -> None:
        """Copy events of a persistent folder into the local record, as they are."""
        self._local.do(lambda: events.append(self._folder, found), self._patience_s)

    def environment(self) -> dict[str, str]:
        """What a child process needs to record for the same run."""
        return {RUN: self.run}

    def close(self, wait_s: float = 2.0) -> bool:
        """Write what is waiting and give the files back; True when all of it is written."""
        done = [lane.close(wait_s) for lane in (self._local, self._bucket)]
        with self._lock:
            ring, self._ring = self._ring, None
            self._tried = float("-inf")
        if ring is not None and done[0]:
            ring.close()
        return all(done)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def _folder(self) -> Path:
        return self.state_dir / FOLDER

    def _made(self, name: str, facts: Mapping[str, object], number: int) -> tuple[Event, Beat]:
        """A transition as an event and as a heartbeat, which has room for the most important of it."""
        phase, v, said = self._phases.newest() or NO_PHASE, self._fresh(), dict(facts)
        if "phase" not in said and phase.name:
            said |= {"phase": phase.name, "case": said.get("case") or phase.case, "owner": phase.owner}
            said.setdefault("predicted_mb", phase.predicted_mb)
        run = str(said.pop("of_run", self.run))
        if run == self.run:  # of another run nothing was measured now
            for label, value in (("ram", v.ram), ("disk", v.disk)):
                if value is not None:
                    said[f"{label}_percent"] = 100 * value
            if v.ram_used is not None and v.ram_limit is not None:
                said |= {"ram_mb": v.ram_used / 1e6, "ram_limit_mb": v.ram_limit / 1e6}
        used, limit = said.get("used_mb"), said.get("limit_mb")
        if isinstance(used, int | float) and isinstance(limit, int | float) and limit > 0:  # newer than the heartbeat
            said |= {"ram_percent": 100 * used / limit, "ram_mb": used, "ram_limit_mb": limit}
        event = Event(name, run, self._clock(), self.role, self._pid, self._born, number, clean(said))
        code = event.value("rc")
        beat = replace(
            self._beat(event.at),
            event=name,
            number=number,
            phase=event.text("phase"),
            case=event.text("case"),
            owner=event.text("owner"),
            predicted_mb=event.value("predicted_mb"),
            code=None if code is None else int(code),
        )
        return event, beat

    def _beat(self, now: float) -> Beat:
        phase = self._phases.newest() or NO_PHASE
        trouble = self._trouble if self._trouble and 0 <= now - self._trouble[1] < TROUBLE_S else None
        return Beat(
            at=now,
            run=self.run,
            role=self.role,
            pid=self._pid,
            born=self._born,
            vitals=self._fresh(),
            phase=phase.name,
            case=phase.case,
            kind=phase.kind,
            owner=phase.owner,
            predicted_mb=phase.predicted_mb,
            errno=trouble[0] if trouble else None,
        )

    def _fresh(self) -> Vitals:
        """What was measured last; nothing when that is long ago, as a verdict would take it for the present."""
        return self._vitals if self._ticks() - self._vitals_at < FRESH_S else Vitals()

    def _keep(self, event: Event, beat: Beat, wait_s: float) -> bool:
        kept: list[bool] = []

        def local() -> None:
            if event.run == beat.run:
                self._write(beat)  # first: it works on a full disk
            events.append(self._folder, [event])
            kept.append(True)

        def bucket(folder: Path) -> None:
            events.put_file(folder, event)
            kept.append(True)
            self._put += 1
            if self._put % 20 == 1:
                events.prune(folder)

        began = time.monotonic()
        folder = self.persist_dir / FOLDER if self.persist_dir is not None else None
        if folder is not None:
            self._bucket.do(lambda: bucket(folder))
        self._local.do(local, wait_s)
        if folder is not None and wait_s > 0:
            self._bucket.settle(max(0.001, wait_s - (time.monotonic() - began)))
        return len(kept) == (1 if folder is None else 2)

    def _write(self, beat: Beat) -> None:
        """In the local lane: put a heartbeat into its file, which is opened when there is none yet."""
        if self._ring is None:
            if time.monotonic() - self._tried < RETRY_S:
                return
            self._tried = time.monotonic()
            try:
                self._ring = beats.open_beats(self._folder, self.role)
            except OSError as error:
                self._local.failed(error)
                return
        try:
            self._ring.write(beats.pack_beat(beat))
            lost = self._ring.removed
        except OSError as error:
            self._local.failed(error)
            lost = True
        if lost:  # somebody cleared the folder: another file next time
            self._ring.close()
            self._ring, self._tried = None, float("-inf")

    def _on_error(self, error: OSError) -> None:
        number = error.errno or 0
        self._note_trouble(number)
        with self._lock:
            self._told[number] = count = self._told.get(number, 0) + 1
        if count % TOLD_EVERY == 1:
            LOG.warning("the record could not be written (%s, %d so far)", errno.errorcode.get(number, "error"), count)

    def _note_trouble(self, number: int) -> None:
        with self._lock:
            self._trouble = (number, self._clock())


def run_id(environ: Mapping[str, str]) -> str:
    """The run that this process belongs to, or a new one."""
    given = environ.get(RUN, "")
    return given if given.isalnum() and len(given) == 12 else new_run()


def new_run() -> str:
    """An id for a new run."""
    return uuid.uuid4().hex[:12]
