"""The segmentation bench in a real browser: run, read, compare, join, save, delete, give up, come back."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.ui.bench_page import WAIT, BenchPage, picture, records
from tests.ui.bench_world import World, make_world
from tests.ui.browser import ROOT, StreamlitServer
from tools.build_viewer import build

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
FIRST, SECOND, THIRD = "sub-01", "sub-02", "sub-03"
NOTICE = "Research use only, not a medical device"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[StreamlitServer]:
    build()
    with StreamlitServer(ROOT / "Home.py", world.env, world.folder) as server:
        yield server


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    made.set_default_timeout(WAIT)
    yield made
    made.close()


def engines_begun(app: StreamlitServer) -> int:
    """How many engines have been started so far."""
    return len(re.findall(r"phase begin .*phase=engine", app.log()))


def saved(page: Page, press: Callable[[], None], to: Path) -> Path:
    """What the browser saves after a press."""
    with page.expect_download(timeout=WAIT) as download:
        press()
    path = to / download.value.suggested_filename
    download.value.save_as(path)
    return path


def read_offline(browser: Browser, report: Path) -> str:
    """A saved report, opened where there is no network: its words. Asks for nothing."""
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 1400})
    try:
        page, asked = context.new_page(), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        picture(page, "report.png")
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        return page.locator("body").inner_text()
    finally:
        context.close()


def test_a_result_is_read_and_saved(
    app: StreamlitServer, chromium: Browser, context: BrowserContext, tmp_path: Path
) -> None:
    tab = BenchPage(context.new_page(), app.url)
    tab.open(FIRST)
    tab.run()
    tab.figure_is("HD95", re.compile(r"\d"))
    volume, dice, begun = tab.figure("Segmented volume"), tab.figure("Dice"), engines_begun(app)
    tab.drawn("Prediction", float(volume.split()[0]))
    tab.shot("result.png")

    tab.slide(20)
    smaller = float(tab.settled("Segmented volume", volume).split()[0])
    assert 0 < smaller < float(volume.split()[0])
    tab.settled("Dice", dice)
    tab.drawn("Prediction", smaller)  # the mask that the browser shows is the one that the numbers are of
    tab.figure_is("HD95", re.compile(r"\d"))
    tab.shot("threshold.png")

    before = tab.crosshair()
    tab.row(".st-key-lesions-box", 1)
    tab.moved(before)
    tab.shot("lesion.png")

    tab.press(re.compile("Report$"))
    report = saved(tab.page, lambda: tab.press(re.compile("Save Report")), tmp_path)
    words = read_offline(chromium, report)
    assert NOTICE in words and f"{smaller:.2f}" in words and "Dice" in words
    tab.press(re.compile("BIDS zip$"))
    archive = zipfile.ZipFile(saved(tab.page, lambda: tab.press(re.compile("Save BIDS zip")), tmp_path))
    assert archive.testzip() is None
    assert [n for n in archive.namelist() if n.endswith("dataset_description.json")]
    assert engines_begun(app) == begun  # nothing of this ran the engine


def test_a_job_is_given_up_and_run_again_and_two_engines_are_compared(
    app: StreamlitServer, world: World, context: BrowserContext
) -> None:
    tab = BenchPage(context.new_page(), app.url)
    tab.open(THIRD)
    tab.run()
    tab.figure_is("Dice", re.compile(r"\d"))
    tab.engine("network", "slow")
    tab.run()
    expect(tab.page.get_by_text(re.compile(r"Window \d+ of \d+")).first).to_be_visible(timeout=WAIT)
    tab.press(re.compile("Cancel$"))
    tab.record(world.state, "network", "cancelled")
    tab.run()
    tab.record(world.state, "network", "running")
    tab.press(re.compile("Cancel$"))
    tab.record(world.state, "network", "cancelled")
    tab.model("quick")
    tab.run()
    tab.record(world.state, "network", "done")
    expect(tab.page.get_by_text("Results (2)").first).to_be_visible(timeout=WAIT)
    tab.figure_is("HD95", re.compile(r"\d"))
    tab.results(0, 1)
    tab.press(re.compile("Compare$"))
    expect(tab.button(re.compile("^(close )?End$"))).to_be_visible(timeout=WAIT)
    tab.fold()
    tab.picture()
    expect(tab.page).to_have_url(re.compile("result=.*against=|against=.*result="), timeout=WAIT)


@pytest.mark.stress
def test_two_engines_are_compared_joined_and_one_deleted(
    app: StreamlitServer, world: World, context: BrowserContext
) -> None:
    tab = BenchPage(context.new_page(), app.url)
    tab.open(SECOND)
    tab.run()
    tab.figure_is("Dice", re.compile(r"\d"))
    tab.engine("network", "quick")
    tab.run()
    tab.figure_is("Dice", re.compile(r"\d"))
    tab.shot("network.png")

    tab.results(0, 1)
    tab.shot("results.png")
    tab.press(re.compile("Compare$"))
    expect(tab.button(re.compile("^(close )?End$"))).to_be_visible(timeout=WAIT)
    tab.fold()
    tab.picture()
    tab.shot("compare.png")
    expect(tab.page).to_have_url(re.compile("result=.*against=|against=.*result="), timeout=WAIT)
    link = tab.page.url
    tab.press(re.compile("^(close )?End$"))

    tab.results(0, 1)
    tab.press(re.compile("Join$"))
    tab.record(world.state, "consensus", "done")
    expect(tab.page.get_by_text("Results (3)").first).to_be_visible(timeout=WAIT)
    tab.results(0)
    tab.press(re.compile("Show$"))
    expect(tab.page.locator(".scope-which")).to_contain_text("consensus", timeout=WAIT)
    tab.figure_is("Dice", re.compile(r"\d"))
    tab.shot("consensus.png")

    tab.results(0)  # the newest: the consensus
    tab.press(re.compile("Delete$"))
    tab.press(re.compile("Delete it$"))
    expect(tab.page.get_by_text("Results (2)").first).to_be_visible(timeout=WAIT)
    tab.page.goto(link)
    tab.picture()
    expect(tab.page.get_by_text(re.compile("diffusion 1")).first).to_be_visible(timeout=WAIT)


@pytest.mark.stress
def test_a_job_is_given_up_found_again_and_outlives_the_app(
    app: StreamlitServer, world: World, context: BrowserContext
) -> None:
    tab = BenchPage(context.new_page(), app.url)
    tab.open(FIRST)
    tab.engine("network", "slow")
    tab.run()
    expect(tab.page.get_by_text(re.compile(r"Window \d+ of \d+")).first).to_be_visible(timeout=WAIT)
    tab.shot("running.png")
    tab.press(re.compile("Cancel$"))
    tab.record(world.state, "network", "cancelled")
    tab.run()
    tab.record(world.state, "network", "running")
    tab.page.close()

    tab = BenchPage(context.new_page(), app.url)
    tab.open(FIRST)
    tab.press(re.compile(r"Jobs \(1\)"))
    expect(tab.page.get_by_text(re.compile(r"Window \d+ of \d+")).first).to_be_visible(timeout=WAIT)
    tab.shot("jobs.png")

    app.restart()
    tab.record(world.state, "network", "interrupted")
    tab.open(FIRST)
    tab.press(re.compile("Jobs$"))
    expect(tab.page.get_by_text(re.compile("Interrupted: the app was stopped in order")).first).to_be_visible(
        timeout=WAIT
    )
    tab.shot("interrupted.png")
    tab.press(re.compile("Run again$"))
    tab.record(world.state, "network", "running")
    tab.press(re.compile("Cancel$"))
    tab.record(world.state, "network", "cancelled")
    assert all(record["state"] in ("done", "cancelled", "interrupted") for record in records(world.state))
