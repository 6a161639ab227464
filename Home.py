"""Strokescope's entry: `streamlit run Home.py`, `uvicorn Home:app`, or `make run`.

One Starlette app: Streamlit's own server plus the routes that hand images and the viewer to the browser. The pages and
the frame around them are core/ui/frame.py.
"""

from __future__ import annotations

import streamlit as st

from core.logs import configure_logging
from core.ui import loaders

configure_logging()
app = st.App("core/ui/frame.py", routes=loaders.volumes().routes())
