"""Redraw: one fragment of the page anew, asked for by another one, so that the rest of the page stands as it is.

Streamlit itself lets a fragment draw itself or all of the page anew, and others only from a widget's callback; who
waits for a task has no widget. Draws nothing itself.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx


def redraw(key: str) -> None:
    """End this run, and draw anew the fragment of that key.

    Does nothing while the whole page is being drawn: its end must be reached, and whoever polls asks again.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or context.script_requests is None or not context.fragment_ids_this_run:
        return
    context.script_requests.request_rerun(
        RerunData(
            query_string=context.query_string,
            page_script_hash=context.page_script_hash,
            fragment_id_queue=context.fragment_storage.resolve_target(key),
            is_fragment_scoped_rerun=True,
            cached_message_hashes=context.cached_message_hashes,
            context_info=context.context_info,
        )
    )
    st.empty()  # where the runner looks whether something else is wanted
