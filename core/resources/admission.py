"""Admission: the door before every expensive step. Lets it in, lets it wait in a fair line, or refuses with numbers.

    with admission.enter(step, owner, cancelled, waiting) as ticket:
        … ticket.started(pid) … ticket.used(peak_mb)

The decisions are line.py's. Does not run the step and does not measure the container: `room` does.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from core.errors import JobCancelled
from core.resources.budget import Decision, Help, refusal
from core.resources.cost import Step
from core.resources.ledger import Ledger
from core.resources.line import Entry, Room, decisions, held, in_order, never_fits, next_in_line, not_now

POLL_S = 0.1  # cancelling and a change of the container are seen this soon
SETTLE_S = 1.0  # what no end of other work could let in is refused after so long: RAM goes a moment after its worker
DISK = "disk"  # who holds the door when the disk is short
ROOM_S = 0.05  # one look at the container serves everybody who waits, for so long

OnWaiting = Callable[[int, str], None]  # position in the line, 1 is next; why
Record = Callable[..., object]  # (event, **facts)


@dataclass(frozen=True)
class Place:
    """One step for the screen: nobody's name. `position` is 0 while it runs."""

    what: str
    kind: str
    case: str
    memory_mb: float
    position: int
    since: float
    why: str


class Ticket:
    """A step that was let in.

    Attributes:
        predicted_mb: what it may use, with what was learnt; the watchdog and the backstop go by it.
    """

    def __init__(self, step: Step, predicted_mb: float, ledger: Ledger | None) -> None:
        self.step, self.predicted_mb, self._ledger = step, predicted_mb, ledger
        self.pid: int | None = None

    def started(self, pid: int) -> None:
        """The process that does the step: what it uses already is not counted twice."""
        self.pid = pid

    def used(self, peak_mb: float) -> None:
        """What it really took, for the next prediction; of steps that were cut short only what exceeds it."""
        if self._ledger is not None:
            self._ledger.note(self.step.kind, self.step.memory_mb, peak_mb)


@dataclass
class _Here:
    """One step behind the door; changed only under the lock."""

    entry: Entry
    ticket: Ticket
    since: float
    why: str = ""


