"""The app as a user meets it: seconds to the list and to a lesion, and the server's memory with 0, 1 and 5 sessions.

    .venv/bin/python -m benchmarks.app

Starts the app against a Hub on loopback with believable heads, drives it with a real Chromium (software GL), prints one
table. Needs requirements-dev.txt and Chromium. Browser times include drawing in software, which dominates them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.ui.browser import ROOT, StreamlitServer, launch
from tests.ui.hub_world import hub_with_heads

READY = '.viewer[data-state="ready"][data-lesions]'


def rss_mb(pid: int) -> float:
    """Resident memory of one process in MB (1e6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def timed(label: str, began: float) -> None:
    """One row."""
    print(f"{label:48s} {time.monotonic() - began:8.2f} s")


def visit(browser: Browser, url: str) -> Page:
    """A new session."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(url)
    return page


def walk(browser: Browser, server: StreamlitServer) -> None:
    """List, first case, another case, back again, in one session."""
    began = time.monotonic()
    page = visit(browser, f"{server.url}cases")
    page.get_by_text("149 of 149 cases").wait_for(timeout=60_000)
    timed("list of 149 on screen (new browser, cold app)", began)
    page.get_by_text("Reading age").or_(page.get_by_text("NIHSS at admission")).first.wait_for(timeout=60_000)
    timed("clinical values of 149 on screen", began)
    began = time.monotonic()
    page.goto(f"{server.url}cases?case=sub-stroke0014")
    page.wait_for_selector(READY, timeout=60_000)
    timed("first case: page load to last texture", began)
    began = time.monotonic()
    page.get_by_role("button", name="‹ K").click()
    page.wait_for_selector(f'{READY}:not([data-title="sub-stroke0014"])', timeout=60_000)
    timed("switch to the neighbouring case", began)
    began = time.monotonic()
    page.get_by_role("button", name="J ›").click()
    page.wait_for_selector(f'{READY}[data-title="sub-stroke0014"]', timeout=60_000)
    timed("switch back (nothing fetched)", began)


def main() -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder, hub_with_heads(Path(folder)) as hub:
        env = {
            "HF_ENDPOINT": hub.url,
            "STROKESCOPE_SOURCE": "hub:hugging-science/isles24-stroke",
            "STROKESCOPE_CACHE_DIR": f"{folder}/cache",
            "STROKESCOPE_STATE_DIR": f"{folder}/state",
        }
        with StreamlitServer(ROOT / "Home.py", env, Path(folder)) as server, launch() as browser:
            print(f"{'server RSS, no session':48s} {rss_mb(server.pid):8.0f} MB")
            walk(browser, server)
            print(f"{'server RSS, one session':48s} {rss_mb(server.pid):8.0f} MB")
            for _ in range(4):
                page = visit(browser, f"{server.url}cases?case=sub-stroke0014")
                page.wait_for_selector(READY, timeout=120_000)
            print(f"{'server RSS, five sessions':48s} {rss_mb(server.pid):8.0f} MB")


if __name__ == "__main__":
    main()
