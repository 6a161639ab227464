"""Jobs on a page: run, cancel, run again, what a restart left, and what is told of other sessions."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest

from core.resources.cost import engine_step
from core.resources.guard import Worker
from core.ui import job_words, loaders
from core.workflows.job_book import JobRecord, LogLine
from core.workflows.job_run import Load
from tests.ui.pages import button, until, words

APP = str(Path(__file__).with_name("jobs_app.py"))
DEAD = 2**22 + 1  # no process has this number


def opened() -> AppTest:
    return AppTest.from_file(APP, default_timeout=90).run()


def busy() -> AbstractContextManager[Worker]:
    """Somebody else's heavy step that runs until the block ends."""
    return loaders.guard().enter(engine_step("somebody", 10.0, 1000), "engine")


def left_behind(world: Path, owner: str, **changes: object) -> JobRecord:
    made = JobRecord(
        uuid4().hex, "b" * 32, owner, "sample-09", "sample", "diffusion", "1.0", "rules",
        created=time.time() - 60, pid=DEAD, born=1.0, run="a" * 12, state="running", started=time.time() - 50,
        phase="Segmenting", fraction=0.4,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_run_shows_progress_then_the_result(world: Path) -> None:
    app = opened()
    assert "Nothing has been run from this browser yet" in words(app)
    app.button(key="run").click().run()
    assert not app.exception
    until(app, lambda app: "Result:" in words(app))
    assert "diffusion" in words(app) and "Done in" in words(app)
    assert not button(app, "run")


def test_a_job_that_waits_tells_its_place_and_can_be_cancelled_and_run_again(world: Path) -> None:
    with busy():
        app = opened()
        app.button(key="run").click().run()
        until(app, lambda app: button(app, "cancel-job"))
        record = loaders.desk().jobs(app.session_state["watcher"])[0]
        until(app, lambda app: (now := loaders.desk().get(record.job_id)) is not None and now.note)
        told = app.run()
        bars = " ".join(str(e.proto) for e in told.get("progress"))
        assert "you are 1st in line: another job is running" in bars
        app.button(key="cancel-job").click().run()
        until(app, lambda app: button(app, "run") and not app.button(key="run").disabled)
        assert "Cancelled before its turn" in words(app)
    app.button(key=f"again-{record.job_id}").click().run()
    until(app, lambda app: "Result:" in words(app))


def test_what_a_restart_left_is_told_with_its_reason(world: Path) -> None:
    app = opened()
    me = app.session_state["watcher"]
    left = left_behind(world, me)
    loaders.desk().book.open(left)
    loaders.desk().settle("the app ended while it ran")
    app.run()
    assert "Interrupted: the app ended while it ran" in words(app)
    assert not app.button(key=f"again-{left.job_id}").disabled
    for number in range(2):
        loaders.breaker().note_end("engine", left.case_id or "", "killed", f"a{number}")
    app.run()
    assert app.button(key=f"again-{left.job_id}").disabled  # in quarantine: its case is opened first
    assert [r.state for r in loaders.desk().jobs(me)] == ["interrupted"]  # nothing begins by itself


def test_others_are_load_not_content(world: Path) -> None:
    theirs = left_behind(world, "somebody else", case_id="secret-case", source="local:/secret")
    loaders.desk().book.open(theirs)
    app = opened()
    assert "secret" not in words(app)
    assert "No other session runs or waits for a job" in words(app)


def record(**changes: object) -> JobRecord:
    return left_behind(Path(), "me", **changes)


def test_lines_of_a_job_under_way() -> None:
    says = job_words.under_way
    assert says(record(), 0, 12.4) == "Segmenting: 40 % · about 12 s left"
    assert says(record(fraction=0.0, phase=""), 0, None) == "Starting: 0 %"
    waits = record(state="waiting", fraction=0.0, note="another job is running")
    assert says(waits, 2, 300.0) == "Waiting: you are 2nd in line: another job is running · about 5 min left"
    gets = record(state="waiting", phase="Getting the images", fraction=0.21)
    assert says(gets, 0, None) == "Getting the images: 21 % of all"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "done", "seconds": 2.14, "peak_rss_mb": 310.4}, "Done in 2.1 s, at most 310 MB of RAM · 3 min ago"),
        ({"state": "cancelled", "reason": "cancelled at 40 %"}, "Cancelled at 40 % · 3 min ago"),
        ({"state": "failed", "reason": "the disk is full"}, "Failed: the disk is full · 3 min ago"),
        ({"state": "interrupted", "reason": "the app ended while it ran", "ended": None},
         "Interrupted: the app ended while it ran"),
    ],
)  # fmt: skip
def test_lines_of_a_job_that_is_over(changes: dict[str, object], told: str) -> None:
    assert job_words.outcome(record(**{"ended": 1000.0, **changes}), 1190.0) == told


def test_others_in_numbers() -> None:
    assert job_words.others(Load(0, 0)) == ""
    assert job_words.others(Load(1, 1)) == "2 jobs of other sessions: 1 runs, 1 waits"
    assert job_words.others(Load(0, 1)) == "1 job of other sessions: 1 waits"
    assert job_words.others(Load(2, 3)) == "5 jobs of other sessions: 2 run, 3 wait"


def test_ones_own_in_numbers() -> None:
    assert job_words.own([record(), record(state="waiting"), record(state="done")]) == (
        "2 jobs of yours: 1 runs, 1 waits"
    )  # fmt: skip
    assert job_words.own([record(state="failed")]) == ""


def test_the_buttons_label_counts_what_is_under_way() -> None:
    assert job_words.title([]) == "Jobs"
    assert job_words.title([record(), record(state="done")]) == "Jobs (1)"


def test_a_log_has_times() -> None:
    assert job_words.log_text([LogLine(1000.5, "handed in"), LogLine(1012.0, "done")], 1000.0) == (
        "     0.5 s  handed in\n    12.0 s  done"
    )
