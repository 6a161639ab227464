"""Choosing another source of cases: a dataset on the Hub, a folder of this machine, or the sample cohort."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from core.errors import StrokescopeError
from core.settings import DEFAULT_SOURCE
from core.sources.opening import FORMS, parse_spec
from core.ui import loaders, messages, nav, state
from core.workflows.explore_case import costs_network


def draw() -> None:
    """A field for any source, and a button for each well-known one."""
    with st.expander("Another source of cases", icon=":material/folder_open:"):
        with st.form("source", border=False):
            text = st.text_input(
                "Source", placeholder=FORMS, help="A dataset on the Hub, a folder here, or made-up cases."
            )
            if st.form_submit_button("Open"):
                _open_text(text)
        with st.container(horizontal=True):
            st.button("ISLES'24 on the Hub", on_click=state.go, kwargs=_to(DEFAULT_SOURCE), key="to-hub")
            st.button("Sample cohort (synthetic)", on_click=state.go, kwargs=_to("sample"), key="to-sample")


def may_open_folders() -> bool:
    """A visitor from elsewhere must not read this machine's disk: only a browser on loopback may name folders."""
    host = urlsplit(st.context.url or "http://localhost").hostname
    here = st.context.ip_address is None and host in ("localhost", "127.0.0.1", "::1")
    return here and not loaders.settings().space_id


def _to(spec: str) -> dict[str, object]:
    return {"source": spec, "case": None, "modalities": ()}


def _open_text(text: str) -> None:
    try:
        parsed = parse_spec(text)
        if parsed.kind == "local" and not may_open_folders():
            st.error(
                "Folders can only be opened by a browser on the same machine. Start the app with "
                "STROKESCOPE_SOURCE=local:DIR, or open a dataset on the Hub."
            )
            return
        source = loaders.source(text.strip())
        if not costs_network(source):
            source.listing()  # a folder without cases is told here; the Hub is asked by the list itself
    except StrokescopeError as error:
        messages.failure(error, "source")
        return
    loaders.allow_local(source.spec)
    state.go(source=source.spec if parsed.kind == "local" else text.strip(), case=None, modalities=())
    nav.open_page("cases")
