"""The app's pages run by Streamlit itself without a browser, and what is on them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
FRAME = str(ROOT / "core" / "ui" / "frame.py")
PATIENCE_S = 60.0


def open_app(**query: str) -> AppTest:
    """The app at an address, not run yet."""
    app = AppTest.from_file(FRAME, default_timeout=90)
    for name, value in query.items():
        app.query_params[name] = value
    return app


def page(app: AppTest, name: str) -> AppTest:
    """The app on one of its pages."""
    app.run()
    return app.switch_page(str(ROOT / "pages" / name)).run()


def until(app: AppTest, seen: Callable[[AppTest], object]) -> AppTest:
    """Run the page again, as its fragments do each second, until something is seen on it."""
    end = time.monotonic() + PATIENCE_S
    while not seen(app):
        assert time.monotonic() < end, words(app)
        assert not app.exception
        time.sleep(0.2)
        app.run()
    return app


def words(app: AppTest) -> str:
    """All text on the page."""
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info)
    html = " ".join(str(e.proto) for e in app.get("html"))
    return " ".join(str(e.value) for kind in kinds for e in kind) + html


def button(app: AppTest, key: str) -> bool:
    """Whether there is such a button."""
    return any(b.key == key for b in app.button)


def viewer(app: AppTest) -> dict[str, Any] | None:
    """What the viewer was told to show; None when there is no viewer on the page."""
    for element in app.get("bidi_component"):
        data: dict[str, Any] = json.loads(element.proto.json or "{}")
        if "view" in data:
            return data
    return None
