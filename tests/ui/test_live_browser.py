"""The Resources page in a real browser: its charts renew themselves without flicker, and nothing on the page moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.ui.browser import ROOT, StreamlitServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
WAIT = 90_000
CHARTS = 4
DRAWINGS = ".st-key-resources-charts svg.marks"
TICKS = 4  # seen changes of the drawings; six seconds and more

_WATCH = """selector => {
  window.kept = [...document.querySelectorAll(selector)]
  window.ticks = 0
  let last = 0
  new MutationObserver(() => {
    if (performance.now() - last > 1000) window.ticks += 1
    last = performance.now()
  }).observe(window.kept[0], {subtree: true, attributes: true, childList: true})
}"""
_HEIGHT = "() => document.querySelector('.stMainBlockContainer').scrollHeight"


def settled_height(page: Page) -> int:
    """The page's height once it has been the same for three seconds."""
    page.wait_for_function(
        """() => {
          const now = document.querySelector('.stMainBlockContainer').scrollHeight
          if (now !== window.was) { window.was = now; window.since = performance.now() }
          return performance.now() - window.since > 3000
        }""",
        timeout=WAIT,
        polling=250,
    )
    return int(page.evaluate(_HEIGHT))


def test_charts_keep_their_drawing_and_the_page_its_height(chromium: Browser, tmp_path: Path) -> None:
    env = {
        "STROKESCOPE_SOURCE": "sample",
        "STROKESCOPE_CACHE_DIR": str(tmp_path / "cache"),
        "STROKESCOPE_STATE_DIR": str(tmp_path / "state"),
    }
    with StreamlitServer(ROOT / "Home.py", env, tmp_path) as server:
        page = chromium.new_context(viewport={"width": 1600, "height": 1000}).new_page()
        page.goto(f"{server.url}resources")
        page.wait_for_function(
            "([selector, count]) => document.querySelectorAll(selector).length === count",
            arg=[DRAWINGS, CHARTS],
            timeout=WAIT,
        )
        height = settled_height(page)
        page.evaluate(_WATCH, DRAWINGS)
        page.wait_for_function(f"() => window.ticks >= {TICKS}", timeout=WAIT, polling=250)
        assert page.evaluate("() => window.kept.every(one => one.isConnected)")
        assert page.locator(DRAWINGS).count() == CHARTS
        assert page.evaluate(_HEIGHT) == height
        assert page.locator(DRAWINGS).first.evaluate("e => e.getBoundingClientRect().height") > 150
        page.context.close()
