"""The job behind the Segment page: one question, its price, its progress, its failure. The desk runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import streamlit as st

from core.case import TRUTH
from core.errors import StrokescopeError
from core.resources.admission import Place
from core.resources.budget import size
from core.resources.guard import Guard, ordinal
from core.segmentation.engine import EngineInfo, Value
from core.segmentation.models import ModelFolder
from core.segmentation.results import JobResult
from core.sources.protocol import Fetched, LocalFile
from core.ui import job_words, loaders, messages
from core.ui.visitors import owner
from core.ui.waiting import QUIET_S
from core.ui.waiting import told_to as told_to
from core.workflows.asking import Ask
from core.workflows.job_book import JobRecord
from core.workflows.step_cost import hopeless, judged, price

_REFUSED = "job-refused"


@dataclass(frozen=True)
class Question:
    """One case, one engine, one set of parameters: what a result answers.

    Attributes:
        model: for an engine that is nothing without one.
    """

    source: str
    case_id: str
    engine: EngineInfo
    parameters: Mapping[str, Value]
    fetched: Fetched
    model: ModelFolder | None = None

    @property
    def inputs(self) -> dict[str, LocalFile]:
        """The images that the engine will get; never the truth."""
        names = (*self.engine.inputs, *self.engine.optional)
        return {n: self.fetched.files[n] for n in names if n in self.fetched.files}

    @property
    def truth(self) -> LocalFile | None:
        """The ground truth, if the case has one."""
        return self.fetched.files.get(TRUTH)

    @property
    def folder(self) -> Path:
        """Where the answer lies."""
        return self.ask.folder(loaders.results())

    @cached_property
    def ask(self) -> Ask:
        """The question as the workflows see it."""
        return Ask(self.engine.name, self.inputs, self.parameters, self.case_id, self.source, self.model)


def known_result(question: Question) -> JobResult | None:
    """The finished result, if there is one. Never waits."""
    return loaders.results().find(question.folder)


def ask(question: Question) -> None:
    """The Run button with its price; while the job waits and runs its progress; a new run of the page at its end."""
    desk, me = loaders.desk(), owner()
    record = desk.of(question.folder.name, me)
    if record is not None and not record.over and not desk.wait(record.job_id, QUIET_S):
        _under_way(record.job_id, me)
        return
    now = None if record is None else desk.get(record.job_id)
    if now is not None and now.state == "done" and record is not None and not record.over:
        st.rerun()  # it was there before a bar could be drawn
    refused: StrokescopeError | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        messages.failure(refused, "job", lambda: _begin(question))
        return
    if now is not None and now.state == "failed":
        messages.failure(StrokescopeError(now.reason, hint=now.hint), "job", lambda: _begin(question))
        return
    _offer(question, loaders.guard(), lambda: _begin(question))
    if now is not None and now.state in ("cancelled", "interrupted"):
        _say_end(now)


@st.fragment(run_every=0.5)
def _under_way(job_id: str, me: str) -> None:
    """How far the job is, with Cancel; draws the page anew once it is over."""
    desk = loaders.desk()
    record = desk.get(job_id)
    if record is None or record.over:
        st.rerun()
    st.button("Run", type="primary", key="run", icon=":material/play_arrow:", width="stretch", disabled=True)
    with st.container(horizontal=True, vertical_alignment="center", key="job-progress"):
        told = job_words.under_way(record, desk.place(job_id), desk.seconds_left(job_id))
        st.progress(record.fraction, text=told, width="stretch")
        if st.button("Cancel", key="cancel-job"):
            desk.cancel(job_id, me)
            st.rerun()


def _begin(question: Question) -> None:
    """Hand the question in; a refusal is told by the next run of the page."""
    try:
        loaders.desk().submit(question.ask, owner())
    except StrokescopeError as error:
        st.session_state[_REFUSED] = error


def _say_end(record: JobRecord) -> None:
    """What became of the last try, below the button that tries again."""
    told = job_words.outcome(record, time.time())
    if record.state == "interrupted":
        st.warning(f"{told}. Nothing of it was kept; run it again.", icon=":material/power_off:")
    else:
        st.caption(f"{told}.")


def _offer(question: Question, guard: Guard, begin: Callable[[], None]) -> None:
    """The Run button with what it needs of what is free; one that can never run here says so instead."""
    engine = question.engine
    wanted = question.ask
    step = wanted.step()
    (needs, free), (verdict, fits), never = price(guard, step), judged(guard, step), hopeless(guard, step)
    seconds = max(1.0, wanted.needs.seconds)
    label = f"Run · needs {size(needs)}, {size(free)} may still be used · ~{seconds:.0f} s"
    st.button(label, type="primary", key="run", icon=":material/play_arrow:", width="stretch", disabled=never,
              on_click=begin, help="RAM as the door counts it: with a margin and a reserve for the pages.")  # fmt: skip
    if never:
        st.warning(f"**{engine.name} cannot run here: it {verdict}.**", icon=":material/block:")
        return
    told = before_you(guard.admission.places(), "" if fits else verdict, guard.admission.heavy_at_once)
    if told:
        st.caption(told)


def before_you(places: Sequence[Place], missing: str, at_once: int = 1) -> str:
    """What a job would wait for if it were begun now; "" for nothing. Pure.

    Args:
        missing: what it needs beyond what is free, "" when it fits.
        at_once: jobs that may run together.
    """
    jobs = [place for place in places if place.kind == "score" or place.kind.startswith("engine:")]
    waiting = sum(place.position > 0 for place in jobs)
    if waiting or len(jobs) >= at_once:
        before = "the job that runs" if len(jobs) - waiting < 2 else f"the {len(jobs) - waiting} jobs that run"
        return f"queue: you would be {ordinal(1 + waiting)}, after {before}"
    if not missing:
        return ""
    hope = "it would have to wait" if places else "nothing runs that will give any back"
    return f"It does not fit now, and {hope}: it {missing}."
