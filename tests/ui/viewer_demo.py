"""The script of an app with nothing but the viewer, for browser tests and for looking; viewer_demo_app.py serves it.

STROKESCOPE_DEMO names a JSON file: {"cases": [{"title", "synthetic", "panels": [{"path", …Panel}], "overlays":
[{"path", …Overlay}]}]}. Query parameter `case` picks one by number; buttons switch without a page load.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import streamlit as st

from core.ui.viewer_component import Overlay, Panel, View, show
from core.ui.volumes import current_session
from tests.ui.demo_volumes import volumes


def address(path: str, label: str) -> str:
    """The file as this session may read it; a path that starts with "/vol/" stands for itself."""
    if path.startswith("/vol/"):
        return path
    name = "".join(c for c in label.lower() if c.isalnum() or c in "_-") or "image"
    return volumes().publish(str(current_session()), Path(path), f"{name}.nii.gz")


def overlays_of(raws: Iterable[dict[str, Any]]) -> tuple[Overlay, ...]:
    """Overlays from their JSON."""
    made = []
    for raw in raws:
        fields: dict[str, Any] = {k: tuple(v) if k == "names" else v for k, v in raw.items() if k != "path"}
        made.append(Overlay(**{**fields, "url": address(raw["path"], raw["label"])}))
    return tuple(made)


def view_of(case: dict[str, Any]) -> View:
    """A View from the JSON of one case."""
    panels = []
    for raw in case["panels"]:
        fields = {k: v for k, v in raw.items() if k != "path"}
        fields["presets"] = tuple((n, low, high) for n, low, high in fields.get("presets", ()))
        fields["overlays"] = overlays_of(fields.get("overlays", ()))
        panels.append(Panel(url=address(raw["path"], raw["label"]), **fields))
    focus = case.get("focus")
    overlays = overlays_of(case.get("overlays", ()))
    return View(
        tuple(panels),
        overlays,
        bool(case.get("synthetic")),
        str(case.get("case", case["title"])),
        tuple(focus) if focus else None,
        bool(case.get("outlines")),
    )


def page() -> None:
    """The script that Streamlit runs."""
    st.set_page_config(layout="wide", page_title="viewer")
    cases = json.loads(Path(os.environ["STROKESCOPE_DEMO"]).read_text())["cases"]
    st.session_state.setdefault("case", int(st.query_params.get("case", "0")))
    with st.container(horizontal=True):
        for number, case in enumerate(cases):
            if st.button(case["title"], key=f"case-{number}"):
                st.session_state.case = number
        if st.button("nothing", key="none"):
            st.session_state.case = None
        st.button("rerun", key="again")
        shown = st.toggle("viewer", value=True)
    if shown and st.session_state.case is not None:
        state = show(view_of(cases[st.session_state.case]), key="viewer", height=620, volumes=volumes())
        if state.command:
            st.session_state.said = f"{state.command.kind} {state.command.index}"
    st.text(st.session_state.get("said", "nothing said"))


if __name__ == "__main__":
    page()
