"""The pages and how to get from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NoReturn

import streamlit as st

from core.ui import loaders, state
from core.ui.publish_key import access

PAGES = Path(__file__).resolve().parents[2] / "pages"
Name = Literal["home", "cases", "segment", "resources", "publish"]

_PAGES: dict[Name, tuple[str, str, str]] = {
    "home": ("0_Start.py", "Home", ":material/home:"),
    "cases": ("1_Cases.py", "Cases", ":material/radiology:"),
    "segment": ("2_Segment.py", "Segment", ":material/select_all:"),
    "resources": ("3_Resources.py", "Resources", ":material/monitor_heart:"),
    "publish": ("4_Publish.py", "Publish", ":material/cloud_upload:"),
}


def page(name: Name) -> Any:
    """Streamlit's object for one page."""
    file, title, icon = _PAGES[name]
    home = name == "home"
    return st.Page(PAGES / file, title=title, icon=icon, default=home, url_path=None if home else name)


def pages() -> list[Any]:
    """All of them, in the order of the menu."""
    return [page(name) for name in shown()]


def shown() -> list[Name]:
    """Those in the menu: on a Space publishing only where its owner has set a key."""
    hidden = access(loaders.settings(), here=False, signed_in=False) == "hidden"
    return [name for name in _PAGES if not (hidden and name == "publish")]


def open_page(name: Name) -> NoReturn:
    """Leave this page for another one; the case stays."""
    st.switch_page(page(name), query_params=state.to_address(state.current()))
