"""jobs_app.py as a server, with the cookie and the lifeline of the real app.

With JOBS_BUSY in the environment somebody else's heavy step runs for as long as the server does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from core.resources.cost import engine_step
from core.ui import lifeline, loaders
from core.ui.visitors import Visitors

over = threading.Event()


def work() -> None:
    """The heavy step."""
    with loaders.guard().enter(engine_step("somebody", 10.0, 1000), "engine"):
        over.wait()


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """The real one, and the heavy step."""
    async with lifeline.lifespan(app):
        if os.environ.get("JOBS_BUSY"):
            threading.Thread(target=work, daemon=True).start()
        yield
        over.set()


app = st.App("jobs_app.py", lifespan=lifespan, middleware=[Middleware(Visitors)])
