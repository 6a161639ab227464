"""Waiting for a task on a page: progress in bytes or per cent, seconds left, Cancel; then its result or its error.

The page's script waits in short steps, so that a click (Cancel, another case) ends the waiting at once; the task itself
goes on in its thread. Knows nothing of what the task does.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Hashable
from typing import Any

import streamlit as st

from core.errors import FetchCancelled
from core.ui.tasks import Task, Tasks, Work, result_of

QUIET_S = 0.35  # what is ready sooner shows no progress bar: nothing flickers
_STOPPED = "stopped-tasks"


def watcher() -> str:
    """This session, as a watcher of tasks."""
    name: str = st.session_state.setdefault("watcher", uuid.uuid4().hex)
    return name


def outcome(tasks: Tasks, key: Hashable, what: str, work: Work, unit: str = "MB") -> Any:
    """Start the task (or join it), show its progress, return its result.

    Raises:
        FetchCancelled: this session stopped it.
        StrokescopeError: what the work raised.
    """
    stopped: set[Hashable] = st.session_state.setdefault(_STOPPED, set())
    if key in stopped:
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


def retry(tasks: Tasks, key: Hashable) -> None:
    """Forget a failure or a stop, so that the next run tries again."""
    st.session_state.setdefault(_STOPPED, set()).discard(key)
    tasks.drop(key)


def _stop(tasks: Tasks, key: Hashable, me: str) -> None:
    st.session_state.setdefault(_STOPPED, set()).add(key)
    tasks.leave(key, me)


def _fraction(task: Task) -> float:
    progress = task.progress
    return min(1.0, progress.done / progress.total) if progress is not None and progress.total else 0.0


def _line(tasks: Tasks, task: Task, unit: str) -> str:
    if task.state == "waiting":
        ahead = tasks.position(task)
        return f"{task.what}: waiting, {ahead} before you"
    progress, fraction = task.progress, _fraction(task)
    seconds = time.monotonic() - task.started
    if progress is None:
        return f"{task.what} … {seconds:.0f} s"
    left = f" · about {seconds * (1 - fraction) / fraction:.0f} s left" if fraction > 0.05 and seconds > 1 else ""
    if unit == "MB":
        of = f" of {progress.total / 1e6:.1f}" if progress.total else ""
        return f"{progress.what}: {progress.done / 1e6:.1f}{of} MB{left}"
    return f"{progress.what}: {100 * fraction:.0f} %{left}"
