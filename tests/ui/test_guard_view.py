"""What the Resources page says of the guard: rows and sentences from written facts, and the page itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.resources.admission import Place
from core.resources.ledger import Entry
from core.resources.pressure import Pressure
from core.resources.watchdog import Status
from core.resources.watched import Kill
from core.sources.protocol import Progress
from core.ui import guard_view, loaders
from core.ui.waiting import told_to
from tests.ui.pages import open_app, page, words
from tests.ui.readings import reading


def test_the_line_names_nobody() -> None:
    places = [
        Place("segmenting with diffusion", "engine:diffusion", "case-1", 612.4, 0, 90.0, ""),
        Place("scoring", "score", "case-2", 200.0, 1, 99.0, "another job is running"),
    ]
    first, second = guard_view.place_rows(places, 100.0)
    assert (first["place"], first["predicted MB"], first["seconds"]) == ("running", 612, 10)
    assert (second["place"], second["waits because"]) == ("1st in line", "another job is running")
    assert "case" not in str([first, second])


def test_predicted_against_real() -> None:
    entries = [Entry("score", 100.0, used) for used in (50.0, 60.0, 70.0, 80.0, 90.0)] + [Entry("engine:x", 10.0, 20.0)]
    engine, score = guard_view.ledger_rows(entries)
    assert engine == {"step": "engine:x", "times": 1, "predicted MB": 10, "used MB": 20, "factor": 1.0}
    assert score == {"step": "score", "times": 5, "predicted MB": 100, "used MB": 70, "factor": 0.9}


def test_the_watchdog_in_words() -> None:
    assert guard_view.watchdog_in_words(Status(0, 0, None, (), None)) == "Watchdog: calm"
    full = guard_view.watchdog_in_words(Status(0, 3, None, (), None))
    assert full == "Watchdog: the disk is full: nothing that writes may begin"
    both = guard_view.watchdog_in_words(Status(1, 9, None, (), None))
    assert "RAM is high, the disk is full" in both
    kill = Kill("level", 960.0, 1000.0, 700.0, 300.0, None)
    told = guard_view.watchdog_in_words(Status(2, 0, 12.0, ("scoring",), kill))
    assert "RAM is short" in told
    assert "runs out in 12 s" in told
    assert "watches scoring" in told
    assert "0.96 GB of 1.0 GB" in told
    assert "nothing is watched" in guard_view.watchdog_in_words(Status(0, 0, None, (), None, sees=False))


def test_pressure_in_words() -> None:
    assert guard_view.pressure_in_words(reading()) == ""
    now = reading()
    pressed = replace(
        now,
        pressure=Pressure(12.0, 5.0, 3.0, 1.0, "cgroup v2"),
        cpu=replace(now.cpu, throttled_percent=40.0),
    )
    told = guard_view.pressure_in_words(pressed)
    for part in ("12 % (all at once 3 %)", "throttled in 40 %"):
        assert part in told


def test_what_holds_work_up_in_short() -> None:
    running, first, second = (Place("scoring", "score", "c", 1.0, position, 0.0, "") for position in (0, 1, 2))
    assert guard_view.line_in_words([]) == ""
    assert guard_view.line_in_words([running]) == "1 running"
    assert guard_view.line_in_words([running, first]) == "1 running, 1 waits"
    assert guard_view.line_in_words([first, second]) == "2 wait"


def test_who_waits_sees_why_in_the_progress_line() -> None:
    told: list[Progress] = []
    waiting = told_to(told.append, "Starting")
    waiting("2nd in line: needs 0.60 GB of RAM, 0.40 GB is free")
    waiting("")
    assert [(one.what, one.note) for one in told] == [
        ("Waiting", "2nd in line: needs 0.60 GB of RAM, 0.40 GB is free"),
        ("Starting", ""),
    ]


def test_the_page(world: Path) -> None:
    loaders.guard().ledger.note("score", 100.0, 80.0)
    app = page(open_app(), "3_Resources.py")
    assert not app.exception
    assert "Watchdog: " in words(app)
    assert "No heavy step runs or waits." in words(app)
    assert any("used MB" in frame.value.columns for frame in app.dataframe)
