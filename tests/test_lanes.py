"""Browsers share one worker and begin first; every other file is a piece of work of its own."""

from __future__ import annotations

from tests.lanes import BROWSER, lane_of, rank

BROWSERS = ("tests/ui/test_cable_browser.py::test_a", "tests/ui/test_viewer_browser.py::test_b[x-y]")
OTHERS = ("tests/ui/test_door.py::test_a", "tests/ui/browser.py::test_b", "tests/imaging/test_nifti.py::test_c[a::b]")


def test_browsers_share_a_lane_and_others_have_their_own() -> None:
    assert {lane_of(one) for one in BROWSERS} == {BROWSER}
    assert [lane_of(one) for one in OTHERS] == [one.split("::")[0] for one in OTHERS]


def test_what_starts_apps_begins_before_what_only_calculates() -> None:
    ranks = [rank(one) for one in (BROWSERS[0], OTHERS[0], OTHERS[2])]
    assert ranks == sorted(set(ranks))
