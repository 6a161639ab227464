"""The door on the pages: prices before a click, refusals with numbers, a worker that dies, a picture that is drawn."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.resources.admission import Place
from core.resources.record import read_record
from core.resources.safemode import END, HEALTHY, entry_of, keep
from core.ui import loaders, prefetch
from core.ui.segment_jobs import before_you
from tests.ui.pages import button, open_app, page, until, viewer, words


def told(world: Path) -> list[tuple[str, str, str]]:
    """(phase, kind, case) of each step that the record tells of."""
    events = read_record(world / "state").events
    return [(e.text("phase"), e.text("kind"), e.text("case")) for e in events if e.event == "phase begin"]


def run_label(app: AppTest) -> str:
    return next(b.label for b in app.button if b.key == "run")


@contextmanager
def workers_killed() -> Iterator[list[int]]:
    """Inside the block every segmentation of this process is killed as soon as it is there."""
    killed, stop = list[int](), threading.Event()

    def look() -> None:
        while not stop.wait(0.002):
            for pid in _children(os.getpid()):
                if pid not in killed and b"core.segmentation.worker" in _command(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join(60)


def _children(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        try:
            found += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_the_button_tells_what_it_needs_of_what_is_free(bare_world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    assert not app.exception
    label = run_label(app)
    assert label.startswith("Run · needs ")
    assert " GB may still be used · ~2 s" in label
    assert told(bare_world) == [("sample", "sample", "sample-01")]


def test_what_never_fits_is_told_before_the_click(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    loaders.guard().watchdog.stop()
    monkeypatch.setenv("STROKESCOPE_MEMORY_LIMIT", "200M")
    for made in (loaders.settings, loaders.sampler, loaders.guard):
        made.clear()
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    assert not app.exception
    assert "diffusion cannot run here: it needs 0." in words(app)
    assert "GB of RAM" in words(app)
    assert next(b.disabled for b in app.button if b.key == "run")
    drawn = page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    drawn.toggle(key="static-view").set_value(True).run()
    assert not drawn.exception
    assert "The static view needs " in words(drawn) and " MB of RAM, " in words(drawn)
    assert button(drawn, "retry-static")
    assert not drawn.get("plotly_chart")


def test_a_static_view_goes_through_the_door_once(bare_world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    app.toggle(key="static-view").set_value(True).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2
    made = [("sample", "sample", "sample-01"), ("decode", "view", "sample-01"), ("decode", "view", "sample-01")]
    assert [step for step in told(bare_world) if step[2] == "sample-01"] == made
    app.run()
    assert len(app.get("plotly_chart")) == 2
    assert [step for step in told(bare_world) if step[2] == "sample-01"] == made


def test_pictures_that_are_given_back_at_once_are_drawn_all_the_same(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    over = threading.Event()

    def give_back() -> None:
        while not over.is_set():
            loaders.sheet.clear()

    thread = threading.Thread(target=give_back, daemon=True)
    thread.start()
    try:
        app.toggle(key="static-view").set_value(True).run()
    finally:
        over.set()
        thread.join(60)
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2
    steps = [step for step in told(world) if step[:2] == ("decode", "view")]
    assert len(steps) == 2  # the page itself never stood at the door


def test_the_neighbour_is_got_ahead_as_the_apps_own_work(bare_world: Path) -> None:
    page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    end = time.monotonic() + 60
    while "sample-02" not in [case for _, _, case in told(bare_world)]:
        assert time.monotonic() < end
        time.sleep(0.1)
    events = [e for e in read_record(bare_world / "state").events if e.event == "phase begin"]
    assert {e.text("case"): e.text("owner") for e in events} == {"sample-01": "visitor", "sample-02": "app"}


def test_a_neighbour_in_quarantine_is_left_alone_after_safe_mode_too(world: Path) -> None:
    now, facts = time.time() - 2000, {"phase": "engine", "case": "sample-02", "class": "killed"}
    ends = [entry_of(END, now + number, **facts) for number in range(2)]
    keep(world / "state", [*ends, entry_of(HEALTHY, now + 700)])
    assert not loaders.breaker().state().active
    source = loaders.source("sample")
    found = [prefetch.Ahead("sample-02", ("dwi",)), prefetch.Ahead("sample-03", ("dwi",))]
    prefetch.begin(source, found, (), False)
    tasks = [loaders.ahead().get(prefetch.key_of(source, ahead, ())) for ahead in found]
    assert tasks[0] is None and tasks[1] is not None


def test_a_worker_that_dies_is_told_can_be_retried_and_counts(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    with workers_killed() as killed:
        until(app.button(key="run").click().run(), lambda app: app.error)
        assert not app.exception
        assert len(killed) == 1
        assert len(app.error) == 1
        assert "killed" in app.error[0].value
        assert button(app, "retry-job")
        assert viewer(app) is not None
        assert not loaders.breaker().state().active
        until(app.button(key="retry-job").click().run(), lambda app: app.error or button(app, "open-anyway"))
        assert not app.exception
        assert len(killed) == 2
    assert loaders.breaker().state().quarantined == (("engine", "sample-01"),)
    again = app.run()
    assert 'Safe mode: 2 abnormal ends in the step "engine" of case sample-01' in words(again)
    assert button(again, "open-anyway") and not button(again, "run")
    again.button(key="open-anyway").click().run()
    until(again.button(key="retry-job").click().run(), lambda app: "Segmented volume" in words(app))
    assert not again.exception
    assert loaders.breaker().state().quarantined == ()


def test_the_line_before_you() -> None:
    running = Place("segmenting", "engine:diffusion", "", 100.0, 0, 0.0, "")
    waiting = Place("scoring", "score", "", 100.0, 1, 0.0, "another job is running")
    fetching = Place("fetching", "fetch", "", 40.0, 0, 0.0, "")
    assert before_you((fetching,), "") == ""
    assert before_you((running,), "") == "queue: you would be 1st, after the job that runs"
    assert before_you((running, waiting, fetching), "") == "queue: you would be 2nd, after the job that runs"
    assert before_you((running,), "", 2) == "" and "you would be 1st" in before_you((running, running), "", 2)
    assert before_you((running, running, waiting), "", 2) == "queue: you would be 2nd, after the 2 jobs that run"
    assert before_you((), "needs 3 GB") == (
        "It does not fit now, and nothing runs that will give any back: it needs 3 GB."
    )
    assert before_you((fetching,), "needs 3 GB") == "It does not fit now, and it would have to wait: it needs 3 GB."
