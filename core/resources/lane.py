"""Lane: one thread that writes for others, so that a slow or hung disk delays nobody for long.

Jobs run in order. Whoever hands one in may wait for it, for a bounded time. What failed, came late or found the lane
full is counted, never raised. Questions that may hang
are asked in a thread too. Does not know what the jobs write.
"""

from __future__ import annotations

import errno
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping

CAPACITY = 256


class Lane:
    """A writer with a name for the counts; its thread starts with the first job."""

    def __init__(self, name: str, capacity: int = CAPACITY, on_error: Callable[[OSError], None] | None = None) -> None:
        self._name, self._on_error = name, on_error
        self._jobs: queue.Queue[tuple[Callable[[], None], threading.Event] | None] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._stuck = False  # somebody waited in vain, and no job has ended since

    def do(self, job: Callable[[], None], wait_s: float = 0.0) -> bool:
        """Hand in a job; True when it is over within `wait_s`. It may still be done later when it is not.

        Once somebody has waited in vain nobody waits until a job ends: a hung disk costs one wait, not one each.
        """
        done = threading.Event()
        try:
            self._jobs.put_nowait((job, done))
        except queue.Full:
            self._count("dropped")
            return False
        with self._lock:
            if self._thread is None:
                self._begin()
        if wait_s <= 0.0:
            return False
        in_time = done.wait(0.0 if self._stuck else wait_s)
        if not in_time:
            self._stuck = True
            self._count("late")
        return in_time

    def settle(self, wait_s: float) -> bool:
        """True when all that was handed in before is over within `wait_s`."""
        return self.do(lambda: None, wait_s)

    def counts(self) -> Mapping[str, int]:
        """What went wrong so far, e.g. {"local ENOSPC": 3, "bucket late": 1}."""
        with self._lock:
            return dict(self._counts)

    def close(self, wait_s: float = 2.0) -> bool:
        """Finish what was handed in; True when all of it is done. The lane can be used again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return True
        try:
            self._jobs.put(None, timeout=wait_s)
        except queue.Full:
            return False
        thread.join(wait_s)
        return not thread.is_alive()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"recorder-{self._name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            with self._lock:  # a job with a bug ends its thread, not the lane
                if self._thread is threading.current_thread():
                    self._thread = None
                    if not self._jobs.empty():
                        self._begin()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            try:
                job()
            except OSError as error:
                self.failed(error)
            finally:
                self._stuck = False
                done.set()

    def failed(self, error: OSError) -> None:
        """Count an error; also for a job that goes on after one."""
        self._count(errno.errorcode.get(error.errno or 0, "error"))
        if self._on_error is not None:
            self._on_error(error)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[f"{self._name} {what}"] += 1


_FRESH = "asks"
_ASKED: dict[str, threading.Thread] = {}  # who still waits for an answer, one for each place


def ask(place: str, question: Callable[[], None], wait_s: float) -> bool:
    """Run a question that may hang in a thread of its own; True when it is over within `wait_s`.

    While an earlier question about the same place hangs, no other is asked, so that hung threads do not add up.
    """
    before = _ASKED.get(place)
    if before is not None and before.is_alive():
        before.join(wait_s if before.name == _FRESH else 0.0)
        if before.is_alive():
            return False
    thread = threading.Thread(target=question, name=_FRESH, daemon=True)
    _ASKED[place] = thread
    thread.start()
    thread.join(wait_s)
    if thread.is_alive():
        thread.name = "asks, in vain so far"
        return False
    _ASKED.pop(place, None)
    return True
