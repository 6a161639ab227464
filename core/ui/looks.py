"""Looks: the work behind a result on screen: opening it, seeing it at a threshold, its distances to the truth.

Each is a task that outlives a run of the page, goes through the door where it is heavy, and is shared by who asks for
the same. Draws nothing; what is not ready is None, what failed is raised.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.case import TRUTH, CaseRef
from core.errors import BadInput, GridMismatch, JobCancelled, OverBudget
from core.segmentation.results import JobResult
from core.sources.protocol import Cancelled, Fetched, LocalFile, Report
from core.ui import loaders
from core.ui.tasks import Task, result_of
from core.ui.waiting import QUIET_S, told_to, watcher
from core.workflows import segment_case
from core.workflows.export import read_sidecar
from core.workflows.looking import Look, look_at, reading_step
from core.workflows.reading import Reading
from core.workflows.reading_files import open_reading

SETTLE_S = 1.0
_SURFACE = "surface-task"


@dataclass(frozen=True)
class OnScreen:
    """A result over the images of its own case.

    Attributes:
        source: canonical spec.
        key: name of the result's folder.
        label: the engine's honest name.
        told: the result's sidecar.
        stamp: of the sidecar's state: the same folder may hold another result later.
    """

    source: str
    case: CaseRef
    fetched: Fetched
    key: str
    result: JobResult
    label: str
    told: dict[str, Any]
    stamp: int

    @property
    def truth(self) -> LocalFile | None:
        """The ground truth of the case, if there is one."""
        return self.fetched.files.get(TRUTH)

    @property
    def views(self) -> Path:
        """Where files of views lie, beside the result and never among its own."""
        return self.result.sidecar.parent / "views"

    @property
    def reading_key(self) -> Hashable:
        """What an opened reading of it is known by."""
        digests = [self.fetched.files[n].sha256 for n in (TRUTH, "adc") if n in self.fetched.files]
        return ("reading", str(self.result.mask), self.stamp, *digests)


def on_screen(source: str, case: CaseRef, fetched: Fetched, result: JobResult, label: str) -> OnScreen:
    """The result with its sidecar.

    Raises:
        BadInput: the result is gone, or its sidecar cannot be read.
    """
    try:
        stamp = result.sidecar.stat().st_mtime_ns
    except OSError:
        raise BadInput("the result is not on the disk any more", hint="run the job again") from None
    key = result.sidecar.parent.name
    return OnScreen(source, case, fetched, key, result, label, read_sidecar(result), stamp)


def open_key(shown: OnScreen) -> Hashable:
    """The key of the task that opens it."""
    return ("open", shown.reading_key)


def reading_of(shown: OnScreen) -> Reading | None:
    """The opened result; None while it is being opened.

    Raises:
        StrokescopeError: why it cannot be opened.
    """
    kept, key = loaders.open_readings(), shown.reading_key
    found = kept.reading(key)
    if found is not None:
        loaders.drawings().drop_done(open_key(shown))
        return found
    guard, me = loaders.guard(), watcher()
    case = segment_case.recorded_case(loaders.settings(), shown.case.case_id, shown.source)

    def work(report: Report, cancelled: Cancelled) -> None:
        step = reading_step(segment_case.voxels_of(shown.result.mask), case)
        with guard.enter(step, "decode", me, cancelled, told_to(report, "Opening the result")):
            kept.keep(key, opened(shown))

    tasks = loaders.drawings()
    tasks.drop_done(open_key(shown))  # it was given back since
    task = tasks.start(open_key(shown), "Opening the result", work, me)
    if not task.wait(QUIET_S):
        return None
    result_of(task)
    found = kept.reading(key)
    if found is None:
        raise OverBudget("the opened result was given back at once", hint="RAM is short; close other images")
    return found


def opened(shown: OnScreen) -> Reading:
    """Decode the result with its truth and its ADC; a truth on another grid is left out.

    Raises:
        BadVolume, GridMismatch: a file is damaged.
    """
    adc, told = shown.fetched.files.get("adc"), shown.told
    core = told.get("Parameters", {}).get("adc_core", {}).get("value") if shown.result.core is not None else None
    plane = told.get("MidPlane")
    read = functools.partial(
        open_reading,
        shown.result,
        adc=None if adc is None else adc.path,
        adc_scale=told.get("AdcScale"),
        adc_core=core,
        midplane=None if plane is None else (plane[0], plane[1], plane[2], plane[3]),
    )
    if shown.truth is None:
        return read()
    try:
        return read(truth=shown.truth.path)
    except GridMismatch:
        return read()


def look_of(shown: OnScreen, reading: Reading, threshold: float | None, minimum_ml: float) -> Look:
    """What the result is there; waits for it.

    Raises:
        StrokescopeError: why it cannot be seen.
    """
    kept = loaders.open_readings()
    key = ("look", shown.reading_key, threshold, minimum_ml)
    found = kept.look(key)
    if found is not None:
        return found

    def work(report: Report, cancelled: Cancelled) -> None:
        kept.note(key, look_at(shown.result, reading, threshold, minimum_ml, shown.views))

    tasks = loaders.look_tasks()
    tasks.drop_done(key)
    task = tasks.start(key, "Measuring", work, watcher())
    if not task.wait(QUIET_S):
        with st.spinner("Measuring …"):
            while not task.wait(0.1):
                pass
    result_of(task)
    seen = kept.look(key)
    return seen if seen is not None else look_at(shown.result, reading, threshold, minimum_ml, shown.views)


def surface_of(shown: OnScreen, mask: Path) -> Task | None:
    """The task that measures the mask against the truth in a process of its own; None without a truth to compare with.

    A session measures one mask at a time: the one before is given up.
    """
    truth = shown.truth
    if truth is None:
        return None
    guard, me, tasks = loaders.guard(), watcher(), loaders.jobs()
    key = surface_key(mask, truth)
    before = st.session_state.get(_SURFACE)
    if before not in (None, key):
        tasks.leave(before, me)
    st.session_state[_SURFACE] = key
    case = segment_case.recorded_case(loaders.settings(), shown.case.case_id, shown.source)
    overlap = shown.views / f"scored-{truth.sha256[:8]}-{mask.name.removesuffix('.nii.gz')[-32:]}.nii.gz"

    def work(report: Report, cancelled: Cancelled) -> dict[str, float | int | None]:
        if mask != shown.result.mask:
            _settle(cancelled)
        try:
            found = segment_case.score(
                loaders.settings(), mask, truth.path, overlap, cancelled,
                case=case, guard=guard, owner=me, waiting=told_to(report, "Comparing with the truth"),
            )  # fmt: skip
        finally:
            overlap.unlink(missing_ok=True)
        return asdict(found.score)

    return tasks.start(key, "Comparing with the truth", work, me)


def _settle(cancelled: Cancelled) -> None:
    """Wait until the mask has been on screen for a moment: while a slider moves, no process is started for each step.

    Raises:
        JobCancelled: another mask is on screen.
    """
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        if cancelled():
            raise JobCancelled("scoring was stopped", hint="run it again when you like")
        time.sleep(0.05)


def surface_key(mask: Path, truth: LocalFile) -> Hashable:
    """The key of the task that compares these two."""
    return ("surface", str(mask), truth.sha256)
