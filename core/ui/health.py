"""Whether a source answers, asked in the background again and again while somebody looks. Draws nothing.

The last answer stands until the next one is there: nothing on screen flickers while the source is asked again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from core.errors import HubDenied, HubError, HubNotFound, HubRateLimited
from core.sources.protocol import Cancelled, Report, Source
from core.ui.tasks import Task, Tasks, result_of

FRESH_S = 60.0  # an answer counts so long
AGAIN_S = 3.0  # a source that is silent is asked again so soon
_MOST = 64


@dataclass(frozen=True)
class Health:
    """What is known of a source.

    Attributes:
        phrase: for the chip.
        error: the reason when it does not answer.
        asked: when the question was put that this is the answer to (monotonic seconds).
    """

    state: Literal["asking", "answers", "silent", "no network needed"]
    phrase: str
    error: HubError | None = None
    asked: float = 0.0


class Pulses:
    """What is known of each source, shared by all sessions. Safe to use from several threads."""

    def __init__(self, tasks: Tasks, clock: Callable[[], float] = time.monotonic) -> None:
        self._tasks, self._clock = tasks, clock
        self._last: OrderedDict[str, Health] = OrderedDict()
        self._lock = Lock()

    def of(self, source: Source) -> Health:
        """What is known now; asks when nothing is known, or not for a while. Never waits."""
        if not source.spec.startswith("hub:"):
            return Health("no network needed", "on this computer")
        key = ("check", source.spec)
        task = self._tasks.get(key)
        if task is not None and task.over:
            health = _health(task)
            self._note(source.spec, health)
            if self._clock() - task.ended < asked_again_s(health):
                return health
            self._tasks.drop(key)
            task = None
        if task is None:
            self._ask(source)
        with self._lock:
            return self._last.get(source.spec, Health("asking", "asking …"))

    def again(self, source: Source) -> None:
        """Ask anew: the last answer may not hold any more. It stands until the next one."""
        task = self._tasks.get(("check", source.spec))
        if task is None or task.over:
            if task is not None:
                self._note(source.spec, _health(task))
            self._tasks.drop(("check", source.spec))
            self._ask(source)

    def _ask(self, source: Source) -> None:
        def work(report: Report, cancelled: Cancelled) -> float | None:
            return source.check()

        self._tasks.start(("check", source.spec), "asking the Hub", work)

    def _note(self, spec: str, health: Health) -> None:
        with self._lock:
            self._last[spec] = health
            self._last.move_to_end(spec)
            while len(self._last) > _MOST:
                self._last.popitem(last=False)


def asked_again_s(health: Health) -> float:
    """Seconds after an answer until the source is asked again."""
    error = health.error
    if isinstance(error, HubRateLimited):
        return max(AGAIN_S, error.retry_after_s)
    return FRESH_S if error is None or isinstance(error, HubDenied | HubNotFound) else AGAIN_S


def _health(task: Task) -> Health:
    try:
        seconds = result_of(task)
    except HubError as error:
        return Health("silent", "does not answer", error, task.started)
    return Health("answers", "answers" if seconds is None else f"answers in {seconds:.1f} s", None, task.started)
