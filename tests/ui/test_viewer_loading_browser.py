"""The viewer in a real browser: what it loads, what it never shows, and what it gives back."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.ui.browser import StreamlitServer, without_webgl
from tests.ui.viewer_bench import DEMO, SECONDS, Bench, Gate
from tests.ui.viewer_bench import bench as bench
from tests.ui.viewer_bench import context as context
from tests.ui.viewer_bench import fresh as fresh
from tests.ui.viewer_bench import tab as tab
from tests.ui.viewer_cases import Cases

pytestmark = pytest.mark.browser


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


def test_cancel_stops_and_load_starts_again(fresh: Bench) -> None:
    gate = Gate(fresh.page)
    fresh.page.goto(f"{fresh.server.url}?case=0")
    fresh.page.wait_for_selector(".viewer[data-state=loading]", timeout=SECONDS)
    fresh.page.get_by_role("button", name="Cancel").click()
    expect(fresh.page.locator(".what")).to_have_text("Loading was cancelled.")
    gate.open()
    fresh.page.get_by_role("button", name="Load", exact=True).click()
    fresh.wait("las")


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
def test_spoiled_bytes_are_a_sentence_never_a_picture(bench: Bench, viewer_cases: Cases, how: str, said: str) -> None:
    raw = (viewer_cases.file.parent / "las.nii.gz").read_bytes()
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


def test_rerun_loads_nothing_and_a_revisit_no_bytes(fresh: Bench) -> None:
    asked: list[tuple[int, str]] = []
    fresh.page.on("response", lambda r: asked.append((r.status, r.url)) if "/vol/" in r.url else None)
    fresh.open("las")
    assert len(asked) == 2
    fresh.key("ArrowUp")
    mm = fresh.data()["mm"]
    fresh.press("rerun")
    fresh.page.wait_for_load_state("networkidle")
    fresh.key("ArrowUp")
    expect(fresh.viewer).not_to_have_attribute("data-mm", mm)
    assert len(asked) == 2
    fresh.press("blank")
    fresh.wait("blank")
    fresh.press("las")
    fresh.wait("las")
    sizes = fresh.page.evaluate(
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


def test_routes_answer_for_themselves_and_end_with_the_session(fresh: Bench) -> None:
    fresh.open("las")
    address = fresh.page.evaluate(
        "() => performance.getEntriesByType('resource').map(e => e.name).find(n => n.includes('/vol/'))"
    )
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/gzip"
    fresh.page.close()
    for _ in range(300):
        try:
            with urllib.request.urlopen(address):
                pass
        except urllib.error.HTTPError as error:
            assert error.code == 404
            with error:
                assert b"<html" not in error.read().lower()
            return
        fresh.page.context.new_page().close()  # gives the server a moment
    pytest.fail("the file outlived its session")


def test_without_webgl2_the_static_view_is_named_and_python_told(
    chromium: Browser, viewer_server: StreamlitServer
) -> None:
    with without_webgl(chromium) as blind:
        page = blind.new_page()
        page.goto(viewer_server.url)
        page.wait_for_selector(".viewer[data-state=failed]", timeout=SECONDS)
        expect(page.locator(".what")).to_contain_text("static view")
        expect(page.get_by_text("no-webgl2 None")).to_be_visible(timeout=SECONDS)


def test_base_path(context: BrowserContext, viewer_cases: Cases, tmp_path: Path) -> None:
    options = ("--server.baseUrlPath=some/where",)
    with StreamlitServer(DEMO, {"STROKESCOPE_DEMO": str(viewer_cases.file)}, tmp_path, options) as server:
        page = context.new_page()
        Bench(page, server, viewer_cases).open("las")
        page.close()
