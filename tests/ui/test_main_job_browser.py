"""The main job in a real browser against a Hub on loopback: list, open, look, segment, read the Dice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from core.hub.catalog import bundled_manifest
from tests.hubserver.server import HubServer
from tests.real_case import real_case
from tests.ui.browser import ROOT, StreamlitServer
from tests.ui.hub_world import hub_serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
WAIT = 60_000
SIZE: ViewportSize = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def hub(heads: dict[str, bytes]) -> Iterator[HubServer]:
    with hub_serving(heads) as server:
        yield server


@pytest.fixture(scope="module")
def app(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamlitServer]:
    folder = tmp_path_factory.mktemp("app")
    env = {
        "HF_ENDPOINT": hub.url,
        "STROKESCOPE_SOURCE": "hub:hugging-science/isles24-stroke",
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
    }
    with StreamlitServer(ROOT / "Home.py", env, folder) as server:
        yield server


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """What all tabs of this file share, as a person's tabs do."""
    context = chromium.new_context(viewport=SIZE)
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    tab = window.new_page()
    yield tab
    tab.close()


def attributes(page: Page) -> dict[str, Any]:
    """The data attributes of the viewer once it is ready."""
    root = page.locator('[data-state="ready"][data-lesions][data-edges*="plane"]')  # letters come with the first frame
    root.wait_for(timeout=WAIT)
    return dict(root.evaluate("e => ({...e.dataset})"))


def lit_shares(page: Page) -> list[float]:
    """Share of lit pixels on each canvas, read right after drawing."""
    found: list[float] = page.locator('[data-state="ready"]').evaluate(
        """root => root.__strokescope.viewer.panes.map(pane => {
             pane.drawNow()
             const gl = pane.nv.gl, w = gl.drawingBufferWidth, h = gl.drawingBufferHeight
             const data = new Uint8Array(4 * w * h)
             gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data)
             let lit = 0
             for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] > 60) lit++
             return lit / (w * h)
           })"""
    )
    return found


def test_home_leads_to_a_lesion_by_addresses_that_name_no_patient(app: StreamlitServer, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app.url)
    expect(page.get_by_text("Browse 149 stroke cases")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Research use only, not a medical device").first).to_be_visible()
    page.get_by_role("button", name="Show me a case").click()
    seen = attributes(page)
    assert "sub-stroke0014" in page.url
    assert int(seen["lesions"]) >= 1
    assert seen["radiological"] == "true"
    assert all(share > 0.1 for share in lit_shares(page))
    volumes = [url for url in asked if "/vol/" in url]
    assert volumes
    assert not any("sub-stroke" in url for url in volumes)


def test_cases_open_by_a_row_show_voxel_values_and_back_leads_to_the_list(
    app: StreamlitServer, hub: HubServer, page: Page
) -> None:
    page.goto(f"{app.url}cases")
    expect(page.get_by_text("149 of 149 cases")).to_be_visible(timeout=WAIT)
    open_first_row(page)
    page.go_back()
    expect(page.get_by_text("149 of 149 cases")).to_be_visible(timeout=WAIT)
    assert "case=" not in page.url

    page.get_by_placeholder("id or note").fill("0001")
    page.get_by_placeholder("id or note").press("Enter")
    expect(page.get_by_text("1 of 149 cases")).to_be_visible(timeout=WAIT)
    values = open_first_row(page)["values"].split("|")
    assert len(values) == 2
    assert all(abs(float(v)) > 0 for v in values)
    before = hub_requests(hub)
    page.reload()
    attributes(page)
    images = [r for r in hub_requests(hub)[len(before) :] if "train-00000-" in r]  # neighbours are got ahead
    assert images == []  # a case that is here costs nothing


def open_first_row(page: Page) -> dict[str, Any]:
    """Click the first case of the list; what the viewer then says."""
    box = page.locator('[data-testid="stDataFrame"]').bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 18, box["y"] + 38 + 17)
    page.wait_for_url("**case=sub-stroke0001*", timeout=WAIT)
    return attributes(page)


def hub_requests(hub: HubServer) -> list[str]:
    """Paths that were asked for so far."""
    return [seen.path for seen in hub.seen]


def test_acute_ct_shows_its_session_and_a_case_that_fails_leaves_no_old_image(app: StreamlitServer, page: Page) -> None:
    page.goto(f"{app.url}cases?case=sub-stroke0014&modality=ncct,tmax")
    attributes(page)
    expect(page.get_by_role("radio", name=re.compile("^NCCT$"))).to_be_visible(timeout=WAIT)  # paid: no price any more
    expect(page.get_by_text("acute CT, day 0").first).to_be_visible()
    assert all(share > 0.1 for share in lit_shares(page))
    page.goto(f"{app.url}cases?case=sub-nobody")
    expect(page.locator('[data-testid="stAlert"]').first).to_be_visible(timeout=WAIT)
    assert page.locator("[data-state]").count() == 0


