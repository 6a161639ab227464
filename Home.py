"""Strokescope's entry: `streamlit run Home.py`, `uvicorn Home:app`, or `make run`.

One Starlette app: Streamlit's own server plus the routes that hand images and the viewer to the browser, and metrics to
scrapers. The pages and the frame around them are core/ui/frame.py, what runs beside them core/ui/lifeline.py.
"""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from core.logs import configure_logging
from core.ui import (
    calculator,
    case_list,
    case_view,
    lifeline,
    loaders,
    messages,
    metrics_route,
    publish_view,
    resources_view,
    segment_view,
)
from core.ui.visitors import Visitors

configure_logging()
PAGES = (case_list, case_view, segment_view, resources_view, publish_view, calculator)  # loaded now: no visitor waits


app = st.App(
    "core/ui/frame.py",
    lifespan=lifeline.lifespan,
    routes=[*loaders.volumes().routes(), *metrics_route.routes()],
    middleware=[Middleware(Visitors)],
    on_script_error=messages.surprise,
)
