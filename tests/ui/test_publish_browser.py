"""A dataset published from a real browser; the tab is closed, the app restarted, the publisher stopped, and gone on."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.ui.publish_process import Place
from tests.hubserver import HubServer
from tests.hubserver.writes import person
from tests.publish import trees
from tests.ui.browser import ROOT, StreamlitServer, launch

pytestmark = [pytest.mark.browser, pytest.mark.stress, pytest.mark.timeout(900)]
WAIT = 120_000
STOP = ".st-key-publish-stop button"  # the toolbar has a button of that name too
TOKEN, REPO = "hf_writewritewrite", "owner/arc"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as one:
        yield one


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.writes.users = {TOKEN: person("tester")}
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where all of it happens; a publisher outlives every failure but this one's end."""
    yield tmp_path
    for home in tmp_path.glob("state/publish/.desk/*"):
        for name in ("validate", "plan", "run", "verify"):
            step = Place(home, name).step()
            if step is not None and step.alive:
                os.kill(step.pid, signal.SIGKILL)


def app_of(folder: Path, hub: HubServer, **more: str) -> StreamlitServer:
    env = {
        "STROKESCOPE_SOURCE": "sample", "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"), "STROKESCOPE_SUPERVISED": "", "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN, "STROKESCOPE_PUBLISH_KEY": "", "SPACE_ID": "", **more,
    }  # fmt: skip
    return StreamlitServer(ROOT / "Home.py", env, folder)


def opened(browser: Browser, app: StreamlitServer, **how: object) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, **how).new_page()  # type: ignore[arg-type]
    page.goto(f"{app.url.replace('127.0.0.1', 'localhost')}publish", timeout=WAIT)
    page.get_by_role("heading", name="Publish a BIDS dataset").wait_for(timeout=WAIT)
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click(timeout=WAIT)


def seen(page: Page, text: str) -> None:
    expect(page.get_by_text(re.compile(text)).first).to_be_visible(timeout=WAIT)


def begin(page: Page, source: Path, bandwidth: str) -> None:
    """Fill in the form, and wait for check and plan."""
    page.get_by_role("textbox", name="Folder of the dataset").fill(str(source))
    page.get_by_text("ARC", exact=True).first.click()
    page.get_by_role("textbox", name="Repository on the Hub").fill(REPO)
    page.get_by_text("More", exact=True).click()
    page.get_by_text("The folder is a part of the dataset").click()
    page.get_by_role("textbox", name="Bytes a second").fill(bandwidth)
    press(page, "Check and plan")
    seen(page, "No errors")
    seen(page, rf"Goes to {REPO}, branch main, private \(new\)")
    page.get_by_text("I have looked at it, and I may publish").click(timeout=WAIT)
    press(page, f"Publish to {REPO} (private)")


def stacked(page: Page) -> bool:
    """Whether the two columns lie one below the other, each as wide as both."""
    boxes = [one.bounding_box() for one in page.locator(".st-key-publish-two [data-testid=stColumn]").all()]
    first, second = (box for box in boxes if box is not None)
    return first["x"] == second["x"] and first["y"] + first["height"] <= second["y"]


def test_a_publication_outlives_its_tab_and_its_app_and_ends_in_proof(
    browser: Browser, hub: HubServer, folder: Path
) -> None:
    source = trees.arc(folder / trees.AWKWARD, subjects=6)
    with app_of(folder, hub) as app:
        page = opened(browser, app)
        begin(page, source, "4K")
        seen(page, "shards")
        page.locator(STOP).wait_for(timeout=WAIT)
        page.close()
        app.restart()
        page = opened(browser, app)
        page.locator(STOP).wait_for(timeout=WAIT)  # it works still
        other = opened(browser, app)
        other.locator(STOP).click(timeout=WAIT)
        seen(other, "Stopped by you")
        seen(page, "Stopped by you")
        press(page, "Change")
        page.get_by_text("More", exact=True).click()
        page.get_by_role("textbox", name="Bytes a second").fill("")
        press(page, "Check and plan")
        seen(page, "No errors")
        page.get_by_text("I have looked at it, and I may publish").click(timeout=WAIT)
        press(page, f"Publish to {REPO}")
        seen(page, "12 of 12 shards are in")
        expect(page.locator("code", has_text="rm -rf -- ")).to_be_visible(timeout=WAIT)
        assert page.locator(".scope-shards i.p").count() == 12
        assert trees.AWKWARD not in page.url and "staging" not in page.url
        assert not stacked(page)
        page.set_viewport_size({"width": 768, "height": 1024})
        page.wait_for_function("matchMedia('(max-width: 1000px)').matches")
        assert stacked(page)
        staging = folder / "state" / "publish" / "owner--arc"
        assert (staging / "manifest.jsonl").exists() and (staging / "validation.md").exists()  # nothing was removed
        shutil.rmtree(staging)
        seen(page, "The staging folder is gone")
        expect(page.locator(".st-key-publish-go-on")).to_have_count(0)
        assert trees.AWKWARD not in app.log() and TOKEN not in app.log()
    assert sum(path.startswith("data/") for path in hub.datasets[REPO].files) == 12
