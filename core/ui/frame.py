"""The frame around every page: title, source, RAM and disk, the notice, navigation. The script that Streamlit runs.

Draws the frame and runs the chosen page. A failure that a page does not handle becomes one sentence here.
"""

from __future__ import annotations

import streamlit as st

from core.errors import StrokescopeError
from core.ui import loaders, messages, nav, place_bar, safety, state, style
from core.ui.volumes import current_session, session_alive
from core.ui.waiting import watcher


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="Strokescope", page_icon="🧠", layout="wide")
    style.apply()
    page = st.navigation(nav.pages(), position="top")
    session = current_session()
    if session is not None and session_alive(session):
        loaders.sessions().arrive(session, watcher())
    if page.url_path != "segment":
        loaders.results().let_go(watcher())  # no result is on this screen
    try:
        state.arrive(page.url_path, loaders.local_sources())
        place_bar.draw()
        safety.banner()
        page.run()
    except StrokescopeError as error:
        messages.failure(error, "page", lambda: None)
    state.mirror(state.current(), loaders.settings().source)


main()
