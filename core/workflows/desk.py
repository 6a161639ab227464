"""Desk: where segmentations are handed in, wait for their turn, run, and are given up; one for all visitors of the app.

Visitors with one question share one run and have a record each. Turns and room are the door's, what is known of a job
is the book's; draws nothing, and begins nothing that nobody asked for.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from core.errors import BadInput, FetchCancelled, JobCancelled, OverBudget, StrokescopeError
from core.resources.guard import Guard
from core.resources.pids import born_of
from core.resources.verdict import Verdict
from core.segmentation.kept import Results
from core.segmentation.models import find_model
from core.segmentation.results import JobResult
from core.settings import Settings
from core.workflows import interruption
from core.workflows.asking import Ask
from core.workflows.job_book import JobBook, JobRecord, LogLine
from core.workflows.job_run import Lease, Load, Run, Segment, Shop, in_line, until_over_s
from core.workflows.orphans import Orphans
from core.workflows.recalling import FindModel, OpenSource, Recall, open_alone
from core.workflows.segment_case import segment

MOST, MOST_EACH = 256, 32  # jobs that wait or run, of all and of one visitor
CLOSE_S = 5.0  # how long a stop of the app waits for its workers to be gone
BROKEN = "the app failed unexpectedly while it ran"


class Desk:
    """Safe to use from several threads.

    Args:
        guard: its settings tell where results lie; its recorder, which run of the app this is.
        open_source: a source by its canonical spec; by default one for each call.
        find: a model by its spec.
        lease: keeps the images of a job from being evicted.
        ends: how the last runs of the app ended, newest first; a millisecond at most.
        on_error: told of what failed.
        making: stands for segment_case.segment in a test.
    """

    def __init__(
        self,
        settings: Settings,
        guard: Guard,
        results: Results,
        book: JobBook,
        *,
        open_source: OpenSource | None = None,
        find: FindModel | None = None,
        lease: Lease | None = None,
        ends: Callable[[], Sequence[Verdict]] = tuple,
        on_error: Callable[[StrokescopeError], None] = lambda error: None,
        making: Segment = segment,
        clock: Callable[[], float] = time.time,
    ) -> None:
        sources = open_source or partial(open_alone, settings)
        models = find or (lambda spec, cancelled: find_model(spec, settings, cancelled=cancelled))
        recall = Recall(guard, results, sources, models)
        self._shop = Shop(settings, guard, results, recall, lease or (lambda paths: nullcontext()), making)
        self._results, self.book = results, book
        self._on_error, self._clock = on_error, clock
        self._me = (os.getpid(), born_of(os.getpid()))
        self._orphans = Orphans(settings, results, book, ends, clock)
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._numbers = itertools.count()
        self._closed = ""

    def submit(self, ask: Ask, owner: str) -> str:
        """Hand in a question: the job's id. The same owner's same question that is not over is that job.

        Raises:
            OverBudget: too many jobs wait already, or the app is being stopped.
            BadVolume, BadParameter: as Ask's own.
        """
        key = ask.folder(self._results).name
        record = JobRecord(
            uuid.uuid4().hex, key, owner, ask.case_id, ask.source, ask.engine, ask.info.version, ask.info.label,
            ask.model_spec, dict(ask.parameters), ask.members,
        )  # fmt: skip
        return self._hand_in(record, ask)

    def again(self, job_id: str, owner: str) -> str:
        """The same question once more: the new job's id; its images are got anew where they are gone.

        Raises:
            BadInput: no such job of this owner.
            OverBudget: as `submit`.
        """
        record = self._mine(job_id, owner)
        fresh = JobRecord(
            uuid.uuid4().hex, record.key, owner, record.case_id, record.source, record.engine, record.version,
            record.label, record.model, record.parameters, record.members,
        )  # fmt: skip
        return self._hand_in(fresh, None)

    def cancel(self, job_id: str, owner: str) -> bool:
        """Give the job up; False when it was over, or as good as over. The last one to give a run up ends its process.

        Raises:
            BadInput: no such job of this owner, or it runs in another app on this folder.
        """
        record = self._mine(job_id, owner)
        with self._lock:
            run = self._run_of(job_id)
            if run is None and not record.over:
                raise BadInput("this job runs in another app", hint="cancel it there")
            if run is None or run.ending:
                return False
            at = f" at {100 * run.fraction:.0f} %" if record.state == "running" else " before its turn"
            self._end(job_id, "cancelled", f"cancelled{at}", "run it again when you want it")
            run.jobs.discard(job_id)
            if not run.jobs:
                run.stop.set()
        return True

    def jobs(self, owner: str) -> tuple[JobRecord, ...]:
        """This owner's, newest first."""
        self._orphans.look()
        return tuple(record for record in reversed(self.book.all()) if record.owner == owner)

    def get(self, job_id: str) -> JobRecord | None:
        """The record of a job."""
        return self.book.get(job_id)

    def of(self, key: str, owner: str) -> JobRecord | None:
        """This owner's newest job for that result."""
        return next((record for record in self.jobs(owner) if record.key == key), None)

    def log(self, job_id: str) -> tuple[LogLine, ...]:
        """What happened to a job, oldest first."""
        return self.book.log(job_id)

    def place(self, job_id: str) -> int | None:
        """0 while it runs or gets its images, its place in the line of jobs while it waits (1 is next), None else."""
        with self._lock:
            run = self._run_of(job_id)
            if run is None:
                return None
            waiting = in_line(self._runs.values())
            return 1 + waiting.index(run) if run in waiting else 0

    def seconds_left(self, job_id: str) -> float | None:
        """Until it is over, those before it included; None while nobody can tell."""
        at_once = self._shop.guard.admission.heavy_at_once
        with self._lock:
            run = self._run_of(job_id)
            return None if run is None else until_over_s(run, self._runs.values(), time.monotonic(), at_once)

    def wait(self, job_id: str, seconds: float) -> bool:
        """True once the job is over; waits at most so long."""
        with self._lock:
            run = self._run_of(job_id)
        return run is None or run.over.wait(seconds)

    def load(self, owner: str) -> Load:
        """What others run and wait for."""
        with self._lock:
            others = [run for run in self._runs.values() if run.jobs and owner not in self._owners(run)]
        running = sum(run.begun is not None for run in others)
        return Load(running, len(others) - running)

    def settle(self, reason: str = "") -> tuple[str, ...]:
        """At the start: what a process that is gone had not ended is interrupted; gives those jobs.

        Args:
            reason: told until the flight record tells a better one.
        """
        return self._orphans.settle(reason)

    def idle(self) -> bool:
        """Whether nothing runs or waits here."""
        with self._lock:
            return not self._runs

    def close(self, wait_s: float = CLOSE_S) -> None:
        """The app stops: every job is interrupted and its process ended. Nothing can be handed in any more."""
        with self._lock:
            self._closed = "the app is being stopped"
            runs = list(self._runs.values())
            for run in runs:
                for job_id in run.jobs:
                    state = getattr(self.book.get(job_id), "state", "")
                    said = interruption.STOPPED.format(did=interruption.did(state))
                    self._end(job_id, "interrupted", said, "run it again")
                run.jobs.clear()
                run.stop.set()
        end = time.monotonic() + wait_s
        for run in runs:
            run.over.wait(max(0.0, end - time.monotonic()))
        self.book.close()

    def tell(self, run: Run, said: str = "", **changes: object) -> None:
        """As job_run.Heard."""
        with self._lock:
            if "key" in changes and self._runs.get(run.key) is run:  # who asks the same from now on joins it
                del self._runs[run.key]
                run.key = str(changes["key"]) if changes["key"] not in self._runs else f"{changes['key']} {run.number}"
                self._runs[run.key] = run
            for job_id in run.jobs:
                now = self.book.get(job_id)
                first = now is not None and now.started is None and changes.get("state") == "running"
                began = {"started": self._clock()} if first else {}
                self.book.advance(job_id, **changes, **began)
                if said:
                    self.book.say(job_id, said)

    def claim(self, run: Run) -> bool:
        """As job_run.Heard."""
        with self._lock:
            run.ending = bool(run.jobs)
            return run.ending

    def _hand_in(self, record: JobRecord, ask: Ask | None) -> str:
        now, (pid, born) = self._clock(), self._me
        record = replace(record, created=now, run=self._shop.guard.recorder.run, pid=pid, born=born)
        with self._lock:
            run = self._runs.get(record.key)
            shared = run is not None and not run.stop.is_set()
            if shared and run is not None:
                for job_id in run.jobs:
                    if (mine := self.book.get(job_id)) is not None and mine.owner == record.owner:
                        return job_id
            self._make_sure(record.owner)
            if run is None or not shared:
                run = Run(record.key, record, ask, next(self._numbers), None if run is None else run.over)
                self._runs[record.key] = run
            elif run.begun is not None:
                record = replace(record, state="running", started=now, phase="Joined", fraction=run.fraction)
            run.jobs.add(record.job_id)
            self.book.open(record)
            self.book.say(record.job_id, "somebody runs this already: joined" if shared else "handed in")
        if not shared:
            threading.Thread(target=self._work, args=(run,), name="job", daemon=True).start()
        return record.job_id

    def _work(self, run: Run) -> None:
        state, reason, hint = "failed", BROKEN, "send the diagnostics from Resources"
        result: JobResult | None = None
        try:
            if run.before is not None:
                run.before.wait()
            result = self._shop.make(run, self)
            state, reason, hint = "done", "", ""
        except (JobCancelled, FetchCancelled) as error:
            state, reason, hint = "cancelled", str(error), error.hint
        except StrokescopeError as error:
            reason, hint = str(error), error.hint
            self._on_error(error)
        finally:
            with self._lock:
                for job_id in tuple(run.jobs):
                    self._end(job_id, state, reason, hint, result)
                if self._runs.get(run.key) is run:
                    del self._runs[run.key]
            run.over.set()

    def _end(self, job_id: str, state: str, reason: str, hint: str, result: JobResult | None = None) -> None:
        """The one final state of a job. Under the lock."""
        took: dict[str, object] = {}
        if result is not None:
            took = {"seconds": result.seconds, "peak_rss_mb": result.peak_rss_mb, "fraction": 1.0, "phase": "Done"}
        after = self.book.advance(job_id, state=state, ended=self._clock(), note="", reason=reason, hint=hint, **took)
        if after is not None:
            self.book.say(job_id, reason or state)

    def _mine(self, job_id: str, owner: str) -> JobRecord:
        found = self.book.get(job_id)
        if found is None or found.owner != owner:
            raise BadInput("there is no such job of yours", hint="choose one from the list of jobs")
        return found

    def _make_sure(self, owner: str) -> None:
        """That one more job may be handed in. Under the lock."""
        if self._closed:
            raise OverBudget(self._closed, hint="try again in a minute")
        everybody = [name for run in self._runs.values() for name in self._owners(run)]
        if len(everybody) >= MOST or everybody.count(owner) >= MOST_EACH:
            said = f"{len(everybody)} jobs wait or run, {everybody.count(owner)} of them yours"
            raise OverBudget(said, hint="wait until some are done, or cancel some of yours")

    def _owners(self, run: Run) -> list[str]:
        records = (self.book.get(job_id) for job_id in run.jobs)
        return [record.owner for record in records if record is not None]

    def _run_of(self, job_id: str) -> Run | None:
        return next((run for run in self._runs.values() if job_id in run.jobs), None)
