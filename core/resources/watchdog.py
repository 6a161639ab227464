"""Watchdog: looks at RAM many times a second while a worker runs, and acts before the kernel has to.

Gives caches back first, closes the door to new steps, then kills the heaviest worker, never the app. What it is going
to do is recorded before it does it; nothing that is slow (the record, the caches) can hold up a kill. The decisions are
ladder.py's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.resources import ladder, shm
from core.resources.disk import DiskReading
from core.resources.ladder import Action, Moment, Sample, State
from core.resources.memory import MemoryReading
from core.resources.watched import Kill, Watched

T = TypeVar("T")
LOG = logging.getLogger("strokescope.watchdog")
IDLE_S, BUSY_S, ALERT_S = 2.0, 0.1, 0.02  # between two looks: no worker, a worker, and RAM is short or going fast
RECORD_S = 0.1  # how long a kill waits for its own record
SHM_S = 0.25  # between two looks at what workers hold in /dev/shm, while RAM is short
HELD = "RAM is short; waiting until some is given back"
REFUSED = "the disk is nearly full; waiting until some is given back"

Record = Callable[..., object]  # (event, **facts)
Hold = Callable[[str, str], None]  # (why or "" to let steps in again, by whom)


@dataclass(frozen=True)
class Status:
    """For the screen.

    Attributes:
        ram, disk: rungs of the ladder, 0 is calm.
        to_limit_s: seconds until RAM runs out at the present rate; None when it does not grow.
        workers: what runs, in words.
        last_kill: of this app's life.
        sees: RAM could be read at the last look; nothing is watched while it cannot.
    """

    ram: int
    disk: int
    to_limit_s: float | None
    workers: tuple[str, ...]
    last_kill: Kill | None
    sees: bool = True


class Watchdog:
    """One for the whole app. `start` begins a thread; `look` is one turn of it.

    Args:
        read: RAM now; a millisecond at most.
        disk: the latest reading of the disk; None for nobody knows.
        record: told of every transition, and of a kill before it happens.
        beat: told of every reading while a worker runs, for the heartbeat; returns at once.
        trim: gives memory back that the app can spare.
        evict: gives disk back.
        hold: closes and opens the door to new steps.
        alone: the container is ours, so what appears in /dev/shm while a worker runs is the worker's.
    """

    def __init__(
        self,
        read: Callable[[], MemoryReading],
        disk: Callable[[], DiskReading | None] = lambda: None,
        *,
        record: Record = lambda event, **facts: None,
        beat: Callable[[MemoryReading], None] = lambda reading: None,
        trim: Callable[[], None] = lambda: None,
        evict: Callable[[], None] = lambda: None,
        hold: Hold = lambda why, by: None,
        clock: Callable[[], float] = time.monotonic,
        proc_root: Path = Path("/proc"),
        shm_root: Path = shm.ROOT,
        alone: bool = False,
    ) -> None:
        self._read, self._disk, self._record, self._beat = read, disk, record, beat
        self._trim, self._evict, self._hold, self._clock = trim, evict, hold, clock
        self._proc_root, self._shm_root, self._alone = proc_root, shm_root, alone
        self._state, self._samples = State(), deque[Sample](maxlen=64)
        self._to_limit: float | None = None
        self._watched: list[Watched] = []
        self._last_kill: Kill | None = None
        self._sees = True
        self._shm_at = float("-inf")
        self._lock = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._writer = ThreadPoolExecutor(1, "watchdog-record")
        self._cleaner = ThreadPoolExecutor(1, "watchdog-trim")
        self._cleaning: dict[str, Future[None]] = {}

    def start(self) -> None:
        """Begin; does nothing when it runs already."""
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and what it has begun."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._stopping.set()
        self._wake.set()
        if thread is not None:
            thread.join(timeout=10.0)
        self._writer.shutdown(wait=True)
        self._cleaner.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def watch(self, what: str, case: str = "", predicted_mb: float = 0.0) -> Iterator[Watched]:
        """Watch one worker while the block runs; give the result to the runner."""
        watched = Watched(
            what,
            case,
            predicted_mb,
            self._read,
            self._wake.set,
            proc_root=self._proc_root,
            shm_root=self._shm_root,
            alone=self._alone,
        )
        with self._lock:
            self._watched.append(watched)
        try:
            yield watched
        finally:
            with self._lock:
                self._watched.remove(watched)
            watched.clear()

    def doing(self) -> dict[int, str]:
        """What each worker does, by the number of its process."""
        with self._lock:
            return {pid: one.what for one in self._watched if (pid := one.pid) is not None}

    def status(self) -> Status:
        """How things stand."""
        with self._lock:
            names = tuple(one.what for one in self._watched if one.pid is not None)
        return Status(self._state.ram, self._state.disk, self._to_limit, names, self._last_kill, self._sees)

    def look(self) -> float:
        """Read once, act, and say how many seconds to rest."""
        reading, now = self._read(), self._clock()
        self._samples.append(Sample(now, reading.used_bytes, reading.limit_bytes))
        with self._lock:
            alive = [one for one in self._watched if one.pid is not None]
        if alive:
            self._beat(reading)
        self._to_limit = ladder.time_to_limit(self._samples)
        disk = self._disk()
        moment = Moment(
            now,
            reading.fraction,
            None if disk is None or disk.used_bytes is None else disk.danger,
            ladder.sure_time(self._samples),
            _expected(reading, [one.unspent_mb() for one in alive]),
            sum(one.killed is None for one in alive),
            dying=any(one.killed is not None for one in alive),
        )
        self._state, actions = ladder.decide(moment, self._state)
        for action in actions:
            self._act(action, reading, alive)
        if alive and self._state.ram >= ladder.WARN and now - self._shm_at >= SHM_S:
            self._shm_at = now
            for one in alive:
                one.note_shm()
        return self._pause(reading, bool(alive))

    def _run(self) -> None:
        """Look until `stop`. A look that fails is told and followed by the next: nobody else would kill in time."""
        with ThreadPoolExecutor(1, "watchdog-look") as looker:
            while not self._stopping.is_set():
                try:
                    turn = looker.submit(self.look)
                except RuntimeError:  # no thread can be started now, or the interpreter is ending
                    self._stopping.wait(BUSY_S)
                    continue
                fault = turn.exception()
                self._tell_sight(fault)
                self._wake.wait(BUSY_S if fault is not None else turn.result())
                self._wake.clear()

    def _tell_sight(self, fault: BaseException | None) -> None:
        if self._sees is (fault is None):
            return
        self._sees = fault is None
        if fault is None:
            LOG.warning("the watchdog sees again")
        else:
            LOG.error("the watchdog cannot see: %s", type(fault).__name__)
        self._note("watchdog_blind" if fault is not None else "watchdog_sees")

    def _pause(self, reading: MemoryReading, busy: bool) -> float:
        if not busy:
            return IDLE_S
        if self._state.ram >= ladder.HOLD:
            return ALERT_S
        last = list(self._samples)[-2:]
        step = last[-1].used - last[0].used
        fast = step > 0 and reading.used_bytes + 10 * step > reading.limit_bytes
        return ALERT_S if fast else BUSY_S

    def _act(self, action: Action, reading: MemoryReading, alive: list[Watched]) -> None:
        facts = {"used_mb": round(reading.used_mb), "limit_mb": round(reading.limit_mb)}
        if action in ("kill", "drain"):
            self._end_workers(reading, alive, everyone=action == "drain")
        elif action in ("trim", "trim again"):
            self._clean(action, self._trim)
        elif action in ("evict", "evict again"):
            self._clean(action, self._evict)
        elif action in ("hold", "resume"):
            self._hold(HELD if action == "hold" else "", "ram")
            self._note("threshold", rung=action, **facts)
        elif action in ("refuse", "accept"):
            self._hold(REFUSED if action == "refuse" else "", "disk")
            self._note("threshold", rung=f"disk-{action}", **facts)
        else:
            self._note("threshold", rung=action, **facts)

    def _end_workers(self, reading: MemoryReading, alive: list[Watched], everyone: bool) -> None:
        """Kill the heaviest, or all; each kill is written down before, but waits no longer than RECORD_S for that."""
        sizes = [(one.resident_mb(), one) for one in alive if one.killed is None]
        chosen = sorted(sizes, key=lambda pair: -pair[0])[: None if everyone else 1]
        limit_s = None if self._to_limit is None else round(self._to_limit, 2)
        intents, kills = [], []
        for worker_mb, one in chosen:
            kill = Kill(
                self._state.reason, reading.used_mb, reading.limit_mb, worker_mb, one.predicted_mb, self._to_limit
            )
            one.killed = kill
            kills.append((one, kill))
            intents.append(
                self._note(
                    "kill_intent",
                    what=one.what,
                    case=one.case,
                    reason=kill.reason,
                    used_mb=round(kill.used_mb),
                    limit_mb=round(kill.limit_mb),
                    worker_mb=round(worker_mb),
                    predicted_mb=round(one.predicted_mb),
                    to_limit_s=limit_s,
                )
            )
        wait(intents, timeout=RECORD_S)
        for one, kill in kills:
            one.note_shm()
            if one.kill():
                self._last_kill = kill
                LOG.warning("%s was killed at %.0f of %.0f MB", one.what, reading.used_mb, reading.limit_mb)
            else:
                one.killed = None
                self._note("kill_missed", what=one.what, case=one.case)

    def _note(self, event: str, **facts: object) -> Future[object]:
        return _begin(self._writer, partial(self._record, event, **facts))

    def _clean(self, name: str, work: Callable[[], None]) -> None:
        """Give something back, beside the looking; once at a time."""
        if name not in self._cleaning or self._cleaning[name].done():
            self._cleaning[name] = _begin(self._cleaner, work)
            if name in ("trim", "evict"):  # what is said again every ten seconds would push out the rest of the record
                self._note("trimmed" if name == "trim" else "evicted")


def _expected(reading: MemoryReading, unspent_mb: list[float]) -> float:
    """The fraction that RAM will reach if all workers keep their promise; infinite when one has broken it."""
    return (reading.used_mb + sum(unspent_mb)) / reading.limit_mb if all(unspent_mb) else float("inf")


def _begin(pool: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
    try:
        future = pool.submit(work)
    except RuntimeError:  # the app is ending: what has to be done is done without it
        future = Future()
        future.cancel()
    future.add_done_callback(_tell)
    return future


def _tell(future: Future[Any]) -> None:
    """A callback that fails is a bug of whoever gave it; the watchdog goes on and says so."""
    if not future.cancelled() and future.exception() is not None:
        LOG.error("a callback of the watchdog failed: %s", type(future.exception()).__name__)
