"""The Segment page as a person uses it in a real browser: choose, run, move, read. Knows no test."""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

WAIT = 120_000  # ms; machines that run tests are slow


class BenchPage:
    """One tab.

    Args:
        url: of the app, with a slash at the end.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def open(self, case: str, source: str = "", **query: str) -> None:
        """The Segment page of a case, with its images on screen."""
        words = "&".join(f"{name}={value}" for name, value in {"case": case, **query}.items())
        self.page.goto(f"{self.url}segment?{words}")
        self.picture()

    def picture(self) -> dict[str, Any]:
        """What the viewer says of itself once its images are there."""
        root = self.page.locator('[data-state="ready"][data-lesions]').first
        root.wait_for(timeout=WAIT)
        return dict(root.evaluate("e => ({...e.dataset})"))

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """A button that can be seen."""
        return self.page.get_by_role("button", name=name).and_(self.page.locator(":visible")).first

    def press(self, name: str | re.Pattern[str]) -> None:
        """Press it as soon as it can be pressed."""
        expect(self.button(name)).to_be_enabled(timeout=WAIT)
        self.button(name).click(timeout=WAIT)

    def run(self) -> None:
        """Press Run."""
        self.press(re.compile("^Run ·|play_arrow Run ·|Run · needs"))

    def engine(self, name: str, model: str = "") -> None:
        """Choose an engine, and its model."""
        self.page.locator(".st-key-engine").get_by_role("combobox").click(timeout=WAIT)
        self.page.get_by_role("option", name=name, exact=True).click(timeout=WAIT)
        if model:
            self.model(model)

    def model(self, name: str) -> None:
        """Choose the engine's model."""
        self.press(re.compile("Choose a model|Model: "))
        self.page.locator(".st-key-model-radio").get_by_text(re.compile(name)).click(timeout=WAIT)
        self.page.keyboard.press("Escape")

    def figure(self, label: str) -> str:
        """The value that stands beside a label; waits until it is there."""
        found = self.page.locator(".scope-figure", has=self.page.locator("span", has_text=label)).first
        found.wait_for(timeout=WAIT)
        return found.locator("b").inner_text()

    def figure_is(self, label: str, value: re.Pattern[str]) -> str:
        """Wait until the value is so; gives it."""
        found = self.page.locator(".scope-figure", has=self.page.locator("span", has_text=label)).first
        expect(found.locator("b")).to_have_text(value, timeout=WAIT)
        return found.locator("b").inner_text()

    def settled(self, label: str, before: str) -> str:
        """Wait until the value is another one, and has stayed the same for two seconds; gives it."""
        told, since = before, time.monotonic()

        def still() -> bool:
            nonlocal told, since
            now = self.figure(label)
            if now != told:
                told, since = now, time.monotonic()
            return told != before and time.monotonic() - since > 2

        self._until(still, f"{label} is no longer {before}")
        return told

    def slide(self, steps: int) -> None:
        """Move the threshold by so many hundredths, with the keyboard."""
        thumb = self.page.get_by_role("slider", name="Probability threshold")
        expect(thumb).to_be_enabled(timeout=WAIT)
        thumb.focus()
        for _ in range(abs(steps)):
            self.page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")

    def crosshair(self) -> tuple[float, ...]:
        """Where it is, RAS+ mm."""
        return tuple(float(n) for n in self.picture()["mm"].split(","))

    def drawn(self, overlay: str, ml: float) -> None:
        """Choose an overlay and wait until what the browser has decoded of it holds so many millilitres."""
        self.page.locator("[class*='st-key-overlay-']").get_by_role("combobox").click(timeout=WAIT)
        self.page.get_by_role("option", name=overlay, exact=True).click(timeout=WAIT)
        told = "e => (e.__strokescope?.viewer.lesions ?? []).reduce((sum, lesion) => sum + lesion.ml, 0)"
        self._until(lambda: abs(float(self._viewer().evaluate(told)) - ml) < 0.01 * ml, f"{overlay} of {ml:g} ml")

    def moved(self, before: tuple[float, ...]) -> None:
        """Wait until the crosshair is somewhere else."""
        self._until(lambda: max(map(abs, map(float.__sub__, self.crosshair(), before))) > 5, "the crosshair jumps")

    def _viewer(self) -> Locator:
        return self.page.locator('[data-state="ready"]').first

    def _until(self, seen: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT / 1000
        while not seen():
            assert time.monotonic() < deadline, f"not seen: {what}"
            self.page.wait_for_timeout(100)

    def results(self, *rows: int) -> None:
        """Open the list of results and tick some."""
        boxes = self.page.locator(".st-key-results-list").get_by_role("checkbox")
        if not boxes.first.is_visible():
            self.press(re.compile(r"Results \("))
        for number in rows:
            self._until(functools.partial(self._ticked, boxes.nth(number)), f"row {number} is ticked")

    def _ticked(self, box: Locator) -> bool:
        """Whether it is and stays ticked; a page that is just drawn anew may lose a press."""
        if not box.is_checked(timeout=WAIT):
            box.focus(timeout=WAIT)
            self.page.keyboard.press("Space")
            self.page.wait_for_timeout(500)
        return box.is_checked(timeout=WAIT)

    def fold(self) -> None:
        """Close what lies open over the page."""
        self.page.keyboard.press("Escape")
        expect(self.page.locator(".st-key-results-list")).to_be_hidden(timeout=WAIT)

    def record(self, state: Path, engine: str, wanted: str) -> dict[str, Any]:
        """Wait until the newest job of that engine is in that state."""
        found: list[dict[str, Any]] = []

        def seen() -> bool:
            found[:] = [one for one in records(state) if one["engine"] == engine][-1:]
            return bool(found) and found[0]["state"] == wanted

        self._until(seen, f"a job of {engine} that is {wanted}; {found}")
        return found[0]

    def row(self, table: str, number: int) -> None:
        """Tick a row of a table; `table` is the key of what holds it."""
        box = self.page.locator(f"{table} [data-testid='stDataFrame']").first.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + 18, box["y"] + 38 + 35 * number + 17)

    def shot(self, name: str) -> None:
        """See `picture`."""
        picture(self.page, name)


def picture(page: Page, name: str) -> None:
    """The screen as a person would look at it, for who has named a folder in STROKESCOPE_SHOTS."""
    if folder := os.environ.get("STROKESCOPE_SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=str(Path(folder) / name), full_page=True)


def records(state: Path) -> list[dict[str, Any]]:
    """What the book of jobs says, oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (state / "jobs").glob("*.json")]
    return sorted(found, key=lambda record: record["created"])
