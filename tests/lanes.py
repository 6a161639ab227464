"""Which tests run beside which, and which begin first. Knows no test.

A browser that draws in software fills a core by itself, so all files named test_…_browser.py go to one worker, one
after the other, and begin first; every other file is a piece of work of its own. Files that start apps and processes
come before those that only calculate: what is left at the end is small.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

BROWSER = "browser"
_SLOW_FIRST = ("tests/ui/", "tests/stress/", "tests/test_cli", "tests/segmentation/", "tests/workflows/", "tests/hub/")


def lane_of(nodeid: str) -> str:
    """Tests of one lane run in one worker, one after the other: those of a file, or of all files with a browser."""
    file = nodeid.split("::", 1)[0]
    return BROWSER if file.endswith("_browser.py") else file


def rank(nodeid: str) -> int:
    """Lower begins earlier."""
    if lane_of(nodeid) == BROWSER:
        return 0
    return next((1 + n for n, start in enumerate(_SLOW_FIRST) if nodeid.startswith(start)), 1 + len(_SLOW_FIRST))


class Lanes(LoadFileScheduling):  # type: ignore[misc]
    """pytest-xdist's distribution by file, with one lane for all browsers; takes files in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)
