"""One case on screen: its strip, the choice of images with what they cost, the fetch, and the viewer.

Never leaves another case's image on screen: what is drawn is keyed by the case, and a failure is drawn instead of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from core.case import MODALITIES, TRUTH, CaseRef
from core.errors import StrokescopeError
from core.imaging.nifti import read_header
from core.sources.protocol import Cancelled, Fetched, Report, Source
from core.ui import loaders, messages, nav, state
from core.ui.picture import draw_picture
from core.ui.viewer_component import Command
from core.ui.waiting import outcome, retry
from core.workflows.explore_case import (
    Shown,
    choose,
    cost_bytes,
    costs_network,
    images_of,
    neighbour,
    partners,
    session_label,
)


def draw(source: Source, case_id: str, wanted: Sequence[str], ids: Sequence[str]) -> None:
    """Draw the case, or the reason why it cannot be drawn where the image would be."""
    case = _known(source, case_id)
    _strip(case_id, case, ids)
    if case is None:
        return
    shown = _choice(source, case, wanted)
    if not shown.images:
        st.warning(f"{case_id} has no image that can be shown. Choose another case.")
        return
    here = source.cached(case_id)
    fetched = get(source, case_id, shown.names, shown.images)
    if fetched is None:
        return
    if costs_network(source) and not set(fetched.files) <= here and set(fetched.files) <= source.cached(case_id):
        st.rerun()  # the prices on the buttons were drawn before the fetch
    there = tuple(n for n in shown.images if n in fetched.files)
    gone = [MODALITIES[n].label for n in shown.names if n in fetched.absent]
    if gone:
        st.caption(f"Not in this case: {', '.join(gone)}.")
    if there:
        say_if_unoriented({n: fetched.files[n].path for n in there})
        command = draw_picture(source, case, there, fetched, truth=shown.truth)
        _obey(command, case, ids)


def _known(source: Source, case_id: str) -> CaseRef | None:
    for case in source.listing().cases:
        if case.case_id == case_id and case.modalities is not None:
            return case

    def work(report: Report, cancelled: Cancelled) -> CaseRef:
        return source.case(case_id)

    key = ("case", source.spec, case_id)
    try:
        found: CaseRef = outcome(loaders.fetches(), key, f"Reading what {case_id} holds", work)
        return found
    except StrokescopeError as error:
        messages.failure(error, "case", lambda: retry(loaders.fetches(), key))
        return None


def get(source: Source, case_id: str, names: Sequence[str], needed: Sequence[str]) -> Fetched | None:
    """Fetch with progress; None after a failure was shown."""

    def work(report: Report, cancelled: Cancelled) -> Fetched:
        return source.fetch(case_id, list(names), report, cancelled)

    key = ("fetch", source.spec, case_id, tuple(sorted(names)))
    tasks = loaders.fetches()
    if not set(names) <= source.cached(case_id):
        done = tasks.get(key)
        if done is not None and done.state == "done" and any(not f.path.exists() for f in done.result.files.values()):
            tasks.drop(key)
    labels = " + ".join(MODALITIES[n].label for n in needed)
    try:
        fetched: Fetched = outcome(tasks, key, f"Getting {labels} of {case_id}", work)
        return fetched
    except StrokescopeError as error:
        messages.failure(error, "fetch", lambda: retry(tasks, key))
        return None


def say_if_unoriented(files: Mapping[str, Path]) -> None:
    """Warn where a header does not say which side is left."""
    unsure = [MODALITIES[n].label for n, path in files.items() if not read_header(path).oriented]
    if unsure:
        st.warning(
            f"The header of {' and '.join(unsure)} does not say how it lies in the body: left and right are a guess. "
            "Export it again with its orientation before you trust a side.",
            icon=":material/warning:",
        )


def _strip(case_id: str, case: CaseRef | None, ids: Sequence[str]) -> None:
    row = ids.index(case_id) + 1 if case_id in ids else 0
    told = messages.headline(case) if case else case_id
    note = f" · {case.note}" if case and case.note else ""
    where = f" · {row} of {len(ids)}" if row else ""
    previous, following = neighbour(ids, case_id, -1), neighbour(ids, case_id, 1)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="case-strip"):
        st.button("All cases", icon=":material/list:", on_click=state.go, kwargs={"case": None}, key="all-cases")
        _step("‹ K", "Previous case (key K in the viewer)", previous, case_id)
        _step("J ›", "Next case (key J in the viewer)", following, case_id)
        st.markdown(f"**{told}**{note}{where}", width="stretch")
        with st.popover("Link", icon=":material/link:", help="Copy a link that brings back this view"):
            st.code(link_here(), language=None)
        if st.button("Segment", icon=":material/select_all:", key="to-segment", help="Segment this case"):
            nav.open_page("segment")


def link_here() -> str:
    """The address that restores this view, with its source, wherever the app is served."""
    place = state.current()
    query = urlencode(state.to_address(replace(place, source=place.source or loaders.settings().source)))
    base = (st.context.url or "").partition("?")[0]
    return f"{base}?{query}"


def _step(label: str, told: str, target: str, case_id: str) -> None:
    st.button(
        label, help=told, key=f"step-{label}", disabled=target == case_id, on_click=state.go, kwargs={"case": target}
    )


def _choice(source: Source, case: CaseRef, wanted: Sequence[str]) -> Shown:
    acute_truth = bool(st.session_state.get("acute-truth", False))
    shown = choose(case, wanted, acute_truth)
    if not shown.images:
        return shown
    cached = source.cached(case.case_id) if costs_network(source) else frozenset(MODALITIES)
    first = shown.images[0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="image-row"):
        names = images_of(case)
        picked = st.segmented_control(
            "Image", names, default=first, required=True, label_visibility="collapsed",
            key=f"image-{case.case_id}-{first}", format_func=lambda n: _label(case, n, cached),
            help="What is not on this machine yet shows what it costs.",
        )  # fmt: skip
        beside = ["–", *partners(case, first)]
        second = shown.images[1] if len(shown.images) > 1 else "–"
        other = st.selectbox(
            "Beside it", beside, index=beside.index(second), label_visibility="collapsed", width=190,
            format_func=lambda n: "alone" if n == "–" else f"beside {_label(case, n, cached)}",
            key=f"beside-{case.case_id}-{first}-{second}",
        )  # fmt: skip
        st.markdown(f":gray-badge[{session_label(source.spec, first)}]")
        has_truth = case.modalities is None or TRUTH in case.modalities
        if MODALITIES[first].session != MODALITIES[TRUTH].session and has_truth:
            told = "Drawn on the follow-up MRI, days later; shown over the acute CT."
            st.toggle("Lesion of the follow-up MRI", key="acute-truth", persist_state="session", help=told)
    if picked and picked != first:
        usual = partners(case, picked)[:1] if len(shown.images) > 1 else ()
        _show((picked, *usual))
    if other != second:
        _show((first,) if other == "–" else (first, other))
    return shown


def _show(names: tuple[str, ...]) -> None:
    state.go(modalities=names)
    st.rerun()


def _label(case: CaseRef, name: str, cached: frozenset[str]) -> str:
    label = MODALITIES[name].label
    if name in cached:
        return label
    cost = cost_bytes(case, [name], cached)
    return f"{label} · {messages.megabytes(cost)}" if cost is not None else label


def _obey(command: Command | None, case: CaseRef, ids: Sequence[str]) -> None:
    """Do what a key pressed in the viewer asked for."""
    if command is None:
        return
    if command.kind in ("next-case", "previous-case") and ids:
        state.go(case=neighbour(ids, case.case_id, 1 if command.kind == "next-case" else -1))
        st.rerun()
    names = images_of(case)
    if command.kind == "modality" and command.index is not None and command.index < len(names):
        _show((names[command.index],))
