"""Home: what this is, which source answers, and one large button."""

from __future__ import annotations

import time

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.sources.protocol import Listing, Source
from core.ui import getting, listings, loaders, messages, nav, place_bar, recovery, run_story, source_picker, state
from core.ui.table import here_mark
from core.ui.tasks import result_of
from core.workflows.explore_case import choose, cost_bytes, good_example


def main() -> None:
    """Draw the page."""
    getting.elsewhere()
    source = place_bar.source_now()
    health = loaders.pulses().of(source)
    deadline = time.monotonic() + 0.4
    while health.state == "asking" and time.monotonic() < deadline:
        time.sleep(0.05)
        health = loaders.pulses().of(source)
    listing = listings.peek(source)
    count = f"{len(listing.cases)} " if listing is not None else ""
    st.html(
        f'<div class="scope-hero">Browse {count}stroke cases in your browser, segment the ischemic '
        "lesion and compare it with the truth. It also shows what RAM and disk this machine really has.</div>"
    )
    silent = health.state == "silent"
    _ways_in(source, listing, silent)
    _watch(source, silent, listing is not None)
    if health.state == "answers" and listing is not None:
        _cost(source, good_example(listing))
    run_story.last_run_and_cache()
    source_picker.draw()
    st.caption(_credits(source.spec))


def _ways_in(source: Source, listing: Listing | None, silent: bool) -> None:
    """The large button opens a case that can be opened now: without the Hub one that is here, or a made-up one."""
    here = None
    if silent and listing is not None:
        here = next((c.case_id for c in listing.cases if here_mark(c, source.cached(c.case_id)) == "●"), None)
    sample = silent and here is None
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Show me a sample case" if sample else "Show me a case"
        if st.button(label, key="show-case", type="primary", icon=":material/play_arrow:", width="content"):
            if sample:
                state.go(source="sample", case=good_example(loaders.source("sample").listing()), modalities=())
            else:
                state.go(case=here or (good_example(listing) if listing is not None else None), modalities=())
            nav.open_page("cases")
        if st.button("Browse all cases", key="browse"):
            state.go(case=None)
            nav.open_page("cases")
        if st.button("Segment", key="segment"):
            nav.open_page("segment")
        if st.button("Resources", key="resources"):
            nav.open_page("resources")
    if here is not None:
        st.caption(f"“Show me a case” opens {here}, which is on this machine.")


@st.fragment(run_every=1.0)
def _watch(source: Source, silent: bool, listed: bool) -> None:
    """Whether the source answers; draws the page anew when that, or the list, has changed."""
    health = loaders.pulses().of(source)
    if (health.state == "silent") != silent or (not listed and listings.peek(source) is not None):
        st.rerun()
    if health.error is not None:
        messages.failure(health.error, "hub", lambda: loaders.pulses().again(source))
        if recovery.may_pass(health.error, loaders.settings().hf_hub_offline):
            st.caption(recovery.outlook(health, 0.0))
    elif health.state == "asking":
        st.caption("Asking the Hub. This takes at most 5 s.")


@st.fragment(run_every=1.0)
def _cost(source: Source, case_id: str | None) -> None:
    """What the large button will fetch; one footer of 32 KB is read to know it."""
    if case_id is None:
        return
    key = ("case", source.spec, case_id)
    task = loaders.lists().start(key, "reading", lambda _, cancelled: source.case(case_id, cancelled))
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
