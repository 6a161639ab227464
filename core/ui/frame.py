"""The frame around every page: title, source, RAM and disk, the notice, navigation. The script that Streamlit runs.

Draws the frame and runs the chosen page. A failure that a page does not handle becomes one sentence here.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.errors import StrokescopeError
from core.ui import loaders, messages, place_bar, state, style

PAGES = Path(__file__).resolve().parents[2] / "pages"


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="Strokescope", page_icon=":material/neurology:", layout="wide")
    style.apply()
    page = st.navigation(
        [
            st.Page(PAGES / "0_Start.py", title="Home", icon=":material/home:", default=True),
            st.Page(PAGES / "1_Cases.py", title="Cases", icon=":material/radiology:", url_path="cases"),
            st.Page(PAGES / "2_Segment.py", title="Segment", icon=":material/select_all:", url_path="segment"),
            st.Page(PAGES / "3_Resources.py", title="Resources", icon=":material/monitor_heart:", url_path="resources"),
        ],
        position="top",
    )
    try:
        state.current(loaders.local_sources())
        place_bar.draw()
        page.run()
    except StrokescopeError as error:
        messages.failure(error, "page", lambda: None)
    state.mirror(state.current(loaders.local_sources()))


main()