class Admission:
    """One door for all sessions. Safe to use from several threads.

    Attributes:
        heavy_at_once: heavy steps that may run together.

    Args:
        room: the container now; a millisecond at most.
        ledger: what was learnt; None learns nothing.
        resident_mb: what a process uses now; 0 when it is gone.
        helps: what people could do to make room.
        trim: gives memory back before a refusal; what the app can spare.
        record: told of refusals and of steps that had to wait.
        heavy_at_once: as the attribute.
    """

    def __init__(
        self,
        room: Callable[[], Room],
        ledger: Ledger | None = None,
        *,
        resident_mb: Callable[[int], float] = lambda pid: 0.0,
        helps: Callable[[], Sequence[Help]] = tuple,
        trim: Callable[[], None] = lambda: None,
        record: Record = lambda event, **facts: None,
        heavy_at_once: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room, self._ledger, self._resident_mb = room, ledger, resident_mb
        self._helps, self._trim, self._record = helps, trim, record
        self.heavy_at_once, self._clock = heavy_at_once, clock
        self._change = threading.Condition()
        self._numbers = itertools.count()
        self._waiting: dict[int, _Here] = {}
        self._running: dict[int, _Here] = {}
        self._held: Mapping[str, str] = {}
        self._holding = threading.Lock()
        self._seen: tuple[float, Room] | None = None

    @contextmanager
    def enter(
        self,
        step: Step,
        owner: str = "",
        cancelled: Callable[[], bool] = lambda: False,
        waiting: OnWaiting = lambda position, why: None,
    ) -> Iterator[Ticket]:
        """Wait until the step may begin; it counts as running until the block ends.

        Args:
            owner: whose turn it is; sessions take turns.
            cancelled: asked every POLL_S.
            waiting: told the position and the reason whenever one changes, from the calling thread.

        Raises:
            OverBudget: it does not fit this container, or not beside what is open now and will not go by itself.
            JobCancelled: `cancelled` said so while it waited.
        """
        here = self._arrive(step, owner)
        try:
            self._wait(here, cancelled, waiting)
            yield here.ticket
        finally:
            with self._change:
                self._waiting.pop(here.entry.number, None)
                self._running.pop(here.entry.number, None)
                self._seen = None
                self._change.notify_all()

    def hold(self, why: str, by: str = "watchdog") -> None:
        """Let nobody in beside what runs until `resume`, e.g. because RAM is short; those who wait are told why.

        By "disk" holds only those who will write. Never waits for the door itself, which may be looking at the room.
        """
        with self._holding:
            self._held = {**self._held, by: why}

    def resume(self, by: str = "watchdog") -> None:
        """Let steps in again; they see it within POLL_S."""
        with self._holding:
            self._held = {name: why for name, why in self._held.items() if name != by}

    def places(self) -> tuple[Place, ...]:
        """What runs, then the line, for the screen."""
        with self._change:
            line = [self._waiting[entry.number] for entry in self._line()]
            rows = [(0, here) for here in self._running.values()] + list(enumerate(line, start=1))
        return tuple(
            Place(
                here.ticket.step.what,
                here.ticket.step.kind,
                here.ticket.step.case,
                here.entry.memory_mb,
                position,
                here.since,
                here.why,
            )
            for position, here in rows
        )

    def predict_mb(self, step: Step) -> float:
        """The prediction with what was learnt."""
        return step.memory_mb * (1.0 if self._ledger is None else self._ledger.factor(step.kind))

    def check(self, step: Step) -> tuple[Decision, Decision]:
        """The sums for RAM and disk as if the step came now, beside what runs; for the screen and calculators."""
        with self._change:
            entry = Entry(-1, "", self.predict_mb(step), step.disk_mb, step.heavy)
            return decisions(entry, self._entries_running(), self._look())

    def _arrive(self, step: Step, owner: str) -> _Here:
        predicted = self.predict_mb(step)
        with self._change:
            entry = Entry(next(self._numbers), owner, predicted, step.disk_mb, step.heavy)
            here = _Here(entry, Ticket(step, predicted, self._ledger), self._clock())
            self._waiting[entry.number] = here
        return here

    def _wait(self, here: _Here, cancelled: Callable[[], bool], waiting: OnWaiting) -> None:
        told: tuple[int, str] | None = None
        hopeless_since: float | None = None
        while True:
            if cancelled():
                raise JobCancelled(f"{here.ticket.step.what} was cancelled", hint="start it again when you want it")
            with self._change:
                if self._try(here):
                    return
                room, running = self._look(), self._entries_running()
                never, now = never_fits(here.entry, room), not_now(here.entry, running, room)
                position, why = self._tell(here, room, running)
            if never is not None:
                self._refuse(here, never)
            if now is None:
                hopeless_since = None
            elif hopeless_since is None:
                hopeless_since = self._clock()
                self._trim()
            elif self._clock() - hopeless_since > SETTLE_S:
                self._refuse(here, now)
            if told != (position, why):
                told = position, why
                waiting(position, why)
            with self._change:
                self._change.wait(POLL_S)

    def _refuse(self, here: _Here, decision: Decision) -> None:
        step = here.ticket.step
        self._record(
            "refused",
            kind=step.kind,
            case=step.case,
            resource=decision.resource,
            needed_mb=round(decision.needed_mb),
            free_mb=round(decision.free_mb),
            limit_mb=round(decision.limit_mb),
        )
        raise refusal(step.what, decision, self._helps())

    def _try(self, here: _Here) -> bool:
        """Let the step in if it is its turn. Under the lock."""
        chosen = next_in_line(
            [one.entry for one in self._waiting.values()], self._entries_running(), self._look(), self.heavy_at_once
        )
        if chosen is None or chosen.number != here.entry.number:
            return False
        for entry in self._line():
            if entry.number == chosen.number:
                break
            passed = self._waiting[entry.number]
            passed.entry = replace(passed.entry, passed=entry.passed + 1)
        self._running[chosen.number] = self._waiting.pop(chosen.number)
        self._seen = None
        here.why, here.since = "", self._clock()
        self._change.notify_all()
        return True

    def _tell(self, here: _Here, room: Room, running: Sequence[Entry]) -> tuple[int, str]:
        position = 1 + [entry.number for entry in self._line()].index(here.entry.number)
        memory, disk = decisions(here.entry, running, room)
        if why := held(here.entry, running, room):
            here.why = why
        elif here.entry.heavy and sum(entry.heavy for entry in running) >= self.heavy_at_once:
            here.why = "another job is running" if self.heavy_at_once == 1 else "other jobs are running"
        elif not memory.admitted or not disk.admitted:
            missing = disk if memory.admitted else memory
            here.why = f"waiting for {missing.resource} that running work will give back"
        else:
            here.why = "others are before"
        return position, here.why

    def _line(self) -> list[Entry]:
        return in_order([one.entry for one in self._waiting.values()], self._entries_running())

    def _entries_running(self) -> list[Entry]:
        return [
            replace(one.entry, resident_mb=0.0 if one.ticket.pid is None else self._resident_mb(one.ticket.pid))
            for one in self._running.values()
        ]

    def _look(self) -> Room:
        now = self._clock()
        if self._seen is None or now - self._seen[0] > ROOM_S:
            self._seen = now, self._room()
        closed = self._held
        why = next((why for by, why in closed.items() if by != DISK), "")
        return replace(self._seen[1], held=why or self._seen[1].held, held_writing=closed.get(DISK, ""))
