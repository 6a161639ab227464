"""Kept results in a real browser: ticked in the list, put side by side, deleted after a second press."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.segmentation.kept import Results
from tests.ui.browser import ROOT, StreamlitServer, chromium_path
from tests.ui.kept_results import keep
from tools.build_viewer import build

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # ms; nothing here measures time


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    keep(folder)
    keep(folder, 2, seed=5.0)
    return folder


@pytest.fixture(scope="module")
def url(world: Path) -> Iterator[str]:
    chromium_path()
    build()
    env = {
        "STROKESCOPE_SOURCE": "sample",
        "STROKESCOPE_CACHE_DIR": str(world / "cache"),
        "STROKESCOPE_STATE_DIR": str(world / "state"),
    }
    with StreamlitServer(ROOT / "Home.py", env, world) as server:
        yield server.url


def tick(page: Page, *rows: int) -> None:
    """Open the list if it is folded, and tick rows of it."""
    boxes = page.locator(".st-key-results-list").get_by_role("checkbox")
    if not boxes.first.is_visible():
        page.get_by_role("button", name="Results (2)").click()
    for row in rows:
        expect(boxes.nth(row)).to_be_attached(timeout=PATIENCE)
        boxes.nth(row).focus()
        page.keyboard.press("Space")
        expect(boxes.nth(row)).to_be_checked(timeout=PATIENCE)


def results_button(page: Page, count: int) -> None:
    expect(page.get_by_role("button", name=f"Results ({count})")).to_be_visible(timeout=PATIENCE)


def test_two_are_ticked_compared_and_one_deleted(url: str, world: Path, chromium: Browser) -> None:
    kept = Results(world / "cache").of_case("sample", "sample-01")
    assert len(kept) == 2
    page = chromium.new_page(viewport={"width": 1000, "height": 700})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}segment?source=sample&case=sample-01")
    expect(page.locator(".viewer[data-state=ready][data-lesions]")).to_be_visible(timeout=PATIENCE)
    results_button(page, 2)
    tick(page, 0, 1)
    page.locator(".st-key-results-compare button:enabled:visible").click()
    viewer = page.locator('.viewer[data-state=ready][data-label="A · DWI|B · DWI"]')
    expect(viewer).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".st-key-results-list")).to_be_hidden(timeout=PATIENCE)  # it does not cover what was asked
    expect(page.locator(".scope-compare")).to_contain_text("z_seed 5", timeout=PATIENCE)
    expect(page).to_have_url(re.compile(f"result={kept[0].key}.*against={kept[1].key}"), timeout=PATIENCE)

    tick(page, 1)
    page.locator(".st-key-results-delete button:enabled:visible").click()
    assert Results(world / "cache").get(kept[1].key) is not None  # not before the second press
    page.locator(".st-key-results-delete-yes button:enabled:visible").click()
    results_button(page, 1)
    assert Results(world / "cache").get(kept[1].key) is None
    expect(page.locator('.viewer[data-state=ready]:not([data-label^="A"])')).to_be_visible(timeout=PATIENCE)
    page.close()
