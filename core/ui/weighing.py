"""Weighing: what an image costs is said before it is paid; what cannot be shown is refused with its numbers.

Small images pass without a question. A 4D image is never sent whole: one time point of it is chosen here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.errors import BadVolume, ModalityAbsent, OverBudget, StrokescopeError
from core.hub.turns import Turn
from core.imaging.time_points import Series
from core.sources.protocol import Cancelled, Fetched, LocalFile, Report, Source
from core.ui import loaders, messages
from core.ui.getting import hold, visit
from core.ui.recovery import failed, succeeded
from core.ui.waiting import outcome, watcher
from core.workflows.explore_case import costs_network
from core.workflows.image_cost import (
    ASK_FETCH,
    ImageCost,
    Limits,
    NeedsConsent,
    OneTimePoint,
    Refused,
    View,
    decide_view,
    image_cost,
)
from core.workflows.one_time_point import TimePoint, one_time_point

_CONSENTS = "consents"


@dataclass(frozen=True)
class Weighed:
    """What is to be shown: all images as they are, or one time point of the image called `name`."""

    name: str = ""
    series: Series | None = None


def weigh(source: Source, case: CaseRef, names: Sequence[str]) -> Weighed | None:
    """What becomes of the wish to see these images; None while the person is asked, or was told why not."""
    for name in names:
        if _is_small(source, case, name):
            continue
        key = ("cost", source.spec, case.case_id, name)
        try:
            view = _view(source, case, name, key)
        except (BadVolume, ModalityAbsent):
            continue  # the fetch itself tells what is wrong
        except StrokescopeError as error:
            failed(source, error, "cost", loaders.lists(), key)
            return None
        if isinstance(view, Refused):
            refuse(view.error)
            return None
        if isinstance(view, NeedsConsent) or (isinstance(view, OneTimePoint) and view.ask):
            label = "View one time point" if isinstance(view, OneTimePoint) else "Show it"
            if not _agreed((source.spec, case.case_id, name), view.sentence, label):
                return None
        if isinstance(view, OneTimePoint):
            return Weighed(name, view.series)
    return Weighed()


def point_of(source: Source, case: CaseRef, name: str, series: Series) -> Fetched | None:
    """The chosen time point as the image to show; None after a failure was shown."""
    index = _index(case, name, series)
    me, tasks, cache = watcher(), loaders.fetches(), loaders.cache()
    key, visitor = ("point", source.spec, case.case_id, name, index), visit()

    def work(report: Report, cancelled: Cancelled) -> TimePoint:
        return one_time_point(source, cache, case.case_id, name, index, report, cancelled, Turn(me), visitor(report))

    task = tasks.get(key)
    if task is not None and task.state == "done" and not task.result.file.path.exists():
        tasks.drop(key)
    tasks.leave_others(me, {key})
    try:
        point: TimePoint = outcome(tasks, key, f"Getting {MODALITIES[name].label} of {case.case_id}", work)
    except StrokescopeError as error:
        hold(())
        failed(source, error, "point", tasks, key)
        return None
    succeeded(key)
    hold([point.file.path])
    return Fetched(case.case_id, {name: point.file}, ())


def with_truth(point: Fetched, name: str, truth: LocalFile | None) -> Fetched:
    """The time point with the mask over it."""
    return point if truth is None else replace(point, files={**point.files, name: truth})


def refuse(error: OverBudget) -> None:
    """What cannot be shown, its numbers, and what would help."""
    st.warning(f"**{messages.sentence(error)}.** {messages.capital(error.hint)}.", icon=":material/block:")


def _is_small(source: Source, case: CaseRef, name: str) -> bool:
    """Whether nothing needs to be asked: made here, or a few megabytes of a kind that has no time axis."""
    if source.synthetic:
        return True
    size = case.sizes.get(name)
    small = size is not None and size < ASK_FETCH and not MODALITIES[name].is_4d
    return small and costs_network(source) and name not in source.cached(case.case_id)


def _view(source: Source, case: CaseRef, name: str, key: Hashable) -> View:
    tasks = loaders.lists()
    task = tasks.get(key)
    if task is not None and task.state == "done":
        tasks.drop(key)  # the image may have come, or gone, since
    what = f"Reading how large {MODALITIES[name].label} is"
    cost: ImageCost = outcome(tasks, key, what, lambda _, cancelled: image_cost(source, case.case_id, name, cancelled))
    free = None
    if cost.fetch_bytes is None or cost.fetch_bytes >= ASK_FETCH:
        room = loaders.cache().room()
        free = None if room is None else max(0, room) + loaders.cache().total_bytes()  # older images make room
    return decide_view(cost, Limits(disk_free=free))


def _agreed(what: Hashable, sentence: str, label: str) -> bool:
    """Whether the person wants to pay that; asks otherwise."""
    agreed: set[Hashable] = st.session_state.setdefault(_CONSENTS, set())
    if what in agreed:
        return True
    with st.container(border=True, key="consent"):
        st.markdown(f"**{sentence}**")
        st.button(label, type="primary", key="consent-yes", icon=":material/download:",
                  on_click=agreed.add, args=(what,))  # fmt: skip
    return False


def _index(case: CaseRef, name: str, series: Series) -> int:
    if series.count < 2:
        return 0
    key = f"time-{case.case_id}-{name}"
    now = int(st.session_state.get(key, series.default + 1))
    told = f"{MODALITIES[name].label}, {series.label(now - 1)}"
    return int(st.slider(told, 1, series.count, series.default + 1, key=key, width=480)) - 1
