"""Segment: one case, one engine, its result and its score."""

from __future__ import annotations

import streamlit as st

from core.case import CaseRef
from core.errors import CaseNotFound
from core.ui import listings, place_bar, segment_view, state
from core.workflows.explore_case import good_example


def main() -> None:
    """Pick the case, then hand over."""
    source = place_bar.source_now()
    place = state.current()
    listing = listings.now(source)
    if listing is None:
        return
    cases = {c.case_id: c for c in listing.cases}
    case_id = place.case or good_example(listing)
    if case_id is None:
        st.info("This source has no cases. Choose another one on the Home page.")
        return
    if case_id not in cases:
        raise CaseNotFound(
            f"there is no case {case_id} in this source", hint="choose one from the list on the Cases page"
        )
    ids = list(cases)
    row = st.container(horizontal=True, vertical_alignment="center", key="segment-row", gap="xsmall")
    with row:
        picked = st.selectbox("Case", ids, index=ids.index(case_id), key=f"pick-{case_id}", width=226,
                              format_func=lambda i: _label(cases[i]), label_visibility="collapsed")  # fmt: skip
    if picked != case_id:
        state.go(case=picked, modalities=())
        st.rerun()
    if place.case is None:
        state.propose(picked)
        st.rerun()
    segment_view.draw(source, cases[picked], ids, row)


def _label(case: CaseRef) -> str:
    return f"{case.case_id} · {case.note}" if case.note else case.case_id


main()
