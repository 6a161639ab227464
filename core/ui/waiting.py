"""Waiting for a task on a page: progress in bytes or per cent, seconds left, Cancel; then its result or its error.

The page's script waits in short steps, so that a click (Cancel, another case) ends the waiting at once; the task itself
goes on in its thread. Knows nothing of what the task does.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from core.errors import FetchCancelled
from core.sources.protocol import Progress, Report
from core.ui.tasks import Task, Tasks, Work, result_of

QUIET_S = 0.35  # what is ready sooner shows no progress bar: nothing flickers
SILENT_S = 3.0  # without a byte for so long, the line says so
_STOPPED = "stopped-tasks"


def watcher() -> str:
    """This session, as a watcher of tasks."""
    name: str = st.session_state.setdefault("watcher", uuid.uuid4().hex)
    return name


def outcome(tasks: Tasks, key: Hashable, what: str, work: Work, unit: str = "MB") -> Any:
    """Start the task (or join it), show its progress, return its result.

    Args:
        unit: "MB" for bytes over a network, "%" for work on this machine.

    Raises:
        FetchCancelled: this session stopped it.
        StrokescopeError: what the work raised.
    """
    if is_stopped(key):
        raise FetchCancelled(f"{what} was stopped", hint="press Retry to go on")
    me = watcher()
    task = tasks.start(key, what, work, me)
    if not task.wait(QUIET_S):
        box = st.empty()
        with box.container(horizontal=True, vertical_alignment="center"):
            bar = st.progress(0.0, text=_line(tasks, task, unit), width="stretch")
            st.button("Cancel", key=f"cancel-{hash(key)}", on_click=_stop, args=(tasks, key, me))
        while not task.wait(0.2):
            bar.progress(_fraction(task), text=_line(tasks, task, unit))
        box.empty()
    return result_of(task)


def told_to(report: Report, then: str) -> Callable[[str], None]:
    """What a step waits for, as a note in its progress line; `then` stands there once it begins."""

    def waiting(sentence: str) -> None:
        report(Progress("Waiting" if sentence else then, 0, 1000, sentence))

    return waiting


def is_stopped(key: Hashable) -> bool:
    """Whether this session stopped that task."""
    return key in st.session_state.setdefault(_STOPPED, set())


def retry(tasks: Tasks, key: Hashable) -> None:
    """Forget a failure or a stop, so that the next run tries again."""
    st.session_state.setdefault(_STOPPED, set()).discard(key)
    tasks.drop(key)


def _stop(tasks: Tasks, key: Hashable, me: str) -> None:
    st.session_state.setdefault(_STOPPED, set()).add(key)
    tasks.leave(key, me)


def _fraction(task: Task) -> float:
    progress = task.progress
    return max(0.0, min(1.0, progress.done / progress.total)) if progress is not None and progress.total else 0.0


def _line(tasks: Tasks, task: Task, unit: str) -> str:
    if task.state == "waiting":
        return f"{task.what}: waiting, {tasks.position(task)} before you"
    return told(task, time.monotonic(), unit)


def told(task: Task, now: float, unit: str = "MB") -> str:
    """What a running task does at the moment `now` (monotonic seconds): how far, and what it waits for, in one line."""
    progress = task.progress
    silent = now - task.moved
    if progress is None:
        waits = "; no answer yet, the Hub is slow or gone" if unit == "MB" and silent >= SILENT_S else ""
        return f"{task.what} … {now - task.started:.0f} s{waits}"
    done = f"{progress.done / 1e6:.1f}" + (f" of {progress.total / 1e6:.1f}" if progress.total else "") + " MB"
    so_far = done if unit == "MB" else f"{100 * _fraction(task):.0f} %"
    what = task.what if unit == "MB" else progress.what
    if progress.note:
        return f"{what}: {so_far} · {progress.note}" + (f" · {silent:.0f} s" if silent >= SILENT_S else "")
    if unit == "MB" and silent >= SILENT_S and progress.done != progress.total:
        return f"{what}: {so_far} · no byte for {silent:.0f} s; the Hub is slow or gone"
    left = seconds_left(task, now)
    return f"{what}: {so_far}" + (f" · about {left:.0f} s left" if left is not None else "")


def seconds_left(task: Task, now: float) -> float | None:
    """Seconds that the rest takes at the speed so far; None while that cannot be told."""
    progress, origin = task.progress, task.origin
    if progress is None or origin is None or not progress.total or now - origin[0] < 1.0:
        return None
    speed = (progress.done - origin[1]) / (now - origin[0])
    return (progress.total - progress.done) / speed if speed > 0 else None
