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
from core.imaging.nifti import read_header
from core.imaging.time_points import Series
from core.sources.protocol import Fetched, Listing, Source
from core.ui import keys, listings, messages, nav, prefetch, safety, state, weighing
from core.ui.getting import get, hold
from core.ui.picture import draw_picture
from core.ui.viewer_component import Command
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


def draw(source: Source, case_id: str, wanted: Sequence[str], ids: Sequence[str], listing: Listing | None) -> None:
    """Draw the case, or the reason why it cannot be drawn where the image would be."""
    known = next((c for c in listing.cases if c.case_id == case_id), None) if listing is not None else None
    _strip(source, case_id, known, ids)
    if not safety.may_open(source, case_id):
        hold(())
        return
    case = listings.case_of(source, case_id, listing)
    if case is None:
        return
    shown = _choice(source, case, wanted)
    if not shown.images:
        st.warning(f"{case_id} has no image that can be shown. Choose another case.")
        return
    weighed = weighing.weigh(source, case, shown.images)
    if weighed is None:
        hold(())
        return
    if weighed.series is not None:
        shown = replace(shown, images=(weighed.name,))
        fetched = _time_point(source, case, shown, weighed.series)
    else:
        fetched = _whole(source, case, shown)
    if fetched is None:
        return
    there = tuple(n for n in shown.images if n in fetched.files)
    gone = [MODALITIES[n].label for n in shown.names if n in fetched.absent]
    if gone:
        st.caption(f"Not in this case: {', '.join(gone)}.")
    if there:
        say_if_unoriented({n: fetched.files[n].path for n in there})
        command = draw_picture(source, case, there, fetched, truth=shown.truth)
        _obey(command, case)
    _get_ahead(source, case_id, wanted, ids, listing)


def _whole(source: Source, case: CaseRef, shown: Shown) -> Fetched | None:
    """The images as they are; draws the page anew when that changes what was said above them."""
    here = source.cached(case.case_id)
    fetched = get(source, case.case_id, shown.names, shown.images, case)
    if fetched is None:
        return None
    new = not set(fetched.files) <= here and set(fetched.files) <= source.cached(case.case_id)
    files = [fetched.files[n].path for n in shown.images if n in fetched.files]
    if costs_network(source) and (new or any(read_header(path).volumes > 1 for path in files)):
        st.rerun()  # the prices on the buttons were drawn before the fetch; a series is not shown as it is
    return fetched


def _time_point(source: Source, case: CaseRef, shown: Shown, series: Series) -> Fetched | None:
    """One time point of the first image, with the mask over it where that was asked for."""
    name = shown.images[0]
    here = source.cached(case.case_id)
    fetched = weighing.point_of(source, case, name, series)
    if fetched is not None and name not in here and name in source.cached(case.case_id):
        st.rerun()  # as in `_whole`
    if fetched is None or shown.truth is None:
        return fetched
    mask = get(source, case.case_id, [shown.truth], [shown.truth], case)
    hold([f.path for f in (*fetched.files.values(), *(mask.files.values() if mask else ()))])
    return None if mask is None else weighing.with_truth(fetched, shown.truth, mask.files.get(shown.truth))


def _get_ahead(
    source: Source, case_id: str, wanted: Sequence[str], ids: Sequence[str], listing: Listing | None
) -> None:
    acute_truth = bool(st.session_state.get("acute-truth", False))
    cases = {c.case_id: c for c in listing.cases} if listing is not None else {}
    steps = prefetch.steps_for(source)
    found = prefetch.neighbours_to_get(ids, case_id, cases, source.cached, wanted, acute_truth, steps)
    prefetch.begin(source, found, wanted, acute_truth)


def say_if_unoriented(files: Mapping[str, Path]) -> None:
    """Warn where a header does not say which side is left."""
    unsure = [MODALITIES[n].label for n, path in files.items() if not read_header(path).oriented]
    if unsure:
        st.warning(
            f"The header of {' and '.join(unsure)} does not say how it lies in the body: left and right are a guess. "
            "Export it again with its orientation before you trust a side.",
            icon=":material/warning:",
        )


def _strip(source: Source, case_id: str, case: CaseRef | None, ids: Sequence[str]) -> None:
    row = ids.index(case_id) + 1 if case_id in ids else 0
    told = messages.headline(case) if case else case_id
    note = f" · {case.note}" if case and case.note else ""
    where = f" · {row} of {len(ids)}" if row else ""
    previous, following = neighbour(ids, case_id, -1), neighbour(ids, case_id, 1)
    st.session_state["case-ids"] = tuple(ids)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="case-strip"):
        st.button("All cases", icon=":material/list:", on_click=state.go, kwargs={"case": None}, key="all-cases")
        _step("‹ K", "Previous case (key K)", previous, case_id)
        _step("J ›", "Next case (key J)", following, case_id)
        keys.listen(step_by)
        st.markdown(f"**{told}**{note}{where}", width="stretch")
        if costs_network(source) and following != case_id:
            with st.container(width="content"):
                _next_is(source, following)
        with st.popover("Link", icon=":material/link:", help="Copy a link that brings back this view"):
            st.code(link_here(source), language=None)
        if st.button("Segment", icon=":material/select_all:", key="to-segment", help="Segment this case"):
            nav.open_page("segment")


def step_by(steps: int) -> None:
    """Go so many rows on or back, from wherever the session is."""
    ids, here = st.session_state.get("case-ids", ()), state.current().case
    if ids and here is not None:
        state.go(case=neighbour(ids, here, steps))


@st.fragment(run_every=2.0)
def _next_is(source: Source, case_id: str) -> None:
    """Whether the next case is here already."""
    ready = "next: here" if source.cached(case_id) else "next: on the Hub"
    st.markdown(
        f":gray-badge[{ready}]",
        width="content",
        help="Neighbouring cases are fetched while you look, when the line is free.",
    )


def link_here(source: Source) -> str:
    """The address that restores this view, at this very version of its source, wherever the app is served."""
    query = urlencode(state.to_address(replace(state.current(), source=source.spec)))
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
    if any(MODALITIES[n].is_4d for n in shown.images):
        shown = replace(shown, images=shown.images[:1])
    cached = source.cached(case.case_id) if costs_network(source) else frozenset(MODALITIES)
    first = shown.images[0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="image-row"):
        names = images_of(case)
        picked = st.segmented_control(
            "Image", names, default=first, required=True, label_visibility="collapsed",
            key=f"image-{case.case_id}-{first}", format_func=lambda n: _label(case, n, cached),
            help="What is not on this machine yet shows what it costs.",
        )  # fmt: skip
        beside = ["–", *(n for n in partners(case, first) if not MODALITIES[n].is_4d and not MODALITIES[first].is_4d)]
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
        usual = [n for n in partners(case, picked) if not MODALITIES[n].is_4d][:1] if len(shown.images) > 1 else []
        _show((picked, *usual) if not MODALITIES[picked].is_4d else (picked,))
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


def _obey(command: Command | None, case: CaseRef) -> None:
    """Do what a key pressed in the viewer asked for."""
    if command is None or command.kind != "modality" or command.index is None:
        return
    names = images_of(case)
    if command.index < len(names):
        _show((names[command.index],))
