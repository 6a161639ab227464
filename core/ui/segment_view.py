"""Segmenting on screen: engine, parameters, Run with its price, progress, the result and its score.

Runs nothing itself: jobs go to the queue (loaders.jobs) and from there into worker processes.
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.case import TRUTH, CaseRef
from core.errors import StrokescopeError
from core.segmentation.engine import ENGINES, EngineInfo, Parameter, load_engine
from core.segmentation.results import JobResult
from core.sources.protocol import Cancelled, Fetched, LocalFile, Progress, Report, Source
from core.ui import loaders, messages, nav
from core.ui.case_view import get, say_if_unoriented
from core.ui.picture import Layer, draw_picture, truth_layer
from core.ui.result_view import lesion_table, numbers
from core.ui.waiting import outcome, retry
from core.workflows import segment_case
from core.workflows.segment_case import Scored


def draw(source: Source, case: CaseRef, row: DeltaGenerator) -> None:
    """The whole page for one case; `row` is where engine and parameters are chosen."""
    engine, parameters = _engine_and_parameters(row)
    names = [*engine.inputs, *engine.optional, TRUTH]
    if case.modalities is not None and _lacks(engine, case, case.modalities):
        return
    fetched = get(source, case.case_id, names, engine.inputs)
    if fetched is None or _lacks(engine, case, fetched.files):
        return
    inputs = {n: fetched.files[n] for n in (*engine.inputs, *engine.optional) if n in fetched.files}
    folder = segment_case.result_folder(
        loaders.settings(), engine, parameters, [f.sha256 for _, f in sorted(inputs.items())]
    )
    result = _result(source, case, engine, parameters, inputs, folder)
    if result is None:
        draw_picture(source, case, engine.inputs[:2], fetched)
        return
    _show(source, case, engine, fetched, result)


def _lacks(engine: EngineInfo, case: CaseRef, there: Container[str]) -> bool:
    """Whether an image that the engine needs is missing; says so."""
    missing = [n.upper() for n in engine.inputs if n not in there]
    if missing:
        lacks = " and no ".join(missing)
        st.warning(f"{case.case_id} has no {lacks}; {engine.name} cannot judge it. Choose another case.")
    return bool(missing)


def _drop_vanished(key: Hashable) -> None:
    """Forget a finished job whose files somebody removed."""
    task = loaders.jobs().get(key)
    if task is not None and task.state == "done" and not task.result.mask.is_file():
        loaders.jobs().drop(key)


def _engine_and_parameters(row: DeltaGenerator) -> tuple[EngineInfo, dict[str, float]]:
    with row:
        name = st.selectbox("Engine", list(ENGINES), key="engine", label_visibility="collapsed", width=140)
        engine = load_engine(name).info
        st.markdown(f":orange-badge[{engine.label}]", help=engine.validated)
        with st.popover("Parameters", icon=":material/tune:", key="parameters"):
            parameters = {p.name: _number(p) for p in engine.parameters}
        with st.popover("Known failures", icon=":material/warning:", key="failures"):
            st.markdown(f"{engine.validated}\n\n" + "\n".join(f"- {f}" for f in engine.failures))
        if st.button("Back to the case", icon=":material/arrow_back:", key="to-case"):
            nav.open_page("cases")
    return engine, engine.settle(parameters)


def _number(p: Parameter) -> float:
    label = f"{p.label} ({p.unit})" if p.unit else p.label
    low, high, default, step = float(p.low), float(p.high), float(p.default), float(p.step)
    return float(st.number_input(label, low, high, default, step, key=f"p-{p.name}", help=p.help))


def _result(
    source: Source,
    case: CaseRef,
    engine: EngineInfo,
    parameters: dict[str, float],
    inputs: dict[str, LocalFile],
    folder: Path,
) -> JobResult | None:
    """The finished result of exactly this question, or None while it was not asked, or failed (then that is shown)."""
    key = ("job", str(folder))
    earlier = segment_case.earlier_result(folder)
    if earlier is None:
        _drop_vanished(key)
    else:
        st.caption(f"Computed before with the same images, engine and parameters, in {earlier.seconds:.1f} s.")
        return earlier
    voxels = segment_case.voxels_of(inputs[engine.inputs[0]].path)
    needs, seconds = engine.predict_memory_mb(voxels), engine.predict_seconds(voxels)
    asked = st.session_state.setdefault("asked", set())
    if str(folder) not in asked:
        label = f"Run · needs about {needs / 1000:.1f} GB of RAM · about {max(1, seconds):.0f} s"
        st.button(
            label, type="primary", key="run", icon=":material/play_arrow:", on_click=asked.add, args=(str(folder),)
        )
        return None

    def work(report: Report, cancelled: Cancelled) -> JobResult:
        def phase(name: str, fraction: float) -> None:
            report(Progress(name, int(1000 * fraction), 1000))

        with loaders.cache().lease(file.path for file in inputs.values()):
            found = segment_case.segment(
                loaders.settings(), engine, inputs, parameters, folder, case.case_id, source.spec, phase, cancelled
            )
        segment_case.remember(folder, found)
        segment_case.prune_results(loaders.settings())
        return found

    try:
        done: JobResult = outcome(loaders.jobs(), key, f"Segmenting {case.case_id}", work, unit="%")
        return done
    except StrokescopeError as error:
        messages.failure(error, "job", lambda: retry(loaders.jobs(), key))
        return None


def _scored(result: JobResult, truth: LocalFile, folder: Path) -> Scored | None:
    key = ("score", str(result.mask), truth.sha256)

    def work(report: Report, cancelled: Cancelled) -> Scored:
        overlap = folder / f"overlap-{truth.sha256[:16]}.nii.gz"
        return segment_case.score(loaders.settings(), result.mask, truth.path, overlap, cancelled)

    try:
        found: Scored = outcome(loaders.jobs(), key, "Comparing with the truth", work, unit="%")
        return found
    except StrokescopeError as error:
        messages.failure(error, "score", lambda: retry(loaders.jobs(), key))
        return None


def _show(source: Source, case: CaseRef, engine: EngineInfo, fetched: Fetched, result: JobResult) -> None:
    truth = fetched.files.get(TRUTH)
    scored = _scored(result, truth, result.mask.parent / "scores") if truth else None
    say_if_unoriented({n: fetched.files[n].path for n in engine.inputs})
    left, right = st.columns([7, 3])
    with right:
        numbers(result, scored.score if scored else None)
        if truth is None:
            st.caption("This case has no ground truth, so there is no score.")
        lesion_table(result)
        for warning in result.warnings:
            st.warning(warning, icon=":material/warning:")
        _downloads(result)
    with left:
        layers = _layers(result, scored, engine, truth)
        focus = st.session_state.get("focus")
        draw_picture(source, case, engine.inputs[:2], fetched, layers=layers, height=650, focus=focus)


def _layers(result: JobResult, scored: Scored | None, engine: EngineInfo, truth: LocalFile | None) -> list[Layer]:
    prediction = Layer(result.mask, "prediction", f"prediction ({engine.name})", "prediction")
    if scored is None or truth is None:
        return [prediction]
    ways = ["Agreement", "Prediction", "Truth", "Both outlines"]
    way = st.segmented_control(
        "Overlay", ways, default=ways[0], required=True, label_visibility="collapsed", key="overlay-kind"
    )
    if way == "Prediction":
        return [prediction]
    if way == "Truth":
        return [truth_layer(truth.path)]
    if way == "Both outlines":
        return [truth_layer(truth.path), prediction]
    return [Layer(scored.overlap, "overlap", "agreement", "prediction", "labels3")]


def _downloads(result: JobResult) -> None:
    with st.container(horizontal=True):
        st.download_button("Mask .nii.gz", result.mask.read_bytes, file_name=result.mask.name, mime="application/gzip",
                           key="get-mask", icon=":material/download:", on_click="ignore")  # fmt: skip
        st.download_button("Sidecar .json", result.sidecar.read_bytes, file_name=result.sidecar.name,
                           mime="application/json", key="get-sidecar", on_click="ignore")  # fmt: skip
    st.caption(f"{messages.NOTICE}. The mask lies on the DWI's own grid.")
