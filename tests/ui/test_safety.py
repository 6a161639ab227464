"""Safe mode on the pages: the banner, nothing loaded by itself, a question before a case in quarantine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.resources.safemode import OFF, SafeMode, note_end
from core.ui import loaders, prefetch, safety
from tests.ui.pages import button, open_app, page, viewer, words


@pytest.fixture
def crashed(bare_world: Path) -> Path:
    """An app that has ended twice in the same step of the same case."""
    for number in range(2):
        note_end(bare_world / "state", None, "engine", "sample-01", "out of memory", time.time() - 5 + number)
    return bare_world


def test_nothing_is_said_while_all_is_well(world: Path) -> None:
    app = open_app().run()
    assert not app.exception
    assert not button(app, "leave-safe-mode")


def test_the_case_in_quarantine_asks_and_leaving_ends_it_all(crashed: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    assert not app.exception
    assert 'Safe mode: 2 abnormal ends in the step "engine" of case sample-01' in words(app)
    assert "sample-01 is in quarantine, as this step ended abnormally with it: " in words(app)
    assert viewer(app) is None
    app.button(key="open-anyway").click().run()
    assert not app.exception
    assert viewer(app) is not None
    assert button(app, "leave-safe-mode")
    app.button(key="leave-safe-mode").click().run()
    assert not app.exception
    assert not button(app, "leave-safe-mode")
    assert loaders.breaker().state() == OFF


def test_segmenting_a_case_in_quarantine_asks_too(crashed: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    assert not app.exception
    assert button(app, "open-anyway")
    assert not button(app, "run")


def test_another_case_opens_at_once_where_a_click_chose_it(crashed: Path) -> None:
    app = page(open_app(source="sample", case="sample-02"), "1_Cases.py")
    assert not app.exception
    assert "sample-02 is not opened by itself in safe mode" in words(app)
    assert viewer(app) is None
    assert not list((crashed / "cache").glob("**/*.nii.gz"))
    app.button(key="step-J ›").click().run()
    assert not app.exception
    shown = viewer(app)
    assert shown is not None and shown["view"]["title"] == "sample-03"


def test_the_example_to_segment_waits_for_a_click(crashed: Path) -> None:
    safe = page(open_app(source="sample"), "2_Segment.py")
    assert not safe.exception
    assert button(safe, "open-anyway") and not button(safe, "run")
    assert not list((crashed / "cache").glob("**/*.nii.gz"))
    safe.selectbox(key="pick-sample-01").select("sample-02").run()
    assert not safe.exception
    assert button(safe, "run")


def test_nothing_is_fetched_ahead_in_safe_mode(world: Path) -> None:
    source = loaders.source("sample")
    assert prefetch.steps_for(source) == prefetch.STEPS[:1]
    for _ in range(2):
        loaders.breaker().note_end("engine", "sample-01", "killed")
    assert prefetch.steps_for(source) == ()
    loaders.breaker().leave()
    assert prefetch.steps_for(source) == prefetch.STEPS[:1]


def test_only_the_case_itself_is_held() -> None:
    state = SafeMode(False, "", (("engine", "a"), ("decode", "a"), ("engine", ""), ("score", "b")), None)
    assert safety.held_steps(state, "a") == ("engine", "decode")
    assert safety.held_steps(state, "c") == ()
    assert safety.held_steps(state, "") == ()
