"""A browser finds its jobs again: in another tab, after a lost server, and nobody else does."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.resources.recorder import RUN
from core.ui.visitors import COOKIE
from tests.ui.browser import StreamlitServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
WAIT = 120_000
ENTRY = Path(__file__).with_name("jobs_home.py")


def server(folder: Path, **more: str) -> StreamlitServer:
    env = {
        "STROKESCOPE_SOURCE": "sample",
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
        "STROKESCOPE_SUPERVISED": "",
        "JOBS_BUSY": "",
        RUN: "",
        **more,
    }
    return StreamlitServer(ENTRY, env, folder)


def opened(context: BrowserContext, app: StreamlitServer) -> Page:
    page = context.new_page()
    page.goto(app.url, timeout=WAIT)
    page.get_by_role("button", name=re.compile("^(list_alt )?Jobs")).wait_for(timeout=WAIT)
    return page


def jobs(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(list_alt )?Jobs")).click()


def test_a_job_outlives_its_tab_and_its_server(chromium: Browser, tmp_path: Path) -> None:
    mine, theirs = chromium.new_context(), chromium.new_context()
    with server(tmp_path, JOBS_BUSY="1") as app:
        page = opened(mine, app)
        page.get_by_role("button", name=re.compile("Run · needs")).click(timeout=WAIT)
        expect(page.get_by_text(re.compile("1st in line: another job is running")).first).to_be_visible(timeout=WAIT)
        page.close()
        page = opened(mine, app)
        expect(page.get_by_text(re.compile("1st in line")).first).to_be_visible(timeout=WAIT)
        expect(page.get_by_role("button", name=re.compile(r"Jobs \(1\)"))).to_be_visible(timeout=WAIT)
        (cookie,) = [one for one in mine.cookies() if one["name"] == COOKIE]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        other = opened(theirs, app)
        jobs(other)
        expect(other.get_by_text("1 job of other sessions: 1 waits.")).to_be_visible(timeout=WAIT)
        assert other.get_by_role("button", name="Cancel").count() == 0
        os.kill(app.pid, signal.SIGKILL)
    with server(tmp_path) as app:
        page = opened(mine, app)
        told = "Interrupted: the app ended while it waited"
        expect(page.get_by_text(re.compile(told)).first).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name=re.compile("Run · needs")).click(timeout=WAIT)
        expect(page.get_by_text(re.compile("^Result:"))).to_be_visible(timeout=WAIT)
        jobs(page)
        expect(page.get_by_text(re.compile("Done in .* of RAM")).first).to_be_visible(timeout=WAIT)
        state = "".join(path.read_text() for path in (tmp_path / "state" / "jobs").glob("*.json"))
        assert cookie["value"] not in state + app.log()
