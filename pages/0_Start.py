"""Home: what this is, which source answers, and one large button."""

from __future__ import annotations

import time

import streamlit as st

from core.case import MODALITIES
from core.errors import StrokescopeError
from core.settings import DEFAULT_SOURCE
from core.sources.opening import FORMS, parse_spec
from core.ui import loaders, messages, nav, place_bar, run_story, state
from core.ui.health import ask_again, health_of
from core.workflows.explore_case import good_example


def main() -> None:
    """Draw the page."""
    source = place_bar.source_now()
    health = health_of(source, loaders.fetches())
    deadline = time.monotonic() + 0.4
    while health.state == "asking" and time.monotonic() < deadline:
        time.sleep(0.05)
        health = health_of(source, loaders.fetches())
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
        messages.failure(health.error, "hub", lambda: ask_again(source, loaders.fetches()))
    elif health.state == "asking":
        _watch(source.spec)
    run_story.last_run_and_cache()
    _choose_source(source.spec)
    st.caption(_credits(source.spec))


def _open(spec: str) -> None:
    listing = loaders.source(spec).listing()
    state.go(source=spec, case=good_example(listing), modalities=())
    nav.open_page("cases")


@st.fragment(run_every=1.0)
def _watch(spec: str) -> None:
    if health_of(loaders.source(spec), loaders.fetches()).state != "asking":
        st.rerun()
    st.caption("Asking the Hub; the list of cases is here already. This takes at most 5 s.")


def _choose_source(spec: str) -> None:
    with st.expander("Another source of cases", icon=":material/folder_open:"):
        with st.form("source", border=False):
            text = st.text_input(
                "Source", placeholder=FORMS, help="A dataset on the Hub, a folder here, or made-up cases."
            )
            if st.form_submit_button("Open"):
                _open_text(text)
        with st.container(horizontal=True):
            st.button("ISLES'24 on the Hub", on_click=state.go, kwargs=_to(DEFAULT_SOURCE), key="to-hub")
            st.button("Sample cohort (synthetic)", on_click=state.go, kwargs=_to("sample"), key="to-sample")


def _to(spec: str) -> dict[str, object]:
    return {"source": spec, "case": None, "modalities": ()}


def _open_text(text: str) -> None:
    try:
        parsed = parse_spec(text)
        if parsed.kind == "local" and loaders.settings().space_id:
            st.error("Folders of this machine cannot be opened on a public Space. Open a dataset on the Hub instead.")
            return
        source = loaders.source(text.strip())
        source.listing()
    except StrokescopeError as error:
        messages.failure(error, "source")
        return
    loaders.allow_local(source.spec)
    state.go(source=source.spec, case=None, modalities=())
    nav.open_page("cases")


def _credits(spec: str) -> str:
    if "isles24" not in spec:
        return f"{len(MODALITIES)} kinds of images are understood: {', '.join(m.label for m in MODALITIES.values())}."
    return (
        "ISLES'24: CC BY-NC-SA 4.0, source [Zenodo](https://doi.org/10.5281/zenodo.17652035), cite "
        "[arXiv 2408.11142](https://arxiv.org/abs/2408.11142) and [2408.10966](https://arxiv.org/abs/2408.10966)."
    )


main()
