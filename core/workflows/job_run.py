"""Run: one segmentation under way in a thread, for everybody who asked for it, from its images to its kept result.

Knows no visitors and no records: the desk hears of it through `Heard`. The engine's process, its turn and its room are
segment_case.py's.
"""

from __future__ import annotations

import heapq
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.errors import BadInput, DiskFull, JobCancelled
from core.resources.guard import Guard
from core.resources.line import Entry, in_order
from core.segmentation.kept import Results
from core.segmentation.kept_record import origin_of
from core.segmentation.results import JobResult
from core.settings import Settings
from core.sources.protocol import Progress
from core.workflows.asking import Ask
from core.workflows.job_book import JobRecord
from core.workflows.job_pace import fetch_share, left_s, whole
from core.workflows.recalling import Recall

GETTING = "Getting the images"
ELSEWHERE = "another app on this folder makes this result just now"
GUESS_S = 10.0  # of an engine, before its images tell
Lease = Callable[[Iterable[Path]], AbstractContextManager[object]]
Segment = Callable[..., JobResult]


@dataclass(frozen=True)
class Load:
    """What other visitors run and wait for; numbers only."""

    running: int
    waiting: int


class Heard(Protocol):
    """Who wants to know how a run goes; called from the run's thread."""

    def tell(self, run: Run, said: str = "", **changes: object) -> None:
        """Fields of its records that change, and a line for their logs."""

    def claim(self, run: Run) -> bool:
        """The result is whole: whether anybody still wants it; from then on it is too late to give it up."""


@dataclass(eq=False)
class Run:
    """One run; written by its own thread, but for `jobs`, `stop` and `ending`, which are the desk's.

    Attributes:
        key: name of the result's folder; after it, its number where two runs came to one folder.
        record: of who asked first: his turn it is.
        ask: the question; None where it has to be recalled from the record.
        number: grows with arrival.
        before: over when a run of the same key that was given up is gone.
        jobs: ids of the records that share it; empty once all have given it up.
        share: part of the whole work that getting images is.
        predicted_s: of the engine.
        begun: when the engine began (monotonic seconds).
    """

    key: str
    record: JobRecord
    ask: Ask | None
    number: int
    before: threading.Event | None = None
    jobs: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    ending: bool = False
    getting: bool = False
    share: float = 0.0
    fetched: float = 0.0
    made: float = 0.0
    predicted_s: float | None = None
    begun: float | None = None

    @property
    def fraction(self) -> float:
        """Of the whole work."""
        return whole(self.share, self.fetched, self.made)

    def left_s(self, now: float) -> float | None:
        """Seconds that it takes once it has its turn; None while nobody can tell. `now`: monotonic."""
        if self.predicted_s is None:
            return None
        return left_s(self.predicted_s, 0.0 if self.begun is None else now - self.begun, self.made)


