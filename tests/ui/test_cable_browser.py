"""A slow fetch is cancelled; the cable is pulled in mid-fetch and comes back: the screen tells and recovers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.hub.catalog import bundled_manifest
from tests.hubserver.server import HubServer
from tests.ui.browser import ROOT, StreamlitServer
from tests.ui.hub_world import hub_serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
WAIT = 90_000
CASE = "sub-stroke0014"
SLOW = 45_000  # bytes per second: the case takes about fifteen seconds


@contextmanager
def slow_case(chromium: Browser, heads: dict[str, bytes], folder: Path) -> Iterator[tuple[HubServer, Page]]:
    """A case that is just being fetched from a slow Hub, by an app whose cache is in the folder."""
    env = {
        "STROKESCOPE_SOURCE": "hub:hugging-science/isles24-stroke",
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
    }
    with (
        hub_serving(heads, bandwidth=SLOW) as hub,
        StreamlitServer(ROOT / "Home.py", {**env, "HF_ENDPOINT": hub.url}, folder) as server,
    ):
        page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"{server.url}cases?case={CASE}")
        yield hub, page
        page.context.close()


def test_the_cable_is_pulled_and_comes_back(chromium: Browser, heads: dict[str, bytes], tmp_path: Path) -> None:
    with slow_case(chromium, heads, tmp_path) as (hub, page):
        expect(page.get_by_text(re.compile(r"Getting DWI \+ ADC.*0\.[4-6] of 0\.\d MB")).first).to_be_visible(
            timeout=WAIT
        )

        hub.pull(silent=True)
        expect(page.get_by_text(re.compile("nothing comes from the Hub|no byte for")).first).to_be_visible(timeout=WAIT)
        hub.pull()
        expect(page.get_by_text("This goes on by itself as soon as it answers", exact=False).first).to_be_visible(
            timeout=WAIT
        )
        assert page.get_by_role("button", name="Retry").count() == 1
        assert page.locator("[data-state]").count() == 0  # no image that could be taken for this case's
        expect(page.locator(".scope-chip", has_text="does not answer")).to_be_visible(timeout=WAIT)

        served = shard_bytes(hub.bytes_served)
        hub.bandwidth = None
        hub.plug()
        page.locator('[data-state="ready"][data-lesions]').wait_for(timeout=WAIT)
        expect(page.locator(".scope-chip", has_text="answers in")).to_be_visible(timeout=WAIT)
        whole = sum(f.stat().st_size for f in (tmp_path / "cache" / "images").rglob("*.nii.gz") if CASE in str(f))
        assert shard_bytes(hub.bytes_served) - served < 0.8 * whole  # it went on where it stopped


def test_a_slow_fetch_shows_its_bytes_and_can_be_cancelled(
    chromium: Browser, heads: dict[str, bytes], tmp_path: Path
) -> None:
    with slow_case(chromium, heads, tmp_path) as (hub, page):
        expect(page.get_by_text(re.compile(r"[\d.]+ of [\d.]+ MB")).first).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("was stopped").first).to_be_visible(timeout=WAIT)
        assert page.locator("[data-state]").count() == 0
        hub.bandwidth = None
        page.get_by_role("button", name="Retry").click()
        page.locator('[data-state="ready"][data-lesions]').wait_for(timeout=WAIT)
        leftovers = [p for p in (tmp_path / "cache").rglob("*") if p.name.startswith(".") and p.is_file()]
        assert leftovers == []


def shard_bytes(served: dict[str, int]) -> int:
    """Bytes of the case's shard that the server has sent."""
    return sum(count for path, count in served.items() if path.endswith(bundled_manifest()[CASE]))
