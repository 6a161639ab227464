"""The Segment page: case, engine, results and jobs in one row, then the picture, and what is known of it beside it.

The picture keeps its place before, during and after a job. Puts parts together; runs and measures nothing itself.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.case import MODALITIES, TRUTH, CaseRef
from core.errors import StrokescopeError
from core.segmentation.kept_record import KeptResult
from core.sources.protocol import Fetched, Source
from core.ui import (
    compare_view,
    cut_short,
    engine_view,
    jobs_view,
    keys,
    loaders,
    looks,
    messages,
    nav,
    provenance_view,
    reading_view,
    results_view,
    safety,
    segment_jobs,
    state,
)
from core.ui.case_view import say_if_unoriented, step_by
from core.ui.engine_view import Chosen
from core.ui.getting import get
from core.ui.picture import draw_picture, truth_layer
from core.ui.segment_jobs import Question
from core.workflows.explore_case import choose, cost_bytes, costs_network
from core.workflows.export import read_sidecar

USUAL = ("dwi", "adc")  # what is shown while no engine says what it needs
RESULTS_WIDTH = 148
_ASKED_WITH = "shown-with"


def draw(source: Source, case: CaseRef, ids: Sequence[str], row: DeltaGenerator) -> None:
    """The whole page for one case; `row` is where engine, parameters, results and jobs are chosen."""
    st.session_state["case-ids"] = tuple(ids)
    with row:
        keys.listen(step_by)
    if not safety.may_open(source, case.case_id):
        return
    cut_short.recall(source, case)
    with st.container(key="told-place"), st.container(key="engine-told"):
        engine = engine_view.choose(row, case)
        kept = results_view.chosen(source, case)
    with row:
        results_place = st.container(width=RESULTS_WIDTH)
        jobs_view.draw(source)
        if st.button("Case", icon=":material/arrow_back:", key="to-case", width=88, help="Back to the case"):
            nav.open_page("cases")
    fetched = _images(source, case, engine, kept)
    with results_place:
        results_view.draw(source, case, fetched)
    if fetched is None:
        cut_short.tell(source, case, None)
        return
    results_view.check_images(source, case, fetched)
    question = _question(source, case, engine, fetched)
    kept = _shown(source, case, question, kept)
    if kept is None:
        _unanswered(source, case, engine, fetched, question)
        return
    against = results_view.against(source, case)
    if against is not None:
        compare_view.draw(source, case, fetched, kept, against)
        return
    _answered(source, case, engine, fetched, question, kept)


def _answered(
    source: Source, case: CaseRef, engine: Chosen | None, fetched: Fetched, question: Question | None, kept: KeptResult
) -> None:
    """The result over its images."""
    try:
        seen = looks.on_screen(source.spec, case, fetched, kept.result, kept.label)
    except StrokescopeError as error:
        messages.failure(error, "result", results_view.leave)
        _unanswered(source, case, engine, fetched, None)
        return
    asked = None if question is None else question.folder.name

    def head() -> None:
        _say_which(kept, asked)
        cut_short.tell(source, case, None)

    reading_view.draw(source, seen, _two(_inputs(seen.told), fetched), head)


def _say_which(kept: KeptResult, asked: str | None) -> None:
    """Whose numbers follow, always there; and the way to those that the row asks for, where it asks for others.

    Args:
        asked: key of the result that the row asks for; None where it asks for none.
    """
    name, rest = html.escape(kept.title), html.escape(kept.changes or "defaults")
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="shown-which"):
        said = html.escape(f"On screen: {kept.title}, {kept.changes or 'defaults'}. {kept.label}")
        label = html.escape(kept.label)
        st.html(f'<div class="scope-which" title="{said}"><b>{name}</b> · {rest}<span>{label}</span></div>')
        if asked is not None and asked != kept.key:
            told = "A kept result is on screen. Show that of the engine and parameters above, or the way to it"
            if st.button("Close", key="shown-leave", icon=":material/close:", help=told):
                results_view.leave()
                st.rerun()


def _shown(source: Source, case: CaseRef, question: Question | None, kept: KeptResult | None) -> KeptResult | None:
    """The result to show: the one in the address, or the answer to the question, which then stands in the address.

    Another engine or other parameters leave the one that was shown with those before.
    """
    asked = None if question is None else question.folder.name
    if kept is not None:
        before: tuple[str, str | None] | None = st.session_state.get(_ASKED_WITH)
        if before is None or before[0] != kept.key or before[1] == asked:
            st.session_state[_ASKED_WITH] = (kept.key, asked)
            return kept
        results_view.leave()
    if question is None or segment_jobs.known_result(question) is None:
        return None
    found = loaders.results().get(question.folder.name)
    if found is not None:
        state.go(result=found.key)
        results_view.on_screen(found.key)
        st.session_state[_ASKED_WITH] = (found.key, asked)
    return found


def _question(source: Source, case: CaseRef, engine: Chosen | None, fetched: Fetched) -> Question | None:
    """What the row asks; None without an engine, or where it lacks an image."""
    if engine is None or any(name not in fetched.files for name in engine.info.inputs):
        return None
    return Question(source.spec, case.case_id, engine.info, engine.parameters, fetched, engine.model)


def _unanswered(
    source: Source, case: CaseRef, engine: Chosen | None, fetched: Fetched, question: Question | None
) -> None:
    """The images with their truth, and the way to a result; laid out as a result is, so that the picture stays."""
    with st.container():
        provenance_view.style()
        left, right = st.columns(reading_view.WIDTHS, gap="small")
        with left:
            _picture(source, case, _two(USUAL if engine is None else engine.info.inputs, fetched), fetched)
        with right, st.container(key="reading"):
            asked = question if engine is not None and engine.missing is None else None
            if engine is not None:
                st.html(
                    f'<div class="scope-which"><b>No result yet</b><span>{html.escape(engine.info.label)}</span></div>'
                )
            if asked is not None:
                segment_jobs.ask(asked)
            else:
                _cannot(case, engine, fetched)
            cut_short.tell(source, case, None if asked is None else asked.folder.name)


def _picture(source: Source, case: CaseRef, images: Sequence[str], fetched: Fetched) -> None:
    """The images with the truth of their session over them."""
    if not images:
        st.info("No image of this case can be shown here.", icon=":material/image_not_supported:")
        return
    truth = fetched.files.get(TRUTH)
    same = MODALITIES[images[0]].session == MODALITIES[TRUTH].session
    layers = [truth_layer(truth.path, source.spec)] if truth is not None and same else []
    draw_picture(source, case, images, fetched, layers=layers, height=reading_view.HEIGHT)


def _cannot(case: CaseRef, engine: Chosen | None, fetched: Fetched) -> None:
    """The Run button that cannot be pressed, and why."""
    lacks = "" if engine is None else engine_view.lacking(case.case_id, engine.info, fetched.files)
    why = lacks or ("Choose a model above." if engine is None else "See above why this engine cannot run.")
    st.button("Run", type="primary", key="run", icon=":material/play_arrow:", width="stretch",
              disabled=True, help=why)  # fmt: skip
    if lacks:
        st.warning(lacks, icon=":material/hide_image:")


def _images(source: Source, case: CaseRef, engine: Chosen | None, kept: KeptResult | None) -> Fetched | None:
    """The images of the engine and of the result that is shown, as far as there are any; others where there are none.

    None where they are not here, which is told.
    """
    shown = () if kept is None else _inputs(_told(kept))
    needed = tuple(shown or (USUAL if engine is None else engine.info.inputs))
    optional = () if engine is None else (*engine.info.inputs, *engine.info.optional)
    names = list(dict.fromkeys((*needed, *optional, TRUTH)))
    if case.modalities is not None and not any(n in case.modalities for n in names if n != TRUTH):
        names += choose(case, ()).images
    if not _paid(source, case, names):
        return None
    fetched = get(source, case.case_id, names, [n for n in names if n in (*needed, *USUAL)][:2], case)
    if fetched is not None:
        say_if_unoriented({n: fetched.files[n].path for n in needed if n in fetched.files})
    return fetched


def _told(kept: KeptResult) -> dict[str, Any]:
    try:
        return read_sidecar(kept.result)
    except StrokescopeError:  # it is told where the result would be
        return {}


def _inputs(told: dict[str, Any]) -> tuple[str, ...]:
    """The images that a result was made from; the usual ones for one that was made from other results."""
    return tuple(n for n in told.get("Inputs", {}) if n in MODALITIES and not MODALITIES[n].is_mask) or USUAL


def _two(names: Sequence[str], fetched: Fetched) -> tuple[str, ...]:
    """At most two images that are here, for the viewer; the same two always in the same order."""
    others = (n for n in fetched.files if n in MODALITIES and not MODALITIES[n].is_mask)
    found = tuple(n for n in dict.fromkeys((*names, *USUAL, *others)) if n in fetched.files)[:2]
    return USUAL if set(found) == set(USUAL) else found


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
