"""A desk whose engine does what a test says, on real files, a real door and a real book."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import JobCancelled, StrokescopeError
from core.resources.guard import Guard
from core.resources.verdict import Verdict
from core.segmentation.kept import Results
from core.segmentation.results import JobResult
from core.settings import Settings
from core.sources.protocol import LocalFile
from core.workflows.asking import Ask
from core.workflows.desk import Desk
from core.workflows.job_book import JobBook
from tests.workflows.doors import door

PATIENCE_S = 60.0


@dataclass
class Engine:
    """Stands for segment_case.segment: waits to be let go, then leaves a result in the folder, or fails.

    Attributes:
        go: lets all that run go on.
        fails: case id -> what is raised for it.
        ran: the case of each run that got its turn.
    """

    go: threading.Event = field(default_factory=threading.Event)
    fails: dict[str, BaseException] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    writes: bool = True
    slow_s: float = 0.0

    def __call__(
        self, settings: Settings, ask: Ask, out_dir: Path, on_phase: Callable[[str, float], None],
        cancelled: Callable[[], bool], *, guard: Guard, owner: str, waiting: Callable[[str], None],
        on_start: Callable[[int], None], job_id: str, known: Callable[[], JobResult | None],
    ) -> JobResult:  # fmt: skip
        with guard.enter(ask.step(), "engine", owner, cancelled, waiting):
            if (found := known()) is not None:
                return found
            self.ran.append(str(ask.case_id))
            on_start(1)
            on_phase("Reading", 0.25)
            while not self.go.wait(0.005):
                if cancelled():
                    raise JobCancelled("the segmentation was cancelled", hint="start it again")
            if (error := self.fails.get(str(ask.case_id))) is not None:
                raise error
            time.sleep(self.slow_s)
            return left_in(out_dir, ask, self.writes)


def left_in(folder: Path, ask: Ask, writes: bool = True) -> JobResult:
    """A result whose files lie in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mask, sidecar = folder / "case_mask.nii.gz", folder / "case_mask.json"
    if writes:
        mask.write_bytes(b"mask")
        sidecar.write_text("{}")
    return JobResult(
        ask.case_id, ask.engine, ask.info.version, mask, None, None, sidecar, 1.0, None, 0, (), 0.5, 100.0, ()
    )


def question(folder: Path, case: str = "case-1", **parameters: float) -> Ask:
    """A question of that case; its images are no images, as the stand-in opens none."""
    folder.mkdir(parents=True, exist_ok=True)
    files: Mapping[str, LocalFile] = {
        name: LocalFile(folder / f"{case}-{name}.nii.gz", 4, f"{case}{name}") for name in ("dwi", "adc")
    }
    for file in files.values():
        file.path.write_bytes(b"none")
    asked = Ask("diffusion", files, parameters, case, "sample")
    vars(asked)["voxels"] = 1000
    return asked


@dataclass
class Place:
    """One desk and what it works with."""

    desk: Desk
    engine: Engine
    book: JobBook
    results: Results
    guard: Guard
    folder: Path

    def ask(self, case: str = "case-1", **parameters: float) -> Ask:
        return question(self.folder / "images", case, **parameters)


@contextmanager
def place(folder: Path, ends: Sequence[Verdict] = (), **more: Any) -> Iterator[Place]:
    """A desk on that folder's cache and records, closed at the end."""
    engine, errors = Engine(), list[StrokescopeError]()
    with door(folder) as guard:
        results, book = Results(folder / "cache"), JobBook(folder / "state" / "jobs")
        desk = Desk(
            guard.settings, guard, results, book, making=engine, ends=lambda: ends, on_error=errors.append, **more
        )
        try:
            yield Place(desk, engine, book, results, guard, folder)
        finally:
            engine.go.set()
            desk.close(PATIENCE_S)


def until(seen: Callable[[], object], what: str = "") -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end, what
        time.sleep(0.005)
