"""Strokescope's entry: `streamlit run Home.py`, `uvicorn Home:app`, or `make run`.

One Starlette app: Streamlit's own server plus the routes that hand images and the viewer to the browser. The pages and
the frame around them are core/ui/frame.py.
"""

from __future__ import annotations

import logging

import streamlit as st

from core.logs import configure_logging
from core.ui import case_list, case_view, loaders, resources_view, segment_view

configure_logging()
PAGES = (case_list, case_view, segment_view, resources_view)  # loaded now, so that no visitor waits for them


def tell(error: Exception) -> bool:
    """A fault of ours becomes one sentence on screen and its trace in the log."""
    logging.getLogger("strokescope.app").error("a page failed", exc_info=error)
    st.error("Something went wrong here. Reload the page; if it happens again, send the diagnostics from Resources.")
    return True


app = st.App("core/ui/frame.py", routes=loaders.volumes().routes(), on_script_error=tell)
