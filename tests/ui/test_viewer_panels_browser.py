"""The viewer in a real browser: masks of each panel's own, heat maps, and where two results differ."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.viewer_bench import Bench
from tests.ui.viewer_bench import bench as bench
from tests.ui.viewer_bench import context as context
from tests.ui.viewer_bench import fresh as fresh
from tests.ui.viewer_bench import tab as tab
from tests.ui.viewer_cases import BIG, SMALL

pytestmark = pytest.mark.browser

# Colour of the picture at a place in RAS+ mm, in the axial tile of a panel: the mean of 3 x 3 pixels.
COLOUR = """(root, [panel, mm]) => {
  const v = root.__strokescope.viewer
  for (const p of v.panes) p.moveTo([mm[0] + 14, mm[1] - 14, mm[2]]) // the crosshair is not looked at
  const pane = v.panes[panel]
  pane.drawNow()
  const { nv } = pane, gl = nv.gl
  const index = nv.screenSlices.findIndex((t) => t.axCorSag === 0)
  const [l, t, w, h] = nv.screenSlices[index].leftTopWidthHeight
  const want = nv.mm2frac(mm, 0, true)
  let best = [0, 0], least = Infinity
  for (let y = 1; y < h; y += 2) for (let x = 1; x < w; x += 2) {
    const f = nv.screenXY2TextureFrac(l + x, t + y, index, false)
    if (f[0] < 0) continue
    const d = (f[0] - want[0]) ** 2 + (f[1] - want[1]) ** 2
    if (d < least) { least = d; best = [x, y] }
  }
  const data = new Uint8Array(4 * 9)
  const [x, y] = [Math.round(l + best[0]) - 1, Math.round(gl.drawingBufferHeight - t - best[1]) - 1]
  gl.readPixels(x, y, 3, 3, gl.RGBA, gl.UNSIGNED_BYTE, data)
  return [0, 1, 2].map((c) => data.filter((_, i) => i % 4 === c).reduce((a, b) => a + b, 0) / 9)
}"""


def colour(bench: Bench, mm: tuple[float, float, float], panel: int = 0) -> tuple[float, float, float]:
    """Red, green, blue at a place."""
    r, g, b = bench.viewer.evaluate(COLOUR, [panel, list(mm)])
    return r, g, b


def test_the_same_image_twice_with_a_mask_each(bench: Bench) -> None:
    asked: list[str] = []
    bench.page.on("request", lambda request: asked.append(request.url) if "/vol/" in request.url else None)
    bench.open("twice")
    assert len(asked) == len(set(asked)) == 3  # the image once, two masks
    assert bench.data()["label"] == "DWI|DWI"
    expect(bench.page.locator(".session").nth(0)).to_have_text("one 1.0")
    expect(bench.page.locator(".session").nth(1)).to_have_text("two 1.0")
    bench.until(lesions="2")  # of both masks together
    bench.place(BIG)
    first, second = (bench.pixels("orange", panel=panel)["share"] for panel in (0, 1))
    assert first > 3 * second > 0  # the second result is one voxel of that slice
    assert colour(bench, SMALL, 1)[0] - colour(bench, SMALL, 1)[2] > 40
    assert (
        abs(colour(bench, BIG, 1)[0] - colour(bench, BIG, 1)[2])
        < 6
        < colour(bench, BIG, 0)[0] - colour(bench, BIG, 0)[2]
    )


def test_panels_of_one_image_share_crosshair_zoom_and_window(bench: Bench) -> None:
    bench.open("twice")
    bench.place(SMALL, panel=1)
    one, two = bench.viewer.evaluate("r => r.__strokescope.viewer.panes.map((p) => p.mm)")
    assert one == pytest.approx(two, abs=0.01)
    bench.viewer.evaluate("r => { const v = r.__strokescope.viewer; v.panes[0].zoom(2); v.changed(v.panes[0]) }")
    scales = bench.viewer.evaluate("r => r.__strokescope.viewer.panes.map((p) => p.sight.scale)")
    assert scales[0] == pytest.approx(scales[1], rel=0.01)
    bench.page.get_by_label("Window from").nth(1).fill("50")
    bench.page.get_by_label("Window from").nth(1).press("Enter")
    expect(bench.page.get_by_label("Window from").nth(0)).to_have_value("50")
    low, high = (w.split(",") for w in bench.data()["window"].split("|"))
    assert low == high


def test_heat_is_nothing_at_0_and_grows_with_its_scale(fresh: Bench) -> None:
    fresh.open("heat")
    fresh.until(lesions="0", overlay="7")
    below = (-44.0, 6.0, -15.0)
    assert max(colour(fresh, below)) - min(colour(fresh, below)) < 6  # grey: nothing over the image
    left, right = colour(fresh, (-20.0, 30.0, 9.0)), colour(fresh, (20.0, 30.0, 9.0))
    assert left[0] - left[2] > 60 and left[1] - left[2] > 60  # 1 is yellow
    assert right[1] - right[0] > 30 and right[2] - right[0] > 20  # 0.5 is between blue and green
    chip = fresh.page.get_by_role("button", name="probability")
    expect(chip).to_contain_text("01")  # the ends of its scale
    chip.click()
    after = colour(fresh, (-20.0, 30.0, 9.0))
    assert max(after) - min(after) < 6


def test_a_mask_stays_orange_over_heat(bench: Bench) -> None:
    bench.open("warm")
    bench.until(lesions="2", overlay="7")
    assert bench.pixels("orange")["share"] > 0.0004
    bench.page.get_by_role("button", name="prediction").click()
    assert bench.pixels("orange")["share"] == 0


def test_where_two_results_differ_neither_is_called_the_truth(bench: Bench) -> None:
    bench.open("differ")
    chips = bench.page.locator(".chips")
    expect(chips).to_contain_text("only one")
    expect(chips).to_contain_text("only two")
    expect(chips).to_contain_text("both")
    assert "truth" not in chips.inner_text() and "missed" not in chips.inner_text()
    bench.place(SMALL)
    r, g, b = colour(bench, SMALL)
    assert r > g and b > g  # purple, not sky blue
    assert bench.pixels("sky")["share"] == 0


def test_a_lesion_of_one_voxel_is_drawn(bench: Bench) -> None:
    bench.open("dot")
    bench.until(lesions="1")
    assert bench.pixels("orange")["share"] > 0.00005


def test_another_mask_over_the_same_image_changes_nothing_else(bench: Bench) -> None:
    bench.open("heat")
    bench.place((12.0, 30.0, 9.0))
    bench.page.get_by_label("Window from").fill("77")
    bench.page.get_by_label("Window from").press("Enter")
    bench.viewer.evaluate("r => { r.__seen = []; new MutationObserver(() => r.__seen.push(r.dataset.state)).observe(r, "
                          "{ attributes: true, attributeFilter: ['data-state'] }) }")  # fmt: skip
    bench.press("warmer")
    bench.until(lesions="2")
    assert bench.viewer.evaluate("r => r.__seen") == []  # no cover, not even for a moment
    assert [float(v) for v in bench.data()["mm"].split(",")] == pytest.approx((12, 30, 9), abs=2.1)
    expect(bench.page.get_by_label("Window from")).to_have_value("77")
    assert bench.pixels("orange")["share"] > 0


def test_a_place_asked_for_before_does_not_pull_the_crosshair_back(bench: Bench) -> None:
    bench.open("focus")
    bench.place(BIG)
    bench.press("focused")
    bench.until(lesions="2", overlay="3")
    assert [float(v) for v in bench.data()["mm"].split(",")] == pytest.approx(BIG, abs=2.1)


def test_from_two_panels_back_to_one(bench: Bench) -> None:
    bench.open("twice")
    bench.press("las")
    bench.wait("las")
    assert bench.data()["label"] == "DWI"
    assert bench.pixels("sky")["share"] > 0.0004
    bench.press("twice")
    bench.wait("twice")
    bench.place(BIG)
    assert bench.pixels("orange", panel=0)["share"] > 0.0004
