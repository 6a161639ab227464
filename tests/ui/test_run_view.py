"""Earlier runs: verdicts in plain words, their evidence, the history, and what is in quarantine with its way out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.resources.beats import Beat, Vitals
from core.resources.ending import CLASSES
from core.resources.runs import PreviousRun
from core.resources.safemode import OFF, SafeMode, note_end
from core.ui import loaders, run_story, run_view
from tests.ui.pages import button, open_app, page, words
from tests.ui.readings import GIB

OOM = PreviousRun(
    "out of memory",
    "probable",
    ("there is no stop record", "RAM was at 97 % of its limit in the last heartbeat"),
    0.0,
    None,
    phase="decode",
    case="sub-stroke0033",
    whom="a visitor's job",
    last_sign=250.0,
)


def runs_page(runs: object) -> None:
    from typing import Any, cast

    from core.ui import run_view

    run_view.previous(cast(Any, runs))
    run_view.last_minutes(cast(Any, runs)[0])
    run_view.past(cast(Any, runs))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (None, "No earlier run"),
        (PreviousRun("clean stop", "confirmed", ("return code 0",), 0.0, 60.0), "stopped cleanly (confirmed)."),
        (PreviousRun("unknown", "none", ("there is no stop record",), 0.0, None), "Nobody knows"),
        (PreviousRun("something new", "probable", (), 0.0, 1e300), "something new (probable)"),
        (OOM, 'ran out of memory (probable). Under way was "decode" of case sub-stroke0033, a visitor\'s job.'),
    ],
)
def test_verdicts_in_words(before: PreviousRun | None, words: str) -> None:
    assert words in run_view.previous_in_words(before)


def test_an_abnormal_end_says_how_full_ram_was() -> None:
    beats = (Beat(240.0, "r", "app", 1, None, Vitals(14.6 * GIB, 15.0 * GIB)), Beat(250.0, "r", "app", 1, None))
    told = run_view.previous_in_words(replace(OOM, chart=beats))
    assert told.endswith("RAM was at 14.6 of 15.0 GiB, last seen 1970-01-01 00:04:10 UTC.")
    assert "RAM was" not in run_view.previous_in_words(replace(OOM, chart=beats, class_="clean stop"))


def test_every_class_has_its_words() -> None:
    assert set(CLASSES) <= set(run_view.ENDINGS)
    assert set(CLASSES) <= set(run_story.SHORT)


def test_the_history_says_how_long_each_lasted() -> None:
    (row,) = run_view.run_rows([OOM])
    assert row == {
        "started": "1970-01-01 00:00:00 UTC",
        "lasted": "4 min",
        "ended by": "out of memory",
        "sure": "probable",
        "step": "decode",
        "case": "sub-stroke0033",
    }
    assert run_view.lasted(replace(OOM, last_sign=None)) == "–"
    assert "nobody saw the end" in run_view.times_in_words(OOM)
    assert "ended 1970-01-01 00:01:00 UTC" in run_view.times_in_words(replace(OOM, ended_at=60.0))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "0 s"), (4, "4 s"), (720, "12 min"), (12_000, "3 h 20 min"), (190_800, "2 d 5 h"), (1e300, "11574 d 1 h")],
)
def test_spans(seconds: float, told: str) -> None:
    assert run_view.span(seconds) == told


def test_the_chart_of_the_end_needs_a_heartbeat() -> None:
    from streamlit.testing.v1 import AppTest

    beats = tuple(Beat(float(n), "r", "app", 1, None, Vitals(n, 10.0), phase="decode") for n in range(9))
    app = AppTest.from_function(runs_page, default_timeout=30, args=((replace(OOM, chart=beats),),)).run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 1
    assert "Shaded: a risky step was under way (decode)." in words(app)
    assert "RAM was at 97 %" in words(app)
    calm = PreviousRun("clean stop", "confirmed", ("return code 0",), 0.0, 60.0, chart=beats)
    app = AppTest.from_function(runs_page, default_timeout=30, args=((calm,),)).run()
    assert not app.warning
    assert app.info
    app = AppTest.from_function(runs_page, default_timeout=30, args=((OOM,),)).run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 0


def test_an_end_that_nobody_knows_counts_and_is_drawn() -> None:
    from streamlit.testing.v1 import AppTest

    beats = tuple(Beat(float(n), "r", "app", 1, None, Vitals(n * GIB, 10.0 * GIB)) for n in range(9))
    unknown = PreviousRun("unknown", "none", ("there is no stop record",), 0.0, None, last_sign=8.0, chart=beats)
    app = AppTest.from_function(runs_page, default_timeout=30, args=((unknown,),)).run()
    assert not app.exception and not app.info
    assert "RAM was at 8.00 of 10.0 GiB" in app.warning[0].value


def test_home_tells_the_story_in_one_line() -> None:
    assert run_story.in_words(None, 0.0) == "no earlier run is recorded"
    told = run_story.in_words(OOM, 250.0 + 7200.0)
    assert told == (
        'last run: was killed for want of RAM (probable) while "decode" of sub-stroke0033 was under way, 2 h 0 min ago'
    )
    clean = PreviousRun("clean stop", "confirmed", (), 0.0, 60.0)
    assert run_story.in_words(clean, 30.0) == "last run: stopped cleanly"


def test_rows_of_the_quarantine() -> None:
    state = SafeMode(False, "", (("engine", "a"), ("decode", "")), None)
    assert run_view.quarantine_rows(state) == [{"step": "engine", "case": "a"}, {"step": "decode", "case": "any"}]


def test_the_page_releases_what_is_in_quarantine(world: Path) -> None:
    for number in range(2):
        note_end(world / "state", None, "engine", "sample-01", "out of memory", time.time() - 5 + number)
    app = page(open_app(), "3_Resources.py")
    assert not app.exception
    assert "Safe mode is on since" in words(app)
    assert button(app, "resources-release")
    app.button(key="resources-release").click().run()
    assert not app.exception
    assert not button(app, "resources-release")
    assert loaders.breaker().state() == OFF
