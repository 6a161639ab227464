"""Orphans: jobs of processes that are gone. Each gets its final state, its reason, and its half files removed.

Leaves alone what another app on the same folders still runs. Begins nothing again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from core.errors import BadInput, ResultInUse
from core.resources.pids import is_alive
from core.resources.verdict import Verdict
from core.segmentation.kept import Results
from core.settings import Settings
from core.workflows import interruption
from core.workflows.job_book import JobBook, JobRecord, is_id
from core.workflows.recalling import folder_of

LOOK_S = 1.0  # between two looks at the jobs of other processes and at the flight record


class Orphans:
    """Safe to use from several threads.

    Args:
        ends: how the last runs of the app ended; a millisecond at most.
    """

    def __init__(
        self,
        settings: Settings,
        results: Results,
        book: JobBook,
        ends: Callable[[], Sequence[Verdict]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._results, self._book, self._ends, self._clock = settings, results, book, ends, clock
        self._lock = threading.Lock()
        self._looked: float | None = None

    def settle(self, reason: str = "") -> tuple[str, ...]:
        """What a process that is gone had not ended is interrupted, or done where its result is whole.

        Args:
            reason: told until the flight record tells a better one.
        """
        self._book.sweep()
        with self._lock:
            gone = [record for record in self._book.all() if not record.over and not _lives(record)]
            for record in gone:
                self._end(record, reason)
            self._sweep()
        return tuple(record.job_id for record in gone)

    def look(self) -> None:
        """Now and then: whether another process has gone on with its jobs, or is gone, and why one is."""
        now = time.monotonic()
        if self._looked is not None and now - self._looked < LOOK_S:
            return
        self._looked = now
        records = self._book.all()
        for record in records:
            if not record.over and not self._book.is_own(record.job_id):
                self._book.look_again(record.job_id)
        if any(not record.over and not self._book.is_own(record.job_id) for record in self._book.all()):
            self.settle()
        unexplained = [record for record in records if record.unexplained]
        verdicts = self._ends() if unexplained else ()
        for record in unexplained:
            verdict = interruption.verdict_of(record.run, verdicts)
            if verdict is not None:
                self._book.explain(record.job_id, interruption.reason(verdict, _state(record)))

    def _sweep(self) -> None:
        """Half results of jobs that are over on record, whose process died with the app while it was being ended."""
        alive = {record.key for record in self._book.all() if not record.over}
        for entry in self._results.entries():
            if entry.found is None and is_id(entry.key) and entry.key not in alive:
                with suppress(ResultInUse, BadInput):  # somebody makes it just now
                    self._results.delete(entry.key)

    def _end(self, record: JobRecord, reason: str) -> None:
        if self._results.find(folder_of(self._settings, record.key)) is not None:
            self._book.advance(record.job_id, state="done", ended=self._clock(), fraction=1.0, note="", phase="Done")
            return
        with suppress(ResultInUse):  # another app makes it just now
            self._results.delete(record.key)
        verdict = interruption.verdict_of(record.run, self._ends())
        said = reason if verdict is None and reason else interruption.reason(verdict, _state(record))
        self._book.advance(
            record.job_id, state="interrupted", ended=self._clock(), note="", reason=said, hint="run it again",
            unexplained=verdict is None,
        )  # fmt: skip


def _lives(record: JobRecord) -> bool:
    """Whether the process that has the job is there."""
    return record.pid > 0 and is_alive(record.pid, record.born)


def _state(record: JobRecord) -> str:
    """What the job did last: "running" or "waiting"; one that is over tells it by whether it had begun."""
    return "waiting" if record.started is None else "running"
