"""Tasks: work that outlives a page run.

A script run of a page is cut off by the next click; a fetch or a job is not. Tasks run in threads, are shared by every
session that asks for the same key, and are cancelled only when nobody watches any more. Draws nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import StrokescopeError
from core.sources.protocol import Cancelled, Progress, Report

Work = Callable[[Report, Cancelled], Any]
FAILED_S = 60.0  # how long a failure is shown instead of being tried again by the next click
State = Literal["waiting", "running", "done", "failed"]


@dataclass
class Task:
    """One piece of work. Read by any thread; written by its own.

    Attributes:
        progress: the last report; None before the first.
        moved: when the work began or `progress.done` last changed (monotonic seconds).
        origin: when and where the counting began: (monotonic seconds, done); what was there before is no speed.
        result: what the work returned, once `state` is done.
        error: ours, once `state` is failed.
    """

    key: Hashable
    what: str
    state: State = "waiting"
    progress: Progress | None = None
    moved: float = 0.0
    origin: tuple[float, int] | None = None
    result: Any = None
    error: StrokescopeError | None = None
    started: float = 0.0
    ended: float = 0.0
    watchers: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None

    @property
    def over(self) -> bool:
        """Nothing more will change."""
        return self.state in ("done", "failed")

    def report(self, progress: Progress) -> None:
        """Note how far the work is."""
        now = time.monotonic()
        if self.progress is None or progress.done != self.progress.done:
            self.moved = now
        if self.origin is None or progress.done < self.origin[1]:
            self.origin = (now, progress.done)
        self.progress = progress

    def wait(self, seconds: float) -> bool:
        """True once the task is over; waits at most so long."""
        return self.end.wait(seconds)


class Tasks:
    """A pool with `workers` threads; remembers the last `keep` finished tasks; `on_error` is told of each that failed.

    A surprise in a worker thread is a bug of ours and is raised by `result_of` in the page that looks, not swallowed.
    """

    def __init__(
        self, workers: int, keep: int = 64, on_error: Callable[[StrokescopeError], None] = lambda error: None
    ) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="task")
        self._tasks: OrderedDict[Hashable, Task] = OrderedDict()
        self._lock = threading.Lock()
        self._keep, self._on_error = keep, on_error

    def start(self, key: Hashable, what: str, work: Work, watcher: str = "") -> Task:
        """The task of that key: the one that runs, is done, or failed just now; otherwise a new one."""
        with self._lock:
            task = self._tasks.get(key)
            if task is None or task.stop.is_set() or _stale(task):
                task = self._tasks[key] = Task(key, what)
                task.future = self._pool.submit(self._run, task, work)
            task.watchers.add(watcher)
            if task.over:
                self._tasks.move_to_end(key)
            self._forget()
            return task

    def get(self, key: Hashable) -> Task | None:
        """The task of that key, if it is still remembered."""
        with self._lock:
            return self._tasks.get(key)

    def drop(self, key: Hashable) -> None:
        """Forget a finished task, so that the next start works anew."""
        with self._lock:
            task = self._tasks.get(key)
            if task is not None and task.over:
                del self._tasks[key]

    def drop_done(self, key: Hashable) -> None:
        """Forget a task that is done, so that the next start looks anew; one that failed is still shown."""
        with self._lock:
            task = self._tasks.get(key)
            if task is not None and task.state == "done":
                del self._tasks[key]

    def drop_results(self) -> None:
        """Forget every task that is done, and so what it made; who waits for one still gets it."""
        with self._lock:
            for key in [key for key, task in self._tasks.items() if task.state == "done"]:
                del self._tasks[key]

    def leave(self, key: Hashable, watcher: str = "") -> None:
        """This watcher no longer wants the result; the last one to leave stops the work."""
        with self._lock:
            task = self._tasks.get(key)
            if task is None:
                return
            task.watchers.discard(watcher)
            if not task.watchers and not task.over:
                task.stop.set()

    def leave_others(self, watcher: str, keep: Container[Hashable] = ()) -> None:
        """This watcher wants nothing any more but the tasks of the keys in `keep`."""
        with self._lock:
            mine = [key for key, task in self._tasks.items() if watcher in task.watchers and key not in keep]
        for key in mine:
            self.leave(key, watcher)

    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        with self._lock:
            return all(task.over for task in self._tasks.values())

    def position(self, task: Task) -> int:
        """How many unfinished tasks were here before this one."""
        with self._lock:
            ahead = 0
            for other in self._tasks.values():
                if other is task:
                    break
                ahead += not other.over
            return ahead

    def _run(self, task: Task, work: Work) -> None:
        task.started = task.moved = time.monotonic()
        task.state = "running"
        end: State = "failed"
        try:
            task.result = work(task.report, task.stop.is_set)
            end = "done"
        except StrokescopeError as error:
            task.error = error
            self._on_error(error)
        finally:
            task.ended = time.monotonic()
            task.state = end
            task.end.set()

    def _forget(self) -> None:
        finished = [k for k, t in self._tasks.items() if t.over]
        for key in finished[: max(0, len(self._tasks) - self._keep)]:
            del self._tasks[key]


def _stale(task: Task) -> bool:
    return task.state == "failed" and time.monotonic() - task.ended > FAILED_S


def result_of(task: Task) -> Any:
    """The result of a task that is over.

    Raises:
        StrokescopeError: what the work raised.
    """
    if task.error is not None:
        raise task.error
    if task.future is not None:
        task.future.result()
    return task.result
