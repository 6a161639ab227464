"""The jobs behind the Segment page: one question, its result, its score. Draws progress and failures, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.case import TRUTH
from core.errors import StrokescopeError
from core.resources.admission import Place
from core.resources.budget import size
from core.resources.guard import Guard, ordinal
from core.segmentation.engine import EngineInfo, Value
from core.segmentation.results import JobResult
from core.sources.protocol import Cancelled, Fetched, LocalFile, Progress, Report
from core.ui import loaders, messages
from core.ui.tasks import result_of
from core.ui.waiting import outcome, retry, watcher
from core.ui.waiting import told_to as told_to
from core.workflows import segment_case
from core.workflows.asking import Ask
from core.workflows.segment_case import Scored
from core.workflows.step_cost import hopeless, judged, price


@dataclass(frozen=True)
class Question:
    """One case, one engine, one set of parameters: what a result answers."""

    source: str
    case_id: str
    engine: EngineInfo
    parameters: Mapping[str, Value]
    fetched: Fetched

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

    @property
    def ask(self) -> Ask:
        """The question as the workflows see it."""
        return Ask(self.engine.name, self.inputs, self.parameters, self.case_id, self.source)


def known_result(question: Question) -> JobResult | None:
    """The finished result, if there is one. Never waits."""
    found = loaders.results().find(question.folder)
    if found is None:
        key = ("job", str(question.folder))
        task = loaders.jobs().get(key)
        if task is not None and task.state == "done":
            loaders.jobs().drop(key)  # somebody removed its files
    return found


def known_score(question: Question, result: JobResult) -> Scored | None:
    """The finished score, if there is one. Never waits."""
    task = None if question.truth is None else loaders.jobs().get(_score_key(result, question.truth))
    if task is None or task.state != "done":
        return None
    found: Scored = result_of(task)
    return found if found.overlap.is_file() else None


def ask(question: Question) -> None:
    """The Run button with its price; once pressed, the progress, and a new run of the page when the answer is there."""
    folder, guard, me = question.folder, loaders.guard(), watcher()
    asked = st.session_state.setdefault("asked", set())
    if str(folder) not in asked:
        _offer(question, guard, lambda: asked.add(str(folder)))
        return
    st.button("Run", type="primary", key="run", icon=":material/play_arrow:", width="stretch", disabled=True)

    def work(report: Report, cancelled: Cancelled) -> JobResult:
        def phase(name: str, fraction: float) -> None:
            report(Progress(name, int(1000 * fraction), 1000))

        with loaders.cache().lease(file.path for file in question.inputs.values()):
            found = segment_case.segment(
                loaders.settings(), question.ask, folder, phase, cancelled,
                guard=guard, owner=me, waiting=told_to(report, "Starting"),
            )  # fmt: skip
        loaders.results().keep(folder, found)
        return found

    key = ("job", str(folder))
    try:
        outcome(loaders.jobs(), key, f"Segmenting {question.case_id}", work, unit="%")
    except StrokescopeError as error:
        messages.failure(error, "job", lambda: retry(loaders.jobs(), key))
        return
    if loaders.results().find(folder) is None:
        st.error("The result could not be kept, probably because the disk is full. Free some space and run it again.")
        return
    st.rerun()


def compare(question: Question, result: JobResult) -> None:
    """Wait for the score, then draw the page anew; a failure is told instead."""
    truth = question.truth
    if truth is None:
        return

    guard, me = loaders.guard(), watcher()

    def work(report: Report, cancelled: Cancelled) -> Scored:
        overlap = question.folder / "scores" / f"overlap-{truth.sha256[:16]}.nii.gz"
        case = segment_case.recorded_case(loaders.settings(), question.case_id, question.source)
        return segment_case.score(
            loaders.settings(), result.mask, truth.path, overlap, cancelled,
            case=case, guard=guard, owner=me, waiting=told_to(report, "Comparing with the truth"),
        )  # fmt: skip

    key = _score_key(result, truth)
    task = loaders.jobs().get(key)
    if task is not None and task.state == "done" and not task.result.overlap.is_file():
        loaders.jobs().drop(key)
    try:
        outcome(loaders.jobs(), key, "Comparing with the truth", work, unit="%")
    except StrokescopeError as error:
        messages.failure(error, "score", lambda: retry(loaders.jobs(), key))
        return
    st.rerun()


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
    told = before_you(guard.admission.places(), "" if fits else verdict)
    if told:
        st.caption(told)


def before_you(places: Sequence[Place], missing: str) -> str:
    """What a job would wait for if it were begun now; "" for nothing. Pure.

    Args:
        missing: what it needs beyond what is free, "" when it fits.
    """
    jobs = [place for place in places if place.kind == "score" or place.kind.startswith("engine:")]
    if jobs:
        return f"queue: you would be {ordinal(1 + sum(place.position > 0 for place in jobs))}, after the job that runs"
    if not missing:
        return ""
    hope = "it would have to wait" if places else "nothing runs that will give any back"
    return f"It does not fit now, and {hope}: it {missing}."


def _score_key(result: JobResult, truth: LocalFile) -> tuple[str, str, str]:
    return ("score", str(result.mask), truth.sha256)
