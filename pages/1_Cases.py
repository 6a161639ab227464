"""Cases: the list, or one case of it."""

from __future__ import annotations

import streamlit as st

from core.ui import case_list, case_view, listings, place_bar, state


def main() -> None:
    """Draw the list, or the case that the place names."""
    source = place_bar.source_now()
    place = state.current()
    if place.case is None:
        case_list.draw(source)
        return
    listing = listings.now(source)
    if listing is None:
        return
    known = [c.case_id for c in listing.cases]
    shown = [i for i in st.session_state.get("shown_ids", []) if i in set(known)]
    case_view.draw(source, place.case, place.modalities, shown if place.case in shown else known, listing)


main()
