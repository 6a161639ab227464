"""The Segment page: engine and parameters, the picture on the left, what is known of the result on the right.

The picture keeps its place before, during and after a job. Runs nothing itself (segment_jobs.py).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.case import TRUTH, CaseRef
from core.segmentation.engine import ENGINES, Choice, EngineInfo, Parameter, Value, load_engine
from core.segmentation.results import JobResult
from core.sources.protocol import Source
from core.ui import keys, messages, nav, safety, segment_jobs
from core.ui.case_view import say_if_unoriented, step_by
from core.ui.getting import get
from core.ui.picture import Layer, draw_picture, truth_layer
from core.ui.result_view import lesion_table, numbers
from core.ui.segment_jobs import Question
from core.workflows.explore_case import cost_bytes, costs_network
from core.workflows.segment_case import Scored

HEIGHT = 660


def draw(source: Source, case: CaseRef, ids: Sequence[str], row: DeltaGenerator) -> None:
    """The whole page for one case; `row` is where engine and parameters are chosen."""
    st.session_state["case-ids"] = tuple(ids)
    with row:
        keys.listen(step_by)
    if not safety.may_open(source, case.case_id):
        return
    engine, parameters = _engine_and_parameters(row)
    names = [*engine.inputs, *engine.optional, TRUTH]
    if case.modalities is not None and _lacks(engine, case, case.modalities):
        return
    if not _paid(source, case, names):
        return
    fetched = get(source, case.case_id, names, engine.inputs, case)
    if fetched is None or _lacks(engine, case, fetched.files):
        return
    say_if_unoriented({n: fetched.files[n].path for n in engine.inputs})
    question = Question(source.spec, case.case_id, engine, parameters, fetched)
    result = segment_jobs.known_result(question)
    scored = None if result is None else segment_jobs.known_score(question, result)
    left, right = st.columns([7, 3])
    with right:
        layers, focus = _answer(question, result, scored)
    with left:
        draw_picture(source, case, engine.inputs[:2], fetched, layers=layers, height=HEIGHT, focus=focus)
    with right:
        if result is None:
            segment_jobs.ask(question)
        elif scored is None:
            segment_jobs.compare(question, result)


def _answer(
    question: Question, result: JobResult | None, scored: Scored | None
) -> tuple[list[Layer], tuple[float, float, float] | None]:
    """What is known in numbers; returns what to draw over the images, and where to look."""
    if result is None:
        truth = question.truth
        return ([] if truth is None else [truth_layer(truth.path, question.source)]), None
    layers = _layers(question, result, scored)
    numbers(result, None if scored is None else scored.score)
    if question.truth is None:
        st.caption("This case has no ground truth, so there is no score.")
    focus = lesion_table(result)
    for warning in result.warnings:
        st.warning(warning, icon=":material/warning:")
    _downloads(result)
    return layers, focus


def _layers(question: Question, result: JobResult, scored: Scored | None) -> list[Layer]:
    prediction = Layer(result.mask, "prediction", f"prediction ({question.engine.name})", "prediction")
    if scored is None or question.truth is None:
        return [prediction]
    ways = ["Agreement", "Prediction", "Truth", "Both outlines"]
    way = st.segmented_control("Overlay", ways, default=ways[0], required=True, label_visibility="collapsed",
                               key="overlay-kind", persist_state="session")  # fmt: skip
    truth = truth_layer(question.truth.path, question.source)
    if way == "Both outlines":
        return [truth, prediction]
    if way in ("Prediction", "Truth"):
        return [prediction if way == "Prediction" else truth]
    return [Layer(scored.overlap, "overlap", "agreement", "prediction", "labels3")]


def _paid(source: Source, case: CaseRef, names: Sequence[str]) -> bool:
    """Whether the images are here, cost nothing, or were asked for knowing their price; offers them otherwise."""
    wanted = [n for n in names if case.modalities is None or n in case.modalities]
    here = source.cached(case.case_id)
    asked = st.session_state.setdefault("paid", set())
    if not costs_network(source) or set(wanted) <= here or (source.spec, case.case_id) in asked:
        return True
    cost = messages.megabytes(cost_bytes(case, wanted, here))
    st.button(f"Get the images · {cost}", type="primary", key="get-images", icon=":material/download:",
              on_click=asked.add, args=((source.spec, case.case_id),))  # fmt: skip
    return False


def _lacks(engine: EngineInfo, case: CaseRef, there: Container[str]) -> bool:
    """Whether an image that the engine needs is missing; says so."""
    missing = [n.upper() for n in engine.inputs if n not in there]
    if missing:
        lacks = " and no ".join(missing)
        st.warning(f"{case.case_id} has no {lacks}; {engine.name} cannot judge it. Choose another case.")
    return bool(missing)


def _engine_and_parameters(row: DeltaGenerator) -> tuple[EngineInfo, dict[str, Value]]:
    with row:
        name = st.selectbox(
            "Engine",
            [name for name in ENGINES if name != "network"],
            key="engine",
            label_visibility="collapsed",
            width=140,
        )
        engine = load_engine(name).info
        st.markdown(f":orange-badge[{engine.label}]", help=engine.validated)
        with st.popover("Parameters", icon=":material/tune:", key="parameters"):
            parameters: dict[str, Value] = {
                p.name: _number(p) if isinstance(p, Parameter) else _word(p) for p in engine.parameters
            }
        with st.popover("Known failures", icon=":material/warning:", key="failures"):
            st.markdown(f"{engine.validated}\n\n" + "\n".join(f"- {f}" for f in engine.failures))
        if st.button("Back to the case", icon=":material/arrow_back:", key="to-case"):
            nav.open_page("cases")
    return engine, engine.settle(parameters)


def _number(p: Parameter) -> float:
    label = f"{p.label} ({p.unit})" if p.unit else p.label
    low, high, default, step = float(p.low), float(p.high), float(p.default), float(p.step)
    return float(st.number_input(label, low, high, default, step, key=f"p-{p.name}", help=p.help,
                                 persist_state="session"))  # fmt: skip


def _word(p: Choice) -> str:
    return st.selectbox(p.label, p.options, index=p.options.index(p.default), key=f"p-{p.name}", help=p.help)


def _downloads(result: JobResult) -> None:
    with st.container(horizontal=True):
        st.download_button("Mask .nii.gz", result.mask.read_bytes, file_name=result.mask.name, mime="application/gzip",
                           key="get-mask", icon=":material/download:", on_click="ignore")  # fmt: skip
        st.download_button("Sidecar .json", result.sidecar.read_bytes, file_name=result.sidecar.name,
                           mime="application/json", key="get-sidecar", on_click="ignore")  # fmt: skip
    st.caption(f"{messages.NOTICE}. The mask lies on the DWI's own grid. Made in {result.seconds:.1f} s.")