@dataclass(frozen=True)
class Shop:
    """What a run works with.

    Attributes:
        lease: keeps files from being evicted while the block lasts.
        segment: segment_case.segment, or what stands for it in a test.
    """

    settings: Settings
    guard: Guard
    results: Results
    recall: Recall
    lease: Lease
    segment: Segment

    def make(self, run: Run, heard: Heard) -> JobResult:
        """The kept result of the run, made or found.

        Raises:
            JobCancelled, FetchCancelled: it was given up.
            DiskFull: the result was made and could not be kept.
            StrokescopeError: as Recall.ask and segment.
        """
        for last in (False, True):
            ask = run.ask or self._recall(run, heard)
            paths = [file.path for file in ask.inputs.values()]
            with self.lease(paths):
                if all(path.is_file() for path in paths):
                    return self._answer(run, ask, heard)
            if last or run.record.case_id is None:
                break
            run.ask = None
        raise BadInput("the images of this job are no longer on this disk", hint="open the case and run it again")

    def _recall(self, run: Run, heard: Heard) -> Ask:
        """Get the images anew: a phase of its own."""
        run.getting = True
        heard.tell(run, GETTING, phase=GETTING, note="")

        def report(progress: Progress) -> None:
            if progress.total:
                run.share = fetch_share(progress.total, GUESS_S)
                run.fetched = max(run.fetched, min(1.0, progress.done / progress.total))
            heard.tell(run, phase=GETTING, fraction=run.fraction, note=progress.note)

        def waiting(sentence: str) -> None:
            heard.tell(run, sentence, phase=GETTING, note=why_of(sentence))

        ask = self.recall.ask(run.record, report, run.stop.is_set, waiting)
        run.fetched, run.getting = 1.0, False
        folder = ask.folder(self.results)
        heard.tell(run, "the images are here", key=folder.name, version=ask.info.version, fraction=run.fraction)
        return ask

    def _answer(self, run: Run, ask: Ask, heard: Heard) -> JobResult:
        """The result of a question whose images are here; nobody removes its folder, or those that it joins."""
        folder = ask.folder(self.results)

        def other() -> None:
            heard.tell(run, ELSEWHERE, phase="Waiting", note=ELSEWHERE, fraction=run.fraction)

        with (
            self.results.making(folder, run.stop.is_set, other),
            self.results.using([folder, *(folder.parent / key for key in ask.members)]),
        ):
            return self._made(run, ask, folder, heard)

    def _made(self, run: Run, ask: Ask, folder: Path, heard: Heard) -> JobResult:
        new = True

        def known() -> JobResult | None:
            nonlocal new
            found = self.results.find(folder)
            new = found is None
            return found

        def phase(name: str, fraction: float) -> None:
            run.made = fraction
            began(name)

        def began(name: str, said: str = "") -> None:
            if run.begun is None:
                run.begun = time.monotonic()
            line = said or ("" if name == "Done" else name)
            heard.tell(run, line, state="running", phase=name, fraction=run.fraction, note="")

        def waiting(sentence: str) -> None:
            if sentence and run.begun is None:
                heard.tell(run, sentence, phase="Waiting", note=why_of(sentence), fraction=run.fraction)

        found = known()
        if found is None:
            run.predicted_s = ask.needs.seconds
            found = self.segment(
                self.settings, ask, folder, phase, run.stop.is_set, guard=self.guard, owner=run.record.owner,
                waiting=waiting, on_start=lambda pid: began("Starting", "its process has started"),
                job_id=run.record.job_id, known=known,
            )  # fmt: skip
        if not heard.claim(run):
            if new:
                shutil.rmtree(folder, ignore_errors=True)
            raise JobCancelled("the segmentation was cancelled", hint="start it again when you want it")
        if new:
            self._keep(ask, folder, found)
        return found

    def _keep(self, ask: Ask, folder: Path, found: JobResult) -> None:
        model = None if ask.model is None else ask.model.source
        self.results.keep(folder, found, origin=origin_of(ask.info, ask.parameters, ask.source, model))
        if self.results.find(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)
            said = "the result could not be kept, probably because the disk is full"
            raise DiskFull(said, hint="free some space and run it again")


def in_line(runs: Iterable[Run]) -> list[Run]:
    """Those that wait, as the door has its line: turns between owners, then who came first."""
    known = {run.number: run for run in runs}
    entries = {number: Entry(number, run.record.owner, 0.0, 0.0, heavy=True) for number, run in known.items()}
    running = [entries[number] for number, run in known.items() if run.begun is not None]
    late = [number for number, run in known.items() if run.begun is None and not run.getting and not run.stop.is_set()]
    waiting = [entries[number] for number in late]
    return [known[entry.number] for entry in in_order(waiting, running)]


def until_over_s(run: Run, runs: Iterable[Run], now: float, at_once: int = 1) -> float | None:
    """Seconds until the run is over, with all that comes before it; None while nobody can tell.

    Args:
        now: monotonic.
        at_once: how many may run together.
    """
    if run.getting:
        return None
    together = list(runs)
    line = in_line(together)
    if run not in line:
        return run.left_s(now)
    begun = [one for one in together if one.begun is not None]
    if len(begun) < at_once:
        return None  # what it waits for is none of these
    ends: list[float] = []
    for one in (*begun, *line[: line.index(run) + 1]):
        left = one.left_s(now)
        if left is None:
            return None
        free = 0.0 if len(ends) < len(begun) else heapq.heappop(ends)
        heapq.heappush(ends, last := free + left)
    return last


def why_of(sentence: str) -> str:
    """Without its place in the line, which changes: "you are 2nd in line: another job is running"."""
    return sentence.partition(" in line: ")[2] or sentence
