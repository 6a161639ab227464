"""The viewer's demo in a tab of a real browser: open a case, wait, press, look at pixels. Knows no test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Route, expect

from tests.ui.browser import ROOT, StreamlitServer
from tests.ui.viewer_cases import Cases

DEMO = ROOT / "tests" / "ui" / "viewer_demo_app.py"
SECONDS = 30_000  # patience in ms; nothing here measures time

# Pixels of one plane's tile right after drawing, as fractions of the tile: [[u, v, r, g, b], …] for those that pass.
PIXELS = """(root, [panel, plane, test]) => {
  const pane = root.__strokescope.viewer.panes[panel]
  pane.drawNow()
  const gl = pane.nv.gl
  const tile = pane.nv.screenSlices.find((t) => t.axCorSag === plane)
  const [l, t, w, h] = tile.leftTopWidthHeight.map(Math.round)
  const data = new Uint8Array(w * h * 4)
  gl.readPixels(l, gl.drawingBufferHeight - t - h, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data)
  const wanted = {
    lit: (r, g, b) => r + g + b > 60,
    bright: (r, g, b) => r > 235 && g > 235 && b > 235,
    sky: (r, g, b) => b - r > 80 && g > r,
    orange: (r, g, b) => b < 40 && Math.abs(r - 230) < 16 && Math.abs(g - 159) < 16,
  }[test]
  let count = 0, u = 0, v = 0
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const i = (y * w + x) * 4
    if (wanted(data[i], data[i + 1], data[i + 2])) { count++; u += x / w; v += 1 - y / h }
  }
  return { share: count / (w * h), u: count ? u / count : -1, v: count ? v / count : -1 }
}"""


@dataclass
class Bench:
    """One page on the demo, with its viewer."""

    page: Page
    server: StreamlitServer
    cases: Cases

    @property
    def viewer(self) -> Locator:
        return self.page.locator(".viewer")

    def open(self, title: str, state: str = "ready") -> Locator:
        """A case in a new viewer; in a tab that has the demo already, without loading the page again."""
        if self.page.url.startswith(self.server.url):
            self.press("nothing")
            expect(self.viewer).to_have_count(0, timeout=SECONDS)
            self.press(title)
        else:
            self.page.goto(f"{self.server.url}?case={self.cases.numbers[title]}")
        return self.wait(title, state)

    def press(self, title: str) -> None:
        """Switch to a case without a page load."""
        self.page.get_by_role("button", name=title, exact=True).click()

    def wait(self, title: str, state: str = "ready") -> Locator:
        more = '[data-lesions][data-edges*="plane"]' if state == "ready" else ""
        selector = f'.viewer[data-title="{title}"][data-state={state}]{more}'
        self.page.wait_for_selector(selector, timeout=SECONDS)
        return self.viewer

    def data(self) -> dict[str, str]:
        found: dict[str, str] = self.viewer.evaluate("root => ({ ...root.dataset })")
        return found

    def pixels(self, test: str, plane: int = 0, panel: int = 0) -> dict[str, float]:
        found: dict[str, float] = self.viewer.evaluate(PIXELS, [panel, plane, test])
        return found

    def key(self, key: str) -> None:
        self.viewer.focus()
        self.page.keyboard.press(key)

    def until(self, **wanted: str) -> None:
        """Wait until the root's data attributes are these."""
        for name, value in wanted.items():
            expect(self.viewer).to_have_attribute(f"data-{name}", value, timeout=SECONDS)

    def place(self, mm: tuple[float, ...], panel: int = 0) -> None:
        """Crosshair to a place through one pane, as a click would."""
        self.viewer.evaluate(
            "(r, [p, mm]) => { const v = r.__strokescope.viewer; v.panes[p].moveTo(mm); v.changed(v.panes[p]); "
            "for (const q of v.panes) q.drawNow() }",
            [panel, list(mm)],
        )


class Gate:
    """Holds requests for images until opened."""

    def __init__(self, page: Page) -> None:
        self.shut, self._held = True, list[Route]()
        page.route("**/vol/**", lambda route: self._held.append(route) if self.shut else route.continue_())

    def open(self) -> None:
        self.shut = False
        for route in self._held:
            with contextlib.suppress(Error):  # the page has given up on it
                route.continue_()


@contextlib.contextmanager
def without_faults(page: Page) -> Iterator[None]:
    """Inside the block no script of the page may fail."""
    faults: list[str] = []

    def note(error: Error) -> None:
        faults.append(str(error))

    page.on("pageerror", note)
    yield
    page.remove_listener("pageerror", note)
    assert faults == []


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """The window that all tabs of a file share."""
    opened = chromium.new_context(viewport={"width": 1200, "height": 860})
    opened.set_default_timeout(SECONDS)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tab(context: BrowserContext) -> Page:
    """The tab that tests keep for each other."""
    return context.new_page()


@pytest.fixture
def bench(tab: Page, viewer_server: StreamlitServer, viewer_cases: Cases) -> Iterator[Bench]:
    """The kept tab: each `open` is a new viewer. For tests that choose nothing which a page remembers."""
    with without_faults(tab):
        yield Bench(tab, viewer_server, viewer_cases)
    tab.unroute_all(behavior="ignoreErrors")


@pytest.fixture
def fresh(context: BrowserContext, viewer_server: StreamlitServer, viewer_cases: Cases) -> Iterator[Bench]:
    """A tab of one's own, for tests that change what a page remembers (side, opacity, layout) or watch it load."""
    page = context.new_page()
    with without_faults(page):
        yield Bench(page, viewer_server, viewer_cases)
        page.close()
