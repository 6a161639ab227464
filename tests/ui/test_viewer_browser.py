"""The viewer in a real browser: what is drawn, on which side, and what it says."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.ui.viewer_bench import Bench
from tests.ui.viewer_bench import bench as bench
from tests.ui.viewer_bench import context as context
from tests.ui.viewer_bench import fresh as fresh
from tests.ui.viewer_bench import tab as tab
from tests.ui.viewer_cases import BIG, BRIGHT, LAS, SMALL, head

pytestmark = pytest.mark.browser


def letters(bench: Bench) -> list[list[dict[str, str]]]:
    """Per panel and tile: what stands at the edges."""
    found: list[list[dict[str, str]]] = json.loads(bench.data()["edges"])
    return found


@pytest.mark.parametrize("title", ["las", "oblique"])
def test_patients_left_is_on_the_right_until_switched(fresh: Bench, title: str) -> None:
    fresh.open(title)
    fresh.key("o")  # the image alone
    fresh.until(overlay="0")
    assert fresh.data()["radiological"] == "true"
    for plane in (0, 1):
        assert fresh.pixels("lit", plane)["share"] > 0.15
        assert fresh.pixels("bright", plane)["u"] > 0.6
    axial, coronal, sagittal = letters(fresh)[0]
    assert (axial["left"], axial["right"], axial["top"], axial["bottom"]) == ("R", "L", "A", "P")
    assert (coronal["left"], coronal["right"], coronal["top"], coronal["bottom"]) == ("R", "L", "S", "I")
    assert (sagittal["left"], sagittal["right"], sagittal["top"], sagittal["bottom"]) == ("A", "P", "S", "I")
    expect(fresh.page.locator(".side-name")).to_contain_text("Radiological")

    fresh.key("r")
    fresh.until(radiological="false")
    for plane in (0, 1):
        assert 0 < fresh.pixels("bright", plane)["u"] < 0.4
    assert [(t["left"], t["right"]) for t in letters(fresh)[0]][:2] == [("L", "R"), ("L", "R")]
    expect(fresh.page.locator(".side-name")).to_contain_text("Neurological")


def test_values_and_place_are_those_of_the_file(bench: Bench) -> None:
    bench.open("las")
    for mm in (BIG, SMALL, (10.0, 30.0, 15.0), (-2.0, -58.0, -27.0)):
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


def test_two_panels_stay_in_step_on_different_grids(fresh: Bench) -> None:
    fresh.open("pair")
    assert fresh.data()["dims"] == "40x48x20|52x64x22" and fresh.data()["layout"] == "axial"
    for panel, mm in ((0, (12.0, 20.0, 9.0)), (1, (-30.0, -20.0, -15.0))):
        fresh.place(mm, panel)
        both = fresh.viewer.evaluate("r => r.__strokescope.viewer.panes.map(p => p.mm)")
        assert np.allclose(both, mm, atol=0.05)
    dwi, adc = (float(v) for v in fresh.data()["values"].split("|"))
    assert 100 < dwi < 300 and adc == pytest.approx(4 * dwi, rel=0.05)  # found to be in 10^-3 mm2/s
    expect(fresh.page.locator(".values")).to_contain_text("×10⁻⁶ mm²/s")
    assert fresh.data()["window"].split("|")[1] == "0,1.5"
    fresh.place(BIG, 1)
    fresh.key("o")
    assert fresh.pixels("bright", panel=0)["u"] > 0.6 and fresh.pixels("bright", panel=1)["u"] > 0.6

    fresh.page.locator(".frame").nth(1).hover()
    fresh.page.keyboard.down("Control")
    fresh.page.mouse.wheel(0, -300)
    fresh.page.keyboard.up("Control")
    sights = "r => r.__strokescope.viewer.panes.map(p => [p.sight.scale, ...p.sight.centre])"
    left, right = fresh.viewer.evaluate(sights)
    assert left == pytest.approx(right, rel=1e-3, abs=0.05) and float(fresh.data()["zoom"]) != 1


def test_masks_have_their_colours_and_can_be_taken_away(fresh: Bench) -> None:
    fresh.open("pair")
    fresh.page.get_by_label("Overlay opacity").fill("100")
    sky, orange, white = (fresh.pixels(test)["share"] for test in ("sky", "orange", "bright"))
    assert sky > 0 and orange > 0 and white > 0
    assert fresh.pixels("sky")["v"] > fresh.pixels("orange")["v"]  # the prediction lies further to the front
    fresh.page.get_by_role("button", name="prediction").click()
    assert fresh.pixels("orange")["share"] == 0 and fresh.pixels("sky")["share"] > sky
    fresh.page.get_by_role("button", name="truth").click()
    assert fresh.pixels("sky")["share"] == 0
    fresh.key("o")
    fresh.until(overlay="3")
    fresh.page.get_by_role("button", name="Outline only").click()
    assert 0 < fresh.pixels("sky")["share"] < sky


def test_comparison_labels_show_what_was_wrongly_found(fresh: Bench) -> None:
    fresh.open("labels")
    fresh.page.get_by_label("Overlay opacity").fill("100")
    assert fresh.pixels("orange")["share"] > 0 and fresh.pixels("sky")["share"] == 0
    expect(fresh.page.locator(".chips")).to_contain_text("false positive")
    expect(fresh.page.locator(".chips")).to_contain_text("missed")


def test_keys_move_and_switch_without_a_word_to_the_server(fresh: Bench) -> None:
    sent: list[object] = []
    fresh.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    fresh.open("las")
    fresh.page.wait_for_load_state("networkidle")
    before = len(sent)
    slice_now = int(fresh.data()["vox"].split(",")[2])
    fresh.key("ArrowUp")
    expect(fresh.page.locator(".count")).to_have_text(f"Axial {slice_now + 2} / 20")
    fresh.key("PageDown")
    fresh.key("ArrowDown")
    expect(fresh.page.locator(".count")).to_have_text(f"Axial {slice_now} / 20")
    fresh.page.get_by_role("button", name="Slice up").click()
    expect(fresh.page.locator(".count")).to_have_text(f"Axial {slice_now + 1} / 20")
    fresh.page.locator(".frame").hover(position={"x": 150, "y": 150})
    fresh.page.mouse.wheel(0, 100)
    expect(fresh.page.locator(".count")).to_have_text(f"Axial {slice_now} / 20")
    fresh.page.get_by_label("Slice", exact=True).last.fill("3")
    expect(fresh.page.locator(".count")).to_have_text("Axial 3 / 20")
    for layout in ("axial", "3d", "planes"):
        fresh.key("v")
        fresh.until(layout=layout)
        assert (
            fresh.viewer.evaluate("r => { const p = r.__strokescope.viewer.panes[0]; p.drawNow(); return p.layout }")
            == layout
        )
    fresh.page.get_by_label("Overlay opacity").fill("70")
    fresh.key("?")
    expect(fresh.page.get_by_role("dialog", name="Keys")).to_be_visible()
    fresh.key("Escape")
    expect(fresh.page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert len(sent) == before


def test_an_image_key_is_pythons_business(bench: Bench) -> None:
    bench.open("las")
    bench.key("3")
    expect(bench.page.get_by_text("modality 2")).to_be_visible()
    assert bench.data()["state"] == "ready"


def test_windows(fresh: Bench) -> None:
    fresh.open("las")
    low, high = (float(v) for v in fresh.data()["window"].split(","))
    assert 50 < low < 150 and high > 200
    fresh.page.get_by_label("Window", exact=True).last.select_option("Narrow")
    fresh.until(window="100,200")
    fresh.key("w")  # after the last comes Auto again
    fresh.until(window=f"{low:g},{high:g}") if low.is_integer() else expect(fresh.viewer).not_to_have_attribute(
        "data-window", "100,200"
    )
    fresh.page.get_by_label("Window from").fill("0")
    fresh.page.get_by_label("Window from").press("Enter")
    fresh.page.get_by_label("Window to").fill("50")
    fresh.page.get_by_label("Window to").press("Enter")
    fresh.until(window="0,50")
    assert fresh.pixels("bright")["share"] > 0.3
    fresh.page.get_by_label("Window to").fill("-5")
    fresh.page.get_by_label("Window to").press("Enter")
    expect(fresh.page.get_by_label("Window to")).to_have_value("50")
    fresh.until(window="0,50")


def test_unknown_side_is_a_question_mark(bench: Bench) -> None:
    bench.open("blank")
    sides = bench.page.locator(".mark.side").all_text_contents()
    assert sides and set(sides) == {"?"}
    expect(bench.page.locator(".side-name")).to_contain_text("does not say which side is left")


def test_focus_from_python_wins_over_the_largest_lesion(bench: Bench) -> None:
    bench.open("focus")
    bench.until(lesions="2")
    assert [float(v) for v in bench.data()["mm"].split(",")] == pytest.approx(SMALL, abs=0.05)


def test_a_view_that_asks_for_outlines_shows_them_and_the_next_one_is_as_before(fresh: Bench) -> None:
    outline = fresh.page.get_by_role("button", name="Outline only")
    fresh.open("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")
    fresh.press("focus")
    expect(outline).to_have_attribute("aria-pressed", "false")
    fresh.press("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")
    outline.click()  # a person may fill them all the same
    expect(outline).to_have_attribute("aria-pressed", "false")
    fresh.press("focus")
    fresh.wait("focus")  # two presses in a row would skip this view
    fresh.press("outlines")
    expect(outline).to_have_attribute("aria-pressed", "true")


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


def test_narrow_screen_shows_one_image_at_a_time(fresh: Bench) -> None:
    fresh.page.set_viewport_size({"width": 400, "height": 860})
    fresh.open("pair")
    fresh.until(narrow="true", layout="axial")
    frames = fresh.page.locator(".frame")
    expect(frames.nth(0)).to_be_visible()
    expect(frames.nth(1)).to_be_hidden()
    assert (
        fresh.viewer.evaluate(
            "r => r.querySelectorAll('.frame')[1].querySelector('canvas').checkVisibility({visibilityProperty: true})"
        )
        is False
    )
    fresh.page.get_by_role("button", name="ADC", exact=True).click()
    expect(frames.nth(1)).to_be_visible()
    expect(frames.nth(0)).to_be_hidden()
    wide = fresh.viewer.evaluate("r => r.scrollWidth - r.clientWidth")
    assert wide <= 0
