"""Getting images: one fetch for all who want it, its progress, its failure, and the hold on what is on screen.

What a session moved on from is no longer fetched for it; what it shows is not evicted. Draws progress and failures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.errors import StrokescopeError
from core.hub.turns import Turn
from core.sources.protocol import Cancelled, Fetched, Progress, Report, Source
from core.ui import loaders
from core.ui.recovery import failed, succeeded
from core.ui.waiting import outcome, watcher
from core.workflows.guarded import Visit
from core.workflows.guarded import fetch as fetch_guarded

_FETCHING, _AGAIN = "fetching", "fetching-again"


def get(
    source: Source, case_id: str, names: Sequence[str], needed: Sequence[str], known: CaseRef | None = None
) -> Fetched | None:
    """The images, held for this session; None after a failure was shown. `known`: what is known of the case."""
    key, tasks, me = key_of(source, case_id, names), loaders.fetches(), watcher()
    visitor = visit()

    def work(report: Report, cancelled: Cancelled) -> Fetched:
        return fetch_guarded(visitor(report), source, case_id, names, report, cancelled, Turn(me), known)

    tasks.leave_others(me, {key})
    if st.session_state.get(_FETCHING) != key:
        hold(())
    st.session_state[_FETCHING] = key
    labels = " + ".join(MODALITIES[n].label for n in needed)
    try:
        tasks.drop_done(key)  # asking again costs one look at the disk, and files may have gone or been damaged
        fetched: Fetched = outcome(tasks, key, f"Getting {labels} of {case_id}", work)
    except StrokescopeError as error:
        hold(())
        failed(source, error, "fetch", tasks, key)
        return None
    succeeded(key)
    if not hold(file.path for file in fetched.files.values()) and st.session_state.pop(_AGAIN, None) != key:
        st.session_state[_AGAIN] = key
        st.rerun()  # another one needed the room before it was held
    return fetched


def visit() -> Callable[[Report], Visit]:
    """This session at the door, for a task with that report: what it waits for stands in its progress line."""
    guard, me = loaders.guard(), watcher()

    def visitor(report: Report) -> Visit:
        return Visit(guard, me, lambda sentence: report(Progress("", 0, None, sentence)))

    return visitor


def key_of(source: Source, case_id: str, names: Iterable[str]) -> Hashable:
    """What a fetch is known by: who asks for the same joins it."""
    return ("fetch", source.spec, case_id, tuple(sorted(names)))


def hold(paths: Iterable[Path]) -> bool:
    """These files are on this session's screen, and nothing else: they must stay. False where one has gone."""
    cache, wanted = loaders.cache(), list(paths)
    held = cache.hold(watcher(), [path for path in wanted if path.is_relative_to(cache.root)])
    return all(path in held or path.exists() for path in wanted)


def elsewhere() -> None:
    """This session looks at no case: nothing is fetched or held for it."""
    loaders.fetches().leave_others(watcher())
    loaders.ahead().leave_others(watcher())
    hold(())
