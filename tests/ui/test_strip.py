"""The strip on every page shows the container's RAM and disk, what holds work up, and opens the Resources page."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.resources.cost import score_step
from core.ui import loaders
from tests.ui.pages import open_app, words


def strip_page() -> None:
    from core.ui.strip import ram_disk_strip

    ram_disk_strip()


def drawn(app: AppTest) -> str:
    (found,) = (element.proto.body for element in app.get("html"))
    return str(found[found.rindex("</style>") :])


@pytest.mark.parametrize(("limit", "word"), [("64G", ""), ("1M", "critical")])
def test_strip(world: Path, monkeypatch: pytest.MonkeyPatch, limit: str, word: str) -> None:
    monkeypatch.setenv("STROKESCOPE_MEMORY_LIMIT", limit)
    app = AppTest.from_function(strip_page, default_timeout=30).run()
    assert not app.exception
    ram = drawn(app)[: drawn(app).index('title="Disk')]
    assert 'aria-label="RAM' in ram
    assert ("<b>critical</b>" in ram) == (word == "critical")
    assert "scope-line" not in ram


def test_what_runs_is_said(world: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with loaders.guard().admission.enter(score_step(1000, None, ""), "somebody"):
            begun.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert begun.wait(60)
        app = AppTest.from_function(strip_page, default_timeout=30).run()
        assert not app.exception
        assert ">1 running</span>" in drawn(app)
    finally:
        over.set()
        thread.join(60)


def test_a_click_opens_the_resources_page(world: Path) -> None:
    app = open_app().run()
    assert "Previous run" not in [heading.value for heading in app.subheader]
    app.button(key="strip-link").click().run()
    assert not app.exception
    assert "Processes" in [heading.value for heading in app.subheader]
    assert "time to limit" in words(app)
