"""Home: what this is, which source answers, and one large button."""

from __future__ import annotations

import time

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.ui import loaders, messages, nav, place_bar, run_story, source_picker, state
from core.ui.health import ask_again, health_of
from core.ui.tasks import result_of
from core.workflows.explore_case import choose, cost_bytes, good_example


def main() -> None:
    """Draw the page."""
    source = place_bar.source_now()
    health = health_of(source, loaders.checks())
    deadline = time.monotonic() + 0.4
    while health.state == "asking" and time.monotonic() < deadline:
        time.sleep(0.05)
        health = health_of(source, loaders.checks())
    listing = source.listing()
    st.html(
        f'<div class="scope-hero">Browse {len(listing.cases)} stroke cases in your browser, segment the ischemic '
        "lesion and compare it with the truth. It also shows what RAM and disk this machine really has.</div>"
    )
    silent = health.state == "silent"
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Show me a sample case" if silent else "Show me a case"
        if st.button(label, key="show-case", type="primary", icon=":material/play_arrow:", width="content"):
            _open("sample" if silent else source.spec)
        if st.button("Browse all cases", key="browse"):
            state.go(case=None)
            nav.open_page("cases")
        if st.button("Segment", key="segment"):
            nav.open_page("segment")
        if st.button("Resources", key="resources"):
            nav.open_page("resources")
    if health.error is not None:
        messages.failure(health.error, "hub", lambda: ask_again(source, loaders.checks()))
    elif health.state == "asking":
        _watch(source.spec)
    if health.state == "answers":
        _cost(source.spec, good_example(listing))
    run_story.last_run_and_cache()
    source_picker.draw()
    st.caption(_credits(source.spec))


def _open(spec: str) -> None:
    listing = loaders.source(spec).listing()
    state.go(source=spec, case=good_example(listing), modalities=())
    nav.open_page("cases")


@st.fragment(run_every=1.0)
def _watch(spec: str) -> None:
    if health_of(loaders.source(spec), loaders.checks()).state != "asking":
        st.rerun()
    st.caption("Asking the Hub; the list of cases is here already. This takes at most 5 s.")


@st.fragment(run_every=1.0)
def _cost(spec: str, case_id: str | None) -> None:
    """What the large button will fetch; one footer of 32 KB is read to know it."""
    if case_id is None:
        return
    source = loaders.source(spec)
    task = loaders.fetches().start(("case", spec, case_id), "reading", lambda report, cancelled: source.case(case_id))
    if task.state == "failed":
        return  # the price is not known; the case itself tells why when it is opened
    told = "…"
    if task.state == "done":
        case: CaseRef = result_of(task)
        told = messages.megabytes(cost_bytes(case, choose(case, ()).names, source.cached(case_id)))
    st.caption(f"“Show me a case” opens {case_id} and fetches {told}.")


def _credits(spec: str) -> str:
    if "isles24" not in spec:
        return f"{len(MODALITIES)} kinds of images are understood: {', '.join(m.label for m in MODALITIES.values())}."
    return (
        "ISLES'24: CC BY-NC-SA 4.0, source [Zenodo](https://doi.org/10.5281/zenodo.17652035), cite "
        "[arXiv 2408.11142](https://arxiv.org/abs/2408.11142) and [2408.10966](https://arxiv.org/abs/2408.10966)."
    )


main()
