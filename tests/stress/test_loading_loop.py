"""The seed's loop replayed: what the app loads by itself kills it, each time; after the second death it is usable.

The supervisor, the app and the kills are real; the pages are run by Streamlit's own tester on the same folders.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.resources.breaker import Breaker
from core.resources.record import read_record
from core.resources.recorder import Recorder
from core.resources.runs import history
from core.resources.safemode import HEALTHY_S
from tests.stress.whole import Whole, answers, whole_app
from tests.ui.conftest import bare_world as bare_world
from tests.ui.pages import button, open_app, page, viewer, words

GUILTY = "sample-01"
ENDS = {"app": ("killed", "confirmed"), "container": ("unknown", "none")}


@pytest.mark.parametrize(
    ("dies", "pages"),
    [
        pytest.param("app", False, id="sample"),
        pytest.param("app", True, marks=pytest.mark.stress, id="app"),
        pytest.param("container", True, marks=pytest.mark.stress, id="container"),
    ],
)
def test_the_loop_ends_after_the_second_death(bare_world: Path, dies: str, pages: bool) -> None:
    loads = {"STROKESCOPE_LOADS": f"{dies}:{GUILTY}"}
    for _ in range(2 if dies == "container" else 0):  # nobody is left to start it again but the platform
        with whole_app(bare_world, extra=loads, up=False) as whole:
            assert whole.process.wait(150) == -9
    with whole_app(bare_world, extra=loads, up=False) as whole:
        until_usable(whole)
        health = whole.health()
        assert health["app"]["restarts"] == (2 if dies == "app" else 0), whole.log.read_text()[-5000:]
        assert "fetch" in health["safe_mode_reason"] and GUILTY in health["safe_mode_reason"]
        begun = [e for e in read_record(whole.state).events if e.event == "phase begin" and e.text("case") == GUILTY]
        assert len(begun) == 2
        for verdict in history(whole.state):
            assert (verdict.class_, verdict.confidence) == ENDS[dies]
            assert (verdict.phase, verdict.case, verdict.whom) == ("fetch", GUILTY, "the app itself")
        assert len(history(whole.state)) == 2
        assert whole.eat("calm", "0", "x", "sample-02")["rc"] == 0  # what a person wants goes on
        if pages:
            look_at_pages()
        else:
            leave(whole.state)
        assert not whole.health()["safe_mode"]  # a person has left it
        if dies == "app":
            a_worker_that_dies_every_time(whole)
    left_by_health(whole.state)


def until_usable(whole: Whole) -> None:
    """Wait for safe mode, and for the app's own health."""
    deadline = time.monotonic() + 150
    while not (answers(whole.addresses[0]) and whole.health()["safe_mode"] and answers(whole.addresses[1])):
        assert whole.process.poll() is None and time.monotonic() < deadline, whole.log.read_text()[-3000:]
        time.sleep(0.2)


def look_at_pages() -> None:
    """The banner, the question before the case, another case that opens, the way out."""
    app = page(open_app(source="sample", case=GUILTY), "1_Cases.py")
    assert not app.exception
    assert "Safe mode: 2 abnormal ends" in words(app) and f"{GUILTY} is in quarantine" in words(app)
    assert viewer(app) is None
    app.button(key="step-J ›").click().run()
    assert not app.exception
    shown = viewer(app)
    assert shown is not None and shown["view"]["title"] == "sample-02"
    app.button(key="leave-safe-mode").click().run()
    assert not app.exception and not button(app, "leave-safe-mode")


def leave(state: Path) -> None:
    """What the button does (tests/ui/test_safety.py)."""
    breaker = Breaker(Recorder(state))
    breaker.leave()
    breaker.close()
    breaker.recorder.close()


def a_worker_that_dies_every_time(whole: Whole) -> None:
    """Twice it may; then the app does not begin it, nor anything else, by itself, and a person may."""
    for _ in range(2):
        assert whole.eat("dies", "0", "x", "sample-05", "auto")["class"] == "WorkerDied"
    for case in ("sample-05", "sample-06"):
        said = whole.eat("calm", "0", "x", case, "auto")
        assert said["class"] == "Quarantined" and "sample-05" in said["told"]
    assert whole.health()["safe_mode"] and whole.health()["app"]["alive"]
    assert whole.eat("calm", "0", "x", "sample-06")["rc"] == 0


def left_by_health(state: Path) -> None:
    """Ten minutes without an end and without a risky step end it; the clock is played."""
    now = [0.0]
    with Recorder(state, run="a" * 12) as recorder:
        breaker = Breaker(recorder, ticks=lambda: now[0])
        for _ in range(2):
            breaker.note_end("fetch", GUILTY, "killed")
        for seconds, active in ((0.0, True), (HEALTHY_S - 1.0, True), (HEALTHY_S + 1.0, False)):
            now[0] = seconds
            breaker.tick()
            assert breaker.state().active == active
        breaker.close()
    (left,) = (e for e in read_record(state).events if e.event == "safe mode left" and e.run == "a" * 12)
    assert "healthy" in left.text("by")
