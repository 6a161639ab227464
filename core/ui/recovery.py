"""Recovery: work that failed because of the Hub begins again by itself once the Hub answers; no reload, no click.

Shows the failure with its Retry button and, below it, what is being done about it. What cannot pass by itself (a wrong
name, a closed dataset, HF_HUB_OFFLINE) waits for a person.
"""

from __future__ import annotations

import time
from collections.abc import Hashable

import streamlit as st

from core.errors import HubOffline, HubRateLimited, HubServerError, HubTimeout, StrokescopeError
from core.sources.protocol import Source
from core.ui import loaders, messages, state
from core.ui.health import Health
from core.ui.tasks import Tasks
from core.ui.waiting import is_stopped, retry

FIRST_S, LONGEST_S = 1.0, 60.0  # between a failure and the next attempt by itself
_COUNTS = "recoveries"


def may_pass(error: StrokescopeError, offline: bool) -> bool:
    """Whether trying again later can help without a person. `offline`: HF_HUB_OFFLINE is set."""
    return not offline and isinstance(error, HubOffline | HubTimeout | HubServerError | HubRateLimited)


def pause_s(error: StrokescopeError, attempts: int) -> float:
    """Seconds to wait after a failure that followed so many attempts by itself in a row."""
    wait = min(LONGEST_S, FIRST_S * 2.0 ** min(attempts, 10))
    return max(wait, error.retry_after_s) if isinstance(error, HubRateLimited) else wait


def outlook(health: Health, left_s: float) -> str:
    """What happens next, in one line."""
    if left_s > 5:
        return f"Goes on by itself in {left_s:.0f} s."
    if health.state == "answers":
        return "The Hub answers again; going on …"
    return "The Hub is asked again every few seconds; this goes on by itself as soon as it answers."


def failed(source: Source, error: StrokescopeError, name: str, tasks: Tasks, key: Hashable) -> None:
    """Show the failure of a task, and wait for better times where they can come.

    Args:
        name: of the failure, unique on the page.
    """
    gone = isinstance(error, HubOffline | HubTimeout | HubServerError | HubRateLimited)
    instead = ("Cases on this machine", state.show_what_is_here) if gone and state.current().case else None
    messages.failure(error, name, lambda: retry(tasks, key), instead)
    if may_pass(error, loaders.settings().hf_hub_offline) and not is_stopped(key):
        task = tasks.get(key)
        if task is not None:
            _until_it_answers(source, error, tasks, key, task.ended)


def succeeded(key: Hashable) -> None:
    """The next failure of this task is a first one again."""
    st.session_state.get(_COUNTS, {}).pop(key, None)


def attend(source: Source, error: StrokescopeError, tasks: Tasks, key: Hashable, ended: float) -> str | None:
    """Look once whether the failed task may begin again; what happens next in words, or None once it is forgotten.

    Args:
        ended: when the task that failed with `error` ended (monotonic seconds).
    """
    task = tasks.get(key)
    if task is None or task.state != "failed" or task.ended != ended:
        return None  # another session, or a click, has begun it again
    counts: dict[Hashable, int] = st.session_state.setdefault(_COUNTS, {})
    left = ended + pause_s(error, counts.get(key, 0)) - time.monotonic()
    pulses = loaders.pulses()
    health = pulses.of(source)
    if health.asked < ended and health.state != "asking":
        pulses.again(source)  # it answered before this failure: that tells nothing now
        health = Health("asking", "asking …")
    if left <= 0 and health.state == "answers":
        counts[key] = counts.get(key, 0) + 1
        tasks.drop(key)
        return None
    return outlook(health, left)


@st.fragment(run_every=1.0)
def _until_it_answers(source: Source, error: StrokescopeError, tasks: Tasks, key: Hashable, ended: float) -> None:
    told = attend(source, error, tasks, key, ended)
    if told is None:
        st.rerun()
    st.caption(told)