def saved_name(page: Page, label: str) -> str:
    """Name of the file that a button saves; pressed again, as a person would, where the page was just drawn anew.

    Streamlit forgets a page's files while it is drawn, and the browser then names what it cannot get by its address.
    """
    name = ""
    for _ in range(5):
        with page.expect_download(timeout=WAIT) as download:
            page.locator("button:visible").filter(has_text=re.compile(f"{label}$")).first.click(timeout=WAIT)
        name = download.value.suggested_filename
        if not re.fullmatch(r"[0-9a-f]{32,}\..*", name):
            break
        expect(page.locator('[data-test-script-state="notRunning"]')).to_be_attached(timeout=WAIT)
    return name


def test_segment_runs_and_tells_the_dice(app: StreamlitServer, page: Page) -> None:
    page.goto(f"{app.url}segment?case=sub-stroke0014")
    get = page.get_by_role("button", name="Get the images")
    run = page.get_by_role("button", name="Run", exact=False)
    expect(get.or_(run).first).to_be_visible(timeout=WAIT)
    if get.count():
        get.click()
    run.click(timeout=WAIT)
    dice = page.locator(".scope-figure", has_text="Dice").first
    expect(dice.locator("b")).to_have_text(re.compile(r"^\d"), timeout=WAIT)  # measured after the volumes
    value = float(dice.locator("b").inner_text())
    assert 0.7 < value <= 1.0
    seen = attributes(page)
    assert int(seen["lesions"]) >= 1
    expect(page.locator('[data-test-script-state="notRunning"]')).to_be_attached(timeout=WAIT)  # its files stand then
    assert saved_name(page, "Mask").endswith("_mask.nii.gz")


def test_keys_page_through_cases_that_are_here_already(app: StreamlitServer, hub: HubServer, page: Page) -> None:
    manifest = bundled_manifest()
    ids = sorted(manifest)[40:]

    def shows(case_id: str) -> None:
        page.locator(f'[data-state="ready"][data-title="{case_id}"]').wait_for(timeout=WAIT)

    page.goto(f"{app.url}cases?case={ids[0]}")
    shows(ids[0])
    expect(page.get_by_text("next: here").first).to_be_visible(timeout=WAIT)
    asked = len(hub.seen)
    page.keyboard.press("j")
    shows(ids[1])
    assert not [path for path in hub_requests(hub)[asked:] if path.endswith(manifest[ids[1]])]
    page.keyboard.press("k")
    shows(ids[0])
    for _ in range(5):
        page.keyboard.press("j")  # faster than pages can run: none is lost
    shows(ids[5])
    assert f"case={ids[5]}" in page.url


def test_the_real_case_lies_the_right_way_round(window: BrowserContext, tmp_path: Path) -> None:
    dwi, _ = real_case()
    env = {
        "STROKESCOPE_SOURCE": f"local:{dwi.parent}",
        "STROKESCOPE_CACHE_DIR": str(tmp_path / "cache"),
        "STROKESCOPE_STATE_DIR": str(tmp_path / "state"),
    }
    with StreamlitServer(ROOT / "Home.py", env, tmp_path) as server:
        page = window.new_page()
        page.goto(server.url)
        page.get_by_role("button", name="Show me a case").click()
        seen = attributes(page)
        assert seen["dims"] == "112x112x73|112x112x73"
        for panel in json.loads(seen["edges"]):
            assert {(tile["left"], tile["right"]) for tile in panel if tile["plane"] == "Axial"} == {("R", "L")}
        assert all(share > 0.1 for share in lit_shares(page))
        adc = float(seen["values"].split("|")[1])
        assert 100 < adc < 4000  # shown in 10⁻⁶ mm²/s although the file is in 10⁻³
        page.close()


def test_the_app_process_holds_no_torch(app: StreamlitServer) -> None:
    maps = Path(f"/proc/{app.pid}/maps")
    if not maps.exists():
        pytest.skip("/proc is not here")
    assert "libtorch" not in maps.read_text()


def test_an_unforeseen_fault_is_one_sentence_and_names_no_file(window: BrowserContext, tmp_path: Path) -> None:
    with StreamlitServer(Path(__file__).with_name("surprise_app.py"), {}, tmp_path) as server:
        page = window.new_page()
        page.goto(server.url)
        expect(page.get_by_text("Something went wrong here")).to_be_visible(timeout=WAIT)
        assert "jane-doe" not in page.inner_text("body")
        assert "Traceback" not in page.inner_text("body")
        page.close()
        said = server.log()
    assert "a page failed: ZeroDivisionError at surprise_page.py:3" in said
