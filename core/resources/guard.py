"""Guard: one expensive step from the door to its end: admitted, watched, recorded, learnt from, counted.

Joins the door (admission.py), the watchdog, the flight recorder and safe mode's count; decides nothing itself. The app
has one for all sessions (`Watchdog.start` is its maker's business); a command makes one with `own_guard`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from core.errors import OverBudget, WorkerDied
from core.resources.admission import Admission, Ticket
from core.resources.breaker import Breaker
from core.resources.budget import Help, refusal, size
from core.resources.child import ChildEnd, Handle
from core.resources.cost import Step, address_space_mb
from core.resources.disk import DiskReading, measure_usage, read_disk
from core.resources.ledger import Ledger
from core.resources.light import LightMemory
from core.resources.line import Room, room_of
from core.resources.memory import MB, MemoryReading
from core.resources.phases import OpenPhase
from core.resources.recorder import Recorder
from core.resources.watchdog import Watchdog
from core.resources.watched import Watched, resident_mb
from core.settings import Settings

OnWaiting = Callable[[str], None]  # one sentence for the screen


class Worker:
    """The process of one step, for a runner: `attach` when it starts, `ended` when it is gone.

    Attributes:
        backstop_mb: the address space it may have.
    """

    def __init__(self, ticket: Ticket, watched: Watched, phase: OpenPhase) -> None:
        self._ticket, self._watched, self._phase = ticket, watched, phase
        self.backstop_mb = address_space_mb(ticket.predicted_mb)

    def attach(self, handle: Handle) -> None:
        """The process has started."""
        self._ticket.started(handle.pid)
        self._watched.attach(handle)

    def ended(self, end: ChildEnd) -> WorkerDied | None:
        """Record how it ended; the error for the user when the watchdog or the kernel ended it.

        What had taken more than was predicted before it failed teaches that much: it would have needed no less.
        """
        error = self._watched.ended(end)
        if end.returncode != 0 and end.peak_rss_mb > self._ticket.predicted_mb:
            self._ticket.used(end.peak_rss_mb)
        self._phase.worker_end(
            end.returncode,
            oom_kills=self._watched.kernel_kills,
            peak_mb=end.peak_rss_mb,
            cancelled=end.cancelled,
        )
        return error

    def used(self, peak_mb: float) -> None:
        """What a step that was done took, for the next prediction."""
        self._ticket.used(peak_mb)


@dataclass(frozen=True)
class Guard:
    """What stands before and beside every expensive step.

    Attributes:
        breaker: counts workers that died towards safe mode; None for a command, which counts nothing.
        helps: what people could do to make room.
    """

    settings: Settings
    admission: Admission
    watchdog: Watchdog
    recorder: Recorder
    ledger: Ledger
    breaker: Breaker | None = None
    helps: Callable[[], Sequence[Help]] = tuple

    @contextmanager
    def enter(
        self,
        step: Step,
        phase: str,
        owner: str = "",
        cancelled: Callable[[], bool] = lambda: False,
        waiting: OnWaiting = lambda sentence: None,
        *,
        automatic: bool = False,
    ) -> Iterator[Worker]:
        """Wait until the step may begin; it is watched and recorded until the block ends.

        Args:
            phase: its name in the record, e.g. "engine".
            owner: a session, for turns; never recorded.
            waiting: told in a sentence what the step waits for, "" once it begins; not at all when it need not wait.
            automatic: no person asked for it: it begins at once or not at all.

        Raises:
            OverBudget, JobCancelled: as Admission.enter; an automatic step never waits, its refusal is no event.
            Quarantined: the step is automatic and safe mode forbids it.
        """
        told: list[str] = []

        def tell(position: int, why: str) -> None:
            if automatic:
                raise OverBudget(f"{step.what} would have to wait: {why}", hint="open the case to get it")
            told.append(self._sentence(step, position, why))
            waiting(told[-1])

        if automatic:
            self._must_fit(step, phase)
        with (
            self.admission.enter(step, owner, cancelled, tell) as ticket,
            self.watchdog.watch(step.what, step.case, ticket.predicted_mb) as watched,
            self._begin(step, phase, ticket.predicted_mb, automatic) as opened,
        ):
            if told:
                waiting("")
            yield Worker(ticket, watched, opened)

    def _begin(self, step: Step, phase: str, predicted_mb: float, automatic: bool) -> AbstractContextManager[OpenPhase]:
        owner = "app" if automatic else "visitor"
        if self.breaker is None:
            return self.recorder.phase(phase, case=step.case, predicted_mb=predicted_mb, owner=owner, kind=step.kind)
        return self.breaker.step(
            phase, case=step.case, predicted_mb=predicted_mb, owner=owner, kind=step.kind, automatic=automatic
        )

    def _must_fit(self, step: Step, phase: str) -> None:
        if self.breaker is not None:
            self.breaker.require(phase, step.case)
        for decision in self.admission.check(step):
            if not decision.admitted:
                raise refusal(step.what, decision)

    def _sentence(self, step: Step, position: int, why: str) -> str:
        short = [decision for decision in self.admission.check(step) if not decision.admitted]
        if short:
            why = f"needs {size(short[0].needed_mb)} of {short[0].resource}, {size(short[0].free_mb)} is free"
        return f"you are {ordinal(position)} in line: {why}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, …, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def make_guard(
    settings: Settings,
    recorder: Recorder,
    disk: Callable[[], DiskReading],
    *,
    trim: Callable[[], None] = lambda: None,
    evict: Callable[[], None] = lambda: None,
    breaker: Breaker | None = None,
    spare: Callable[[], int] = lambda: 0,
    helps: Callable[[], Sequence[Help]] = tuple,
) -> Guard:
    """One door and one watchdog, not yet started.

    Args:
        disk: the latest reading of the disk; a millisecond at most.
        trim, evict: give back memory and disk that can be spared.
        spare: bytes that would be evicted for a step that writes; a millisecond at most, as a rule.
        helps: what people could do to make room; asked when a step is refused.
    """
    memory, ledger = LightMemory(settings), Ledger(settings.state_dir)

    room = partial(_room, memory, disk, spare)
    admission = Admission(
        room, ledger, resident_mb=resident_mb, helps=helps, trim=trim, record=recorder.note,
        heavy_at_once=settings.heavy_jobs,
    )  # fmt: skip

    def hold(why: str, by: str) -> None:
        if why:
            admission.hold(why, by)
        else:
            admission.resume(by)

    alone = bool(settings.space_id)

    def beat(now: MemoryReading) -> None:
        recorder.beat_ram(now.used_bytes, now.limit_bytes, now.oom_kills)

    watchdog = Watchdog(memory, disk, record=recorder.note, beat=beat, trim=trim, evict=evict, hold=hold, alone=alone)
    return Guard(settings, admission, watchdog, recorder, ledger, breaker, helps)


def _room(memory: Callable[[], MemoryReading], disk: Callable[[], DiskReading], spare: Callable[[], int]) -> Room:
    try:
        found = room_of(memory(), disk())
    except OSError as error:
        message = f"how much RAM and disk is free cannot be read now ({error.strerror or type(error).__name__})"
        raise OverBudget(message, hint="close other images or wait until other work is done, then try again") from error
    return replace(found, disk_free_mb=min(found.disk_limit_mb, found.disk_free_mb + spare() / MB))


@contextmanager
def own_guard(settings: Settings, spare: Callable[[], int] = lambda: 0) -> Iterator[Guard]:
    """A guard for one command; its watchdog and its record end with the block. `spare` as in `make_guard`."""
    found = read_disk(settings, measure_usage(settings))
    with Recorder(settings.state_dir, settings.persist_dir, role="command") as recorder:
        guard = make_guard(settings, recorder, lambda: found, spare=spare)
        guard.watchdog.start()
        try:
            yield guard
        finally:
            guard.watchdog.stop()
