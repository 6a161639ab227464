"""The viewer in a real browser: what is drawn, on which side, what it says, and what it never shows."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Route, expect

from tests.ui.browser import ROOT, StreamlitServer, chromium_path, launch, without_webgl
from tests.ui.viewer_cases import BIG, BRIGHT, LAS, SMALL, Cases, head, make_cases
from tools.build_viewer import build

pytestmark = pytest.mark.browser
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
        """Load the page with a case."""
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


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return make_cases(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="module")
def server(cases: Cases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamlitServer]:
    chromium_path()
    build()
    entry = ROOT / "tests" / "ui" / "viewer_demo_app.py"
    with StreamlitServer(entry, {"STROKESCOPE_DEMO": str(cases.file)}, tmp_path_factory.mktemp("log")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as running:
        yield running


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    opened = browser.new_context(viewport={"width": 1200, "height": 860})
    opened.set_default_timeout(SECONDS)
    return opened


@pytest.fixture
def bench(context: BrowserContext, server: StreamlitServer, cases: Cases) -> Iterator[Bench]:
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield Bench(page, server, cases)
    page.close()
    assert faults == []


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


def letters(bench: Bench) -> list[list[dict[str, str]]]:
    """Per panel and tile: what stands at the edges."""
    found: list[list[dict[str, str]]] = json.loads(bench.data()["edges"])
    return found


@pytest.mark.parametrize("title", ["las", "oblique"])
def test_patients_left_is_on_the_right_until_switched(bench: Bench, title: str) -> None:
    bench.open(title)
    bench.key("o")  # the image alone
    bench.until(overlay="0")
    assert bench.data()["radiological"] == "true"
    for plane in (0, 1):
        assert bench.pixels("lit", plane)["share"] > 0.15
        assert bench.pixels("bright", plane)["u"] > 0.6
    axial, coronal, sagittal = letters(bench)[0]
    assert (axial["left"], axial["right"], axial["top"], axial["bottom"]) == ("R", "L", "A", "P")
    assert (coronal["left"], coronal["right"], coronal["top"], coronal["bottom"]) == ("R", "L", "S", "I")
    assert (sagittal["left"], sagittal["right"], sagittal["top"], sagittal["bottom"]) == ("A", "P", "S", "I")
    expect(bench.page.locator(".side-name")).to_contain_text("Radiological")

    bench.key("r")
    bench.until(radiological="false")
    for plane in (0, 1):
        assert 0 < bench.pixels("bright", plane)["u"] < 0.4
    assert [(t["left"], t["right"]) for t in letters(bench)[0]][:2] == [("L", "R"), ("L", "R")]
    expect(bench.page.locator(".side-name")).to_contain_text("Neurological")


@pytest.mark.parametrize("mm", [BIG, SMALL, (10.0, 30.0, 15.0), (-2.0, -58.0, -27.0)])
def test_values_and_place_are_those_of_the_file(bench: Bench, cases: Cases, mm: tuple[float, float, float]) -> None:
    bench.open("las")
    bench.place(mm)
    data = bench.data()
    ijk = np.rint(np.linalg.inv(LAS) @ [*mm, 1])[:3].astype(int)
    assert float(data["values"]) == pytest.approx(float(head(LAS)[tuple(ijk)]), rel=1e-5)
    assert [float(v) for v in data["mm"].split(",")] == pytest.approx(mm, abs=0.02)
    assert data["dims"] == "40x48x20"
    expect(bench.page.locator(".where")).to_have_text(re.compile(r"mm \(RAS\+\)$"))


def test_lesions_largest_first_and_the_crosshair_starts_on_the_largest(bench: Bench) -> None:
    bench.open("las")
    bench.until(lesions="2", lesion="1")
    start = [float(v) for v in bench.data()["mm"].split(",")]
    assert float(bench.data()["values"]) == BRIGHT and abs(start[0] - BIG[0]) < 8
    bench.key("l")
    bench.until(lesion="2")
    at = bench.viewer.evaluate("r => r.__strokescope.viewer.panes[0].mm")
    assert np.linalg.norm(np.subtract(at, SMALL)) < 8
    bench.page.get_by_role("button", name="Previous lesion").click()
    bench.until(lesion="1")
    expect(bench.page.locator(".lesion-text")).to_contain_text("lesion 1/2")


def test_two_panels_stay_in_step_on_different_grids(bench: Bench) -> None:
    bench.open("pair")
    assert bench.data()["dims"] == "40x48x20|52x64x22" and bench.data()["layout"] == "axial"
    for panel, mm in ((0, (12.0, 20.0, 9.0)), (1, (-30.0, -20.0, -15.0))):
        bench.place(mm, panel)
        both = bench.viewer.evaluate("r => r.__strokescope.viewer.panes.map(p => p.mm)")
        assert np.allclose(both, mm, atol=0.05)
    dwi, adc = (float(v) for v in bench.data()["values"].split("|"))
    assert 100 < dwi < 300 and adc == pytest.approx(4 * dwi, rel=0.05)  # found to be in 10^-3 mm2/s
    expect(bench.page.locator(".values")).to_contain_text("×10⁻⁶ mm²/s")
    assert bench.data()["window"].split("|")[1] == "0,1.5"
    bench.place(BIG, 1)
    bench.key("o")
    assert bench.pixels("bright", panel=0)["u"] > 0.6 and bench.pixels("bright", panel=1)["u"] > 0.6

    bench.page.locator(".frame").nth(1).hover()
    bench.page.keyboard.down("Control")
    bench.page.mouse.wheel(0, -300)
    bench.page.keyboard.up("Control")
    sights = "r => r.__strokescope.viewer.panes.map(p => [p.sight.scale, ...p.sight.centre])"
    left, right = bench.viewer.evaluate(sights)
    assert left == pytest.approx(right, rel=1e-3, abs=0.05) and float(bench.data()["zoom"]) != 1


def test_masks_have_their_colours_and_can_be_taken_away(bench: Bench) -> None:
    bench.open("pair")
    bench.page.get_by_label("Overlay opacity").fill("100")
    sky, orange, white = (bench.pixels(test)["share"] for test in ("sky", "orange", "bright"))
    assert sky > 0 and orange > 0 and white > 0
    assert bench.pixels("sky")["v"] > bench.pixels("orange")["v"]  # the prediction lies further to the front
    bench.page.get_by_role("button", name="prediction").click()
    assert bench.pixels("orange")["share"] == 0 and bench.pixels("sky")["share"] > sky
    bench.page.get_by_role("button", name="truth").click()
    assert bench.pixels("sky")["share"] == 0
    bench.key("o")
    bench.until(overlay="3")
    bench.page.get_by_role("button", name="Outline only").click()
    assert 0 < bench.pixels("sky")["share"] < sky


def test_comparison_labels_show_what_was_wrongly_found(bench: Bench) -> None:
    bench.open("labels")
    bench.page.get_by_label("Overlay opacity").fill("100")
    assert bench.pixels("orange")["share"] > 0 and bench.pixels("sky")["share"] == 0
    expect(bench.page.locator(".chips")).to_contain_text("false positive")
    expect(bench.page.locator(".chips")).to_contain_text("missed")


def test_keys_move_and_switch_without_a_word_to_the_server(bench: Bench) -> None:
    sent: list[object] = []
    bench.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    bench.open("las")
    bench.page.wait_for_load_state("networkidle")
    before = len(sent)
    slice_now = int(bench.data()["vox"].split(",")[2])
    bench.key("ArrowUp")
    expect(bench.page.locator(".count")).to_have_text(f"Axial {slice_now + 2} / 20")
    bench.key("PageDown")
    bench.key("ArrowDown")
    expect(bench.page.locator(".count")).to_have_text(f"Axial {slice_now} / 20")
    bench.page.get_by_role("button", name="Slice up").click()
    expect(bench.page.locator(".count")).to_have_text(f"Axial {slice_now + 1} / 20")
    bench.page.locator(".frame").hover(position={"x": 150, "y": 150})
    bench.page.mouse.wheel(0, 100)
    expect(bench.page.locator(".count")).to_have_text(f"Axial {slice_now} / 20")
    bench.page.get_by_label("Slice", exact=True).last.fill("3")
    expect(bench.page.locator(".count")).to_have_text("Axial 3 / 20")
    for layout in ("axial", "3d", "planes"):
        bench.key("v")
        bench.until(layout=layout)
        assert (
            bench.viewer.evaluate("r => { const p = r.__strokescope.viewer.panes[0]; p.drawNow(); return p.layout }")
            == layout
        )
    bench.page.get_by_label("Overlay opacity").fill("70")
    bench.key("?")
    expect(bench.page.get_by_role("dialog", name="Keys")).to_be_visible()
    bench.key("Escape")
    expect(bench.page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert len(sent) == before


def test_an_image_key_is_pythons_business(bench: Bench) -> None:
    bench.open("las")
    bench.key("3")
    expect(bench.page.get_by_text("modality 2")).to_be_visible()
    assert bench.data()["state"] == "ready"


def test_windows(bench: Bench) -> None:
    bench.open("las")
    low, high = (float(v) for v in bench.data()["window"].split(","))
    assert 50 < low < 150 and high > 200
    bench.page.get_by_label("Window", exact=True).last.select_option("Narrow")
    bench.until(window="100,200")
    bench.key("w")  # after the last comes Auto again
    bench.until(window=f"{low:g},{high:g}") if low.is_integer() else expect(bench.viewer).not_to_have_attribute(
        "data-window", "100,200"
    )
    bench.page.get_by_label("Window from").fill("0")
    bench.page.get_by_label("Window from").press("Enter")
    bench.page.get_by_label("Window to").fill("50")
    bench.page.get_by_label("Window to").press("Enter")
    bench.until(window="0,50")
    assert bench.pixels("bright")["share"] > 0.3
    bench.page.get_by_label("Window to").fill("-5")
    bench.page.get_by_label("Window to").press("Enter")
    expect(bench.page.get_by_label("Window to")).to_have_value("50")
    bench.until(window="0,50")


def test_old_image_is_gone_before_the_new_one_comes(bench: Bench) -> None:
    bench.open("las")
    gate = Gate(bench.page)
    bench.press("oblique")
    bench.wait("oblique", "loading")
    shown = "r => [...r.querySelectorAll('canvas')].filter(c => getComputedStyle(c).visibility !== 'hidden').length"
    assert bench.viewer.evaluate(shown) == 0
    assert bench.viewer.evaluate("r => r.__strokescope.panels.reduce((n, nv) => n + nv.volumes.length, 0)") == 0
    data = bench.data()
    assert "values" not in data and "mm" not in data and "lesions" not in data
    expect(bench.page.locator(".values")).to_have_text("")
    expect(bench.page.locator(".what")).to_contain_text("Loading DWI")
    expect(bench.page.get_by_role("button", name="Cancel")).to_be_visible()
    gate.open()
    bench.wait("oblique")
    assert bench.viewer.evaluate(shown) == 1
    expect(bench.page.get_by_text("Synthetic image")).to_be_visible()
    expect(bench.page.get_by_text("Research use only")).to_be_visible()


def test_late_answer_of_an_earlier_case_is_not_shown(bench: Bench) -> None:
    bench.open("las")
    gate = Gate(bench.page)
    bench.press("oblique")
    bench.wait("oblique", "loading")
    gate.shut = False
    bench.press("blank")
    bench.wait("blank")
    gate.open()
    bench.page.wait_for_load_state("networkidle")
    expect(bench.viewer).to_have_attribute("data-title", "blank")
    assert bench.data()["state"] == "ready" and bench.data()["lesions"] == "0"
    expect(bench.page.get_by_text("Synthetic image")).to_be_hidden()


def test_cancel_stops_and_load_starts_again(bench: Bench) -> None:
    gate = Gate(bench.page)
    bench.page.goto(f"{bench.server.url}?case=0")
    bench.page.wait_for_selector(".viewer[data-state=loading]", timeout=SECONDS)
    bench.page.get_by_role("button", name="Cancel").click()
    expect(bench.page.locator(".what")).to_have_text("Loading was cancelled.")
    gate.open()
    bench.page.get_by_role("button", name="Load", exact=True).click()
    bench.wait("las")


def spoiled(how: str, raw: bytes) -> dict[str, Any]:
    """What a bad network or disk could make of a file."""
    if how == "cut":
        return {"body": raw[: len(raw) // 2]}
    if how == "flipped":
        return {"body": raw[:-8] + bytes([raw[-8] ^ 0xFF]) + raw[-7:]}  # the checksum at the end
    if how == "short":
        return {"body": gzip.compress(gzip.decompress(raw)[:-100])}
    if how == "words":
        return {"body": b"this is not an image" * 50}
    if how == "empty":
        return {"body": b""}
    return {"status": 500, "body": b"no"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut", "damaged"),
        ("flipped", "damaged"),
        ("short", "ends before its last voxel"),
        ("words", "not a NIfTI"),
        ("empty", "is empty"),
        ("refused", "answered 500"),
    ],
)
def test_spoiled_bytes_are_a_sentence_never_a_picture(bench: Bench, cases: Cases, how: str, said: str) -> None:
    raw = (cases.file.parent / "las.nii.gz").read_bytes()
    bench.page.route(
        "**/vol/*/dwi.nii.gz", lambda route: route.fulfill(content_type="application/gzip", **spoiled(how, raw))
    )
    bench.open("las", "failed")
    expect(bench.page.locator(".what")).to_contain_text("DWI")
    expect(bench.page.locator(".what")).to_contain_text(said)
    assert bench.page.locator("canvas").count() == 0
    bench.page.unroute("**/vol/*/dwi.nii.gz")
    bench.page.get_by_role("button", name="Retry").click()
    bench.wait("las")


@pytest.mark.parametrize(("title", "said"), [("gone", "no longer on the server"), ("series", "a series of images")])
def test_what_cannot_be_shown_says_why(bench: Bench, title: str, said: str) -> None:
    bench.open(title, "failed")
    expect(bench.page.locator(".what")).to_contain_text(said)
    assert bench.page.locator("canvas").count() == 0
    bench.press("las")
    bench.wait("las")


def test_unknown_side_is_a_question_mark(bench: Bench) -> None:
    bench.open("blank")
    sides = bench.page.locator(".mark.side").all_text_contents()
    assert sides and set(sides) == {"?"}
    expect(bench.page.locator(".side-name")).to_contain_text("does not say which side is left")


def test_focus_from_python_wins_over_the_largest_lesion(bench: Bench) -> None:
    bench.open("focus")
    bench.until(lesions="2")
    assert [float(v) for v in bench.data()["mm"].split(",")] == pytest.approx(SMALL, abs=0.05)


def test_a_view_that_asks_for_outlines_shows_them_and_the_next_one_is_as_before(bench: Bench) -> None:
    outline = bench.page.get_by_role("button", name="Outline only")
    bench.open("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")
    bench.press("focus")
    expect(outline).to_have_attribute("aria-pressed", "false")
    bench.press("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")
    outline.click()  # a person may fill them all the same
    expect(outline).to_have_attribute("aria-pressed", "false")
    bench.press("focus")
    bench.wait("focus")  # two presses in a row would skip this view
    bench.press("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")


def test_rerun_loads_nothing_and_a_revisit_no_bytes(bench: Bench) -> None:
    asked: list[tuple[int, str]] = []
    bench.page.on("response", lambda r: asked.append((r.status, r.url)) if "/vol/" in r.url else None)
    bench.open("las")
    assert len(asked) == 2
    bench.key("ArrowUp")
    mm = bench.data()["mm"]
    bench.press("rerun")
    bench.page.wait_for_load_state("networkidle")
    bench.key("ArrowUp")
    expect(bench.viewer).not_to_have_attribute("data-mm", mm)
    assert len(asked) == 2
    bench.press("blank")
    bench.wait("blank")
    bench.press("las")
    bench.wait("las")
    sizes = bench.page.evaluate(
        "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/vol/')).map(e => e.transferSize)"
    )
    assert len(sizes) == 5 and max(sizes[3:]) < 1000 < min(sizes[0], sizes[2])


def test_leaving_frees_the_graphics_memory(bench: Bench) -> None:
    bench.open("pair")
    bench.viewer.evaluate("r => { window.held = r.__strokescope.panels.map(nv => nv.gl) }")
    assert bench.page.evaluate("() => window.held.map(gl => gl.isContextLost())") == [False, False]
    bench.page.get_by_text("viewer", exact=True).click()
    expect(bench.viewer).to_have_count(0)
    bench.page.wait_for_function("() => window.held.every(gl => gl.isContextLost())", timeout=SECONDS)
    bench.page.get_by_text("viewer", exact=True).click()
    bench.wait("pair")


def test_lost_graphics_memory_is_said_and_mended(bench: Bench) -> None:
    bench.open("las")
    bench.viewer.evaluate("r => r.__strokescope.panels[0].gl.getExtension('WEBGL_lose_context').loseContext()")
    bench.wait("las", "failed")
    expect(bench.page.locator(".what")).to_contain_text("graphics memory")
    bench.page.get_by_role("button", name="Retry").click()
    bench.wait("las")
    assert bench.pixels("lit")["share"] > 0.15


def test_every_control_has_a_name_and_is_reached_by_tab(bench: Bench) -> None:
    bench.open("pair")
    controls = "button, select, input"
    names = bench.viewer.evaluate(
        f"r => [...r.querySelectorAll('{controls}')].filter(e => e.offsetParent)"
        ".map(e => e.getAttribute('aria-label') || e.textContent.trim())"
    )
    assert len(names) > 18 and all(names)
    bench.viewer.focus()
    reached = set()
    for _ in range(len(names) + 2):
        bench.page.keyboard.press("Tab")
        reached.add(
            bench.viewer.evaluate(
                f"r => [...r.querySelectorAll('{controls}')].filter(e => e.offsetParent)"
                ".indexOf(r.getRootNode().activeElement)"
            )
        )
    enabled = bench.viewer.evaluate(
        f"r => [...r.querySelectorAll('{controls}')].filter(e => e.offsetParent && !e.disabled).length"
    )
    assert len(reached - {-1}) == enabled


def test_narrow_screen_shows_one_image_at_a_time(bench: Bench) -> None:
    bench.page.set_viewport_size({"width": 400, "height": 860})
    bench.open("pair")
    bench.until(narrow="true", layout="axial")
    frames = bench.page.locator(".frame")
    expect(frames.nth(0)).to_be_visible()
    expect(frames.nth(1)).to_be_hidden()
    assert (
        bench.viewer.evaluate(
            "r => r.querySelectorAll('.frame')[1].querySelector('canvas').checkVisibility({visibilityProperty: true})"
        )
        is False
    )
    bench.page.get_by_role("button", name="ADC", exact=True).click()
    expect(frames.nth(1)).to_be_visible()
    expect(frames.nth(0)).to_be_hidden()
    wide = bench.viewer.evaluate("r => r.scrollWidth - r.clientWidth")
    assert wide <= 0


def test_routes_answer_for_themselves_and_end_with_the_session(bench: Bench) -> None:
    bench.open("las")
    address = bench.page.evaluate(
        "() => performance.getEntriesByType('resource').map(e => e.name).find(n => n.includes('/vol/'))"
    )
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/gzip"
    bench.page.close()
    for _ in range(300):
        try:
            with urllib.request.urlopen(address):
                pass
        except urllib.error.HTTPError as error:
            assert error.code == 404
            with error:
                assert b"<html" not in error.read().lower()
            return
        bench.page.context.new_page().close()  # gives the server a moment
    pytest.fail("the file outlived its session")


def test_without_webgl2_the_static_view_is_named_and_python_told(browser: Browser, server: StreamlitServer) -> None:
    with without_webgl(browser) as blind:
        page = blind.new_page()
        page.goto(server.url)
        page.wait_for_selector(".viewer[data-state=failed]", timeout=SECONDS)
        expect(page.locator(".what")).to_contain_text("static view")
        expect(page.get_by_text("no-webgl2 None")).to_be_visible(timeout=SECONDS)


def test_base_path(browser: Browser, cases: Cases, tmp_path: Path) -> None:
    entry = ROOT / "tests" / "ui" / "viewer_demo_app.py"
    options = ("--server.baseUrlPath=some/where",)
    with StreamlitServer(entry, {"STROKESCOPE_DEMO": str(cases.file)}, tmp_path, options) as server:
        context = browser.new_context()
        Bench(context.new_page(), server, cases).open("las")
        context.close()
