"""From its first second to its last the app keeps its record, with and without a supervisor; real processes too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from core.resources.breaker import Breaker
from core.resources.disk import Usage
from core.resources.events import Event, Fact, append
from core.resources.light import LightMemory
from core.resources.probe import Sampler
from core.resources.record import Record, read_record
from core.resources.recorder import FOLDER, RUN, Recorder, new_run
from core.resources.runs import previous_run
from core.resources.safemode import safe_mode
from core.resources.watchdog import Watchdog
from core.settings import Settings
from core.ui.lifeline import Lifeline
from tests.ui.browser import ROOT, StreamlitServer, free_port

PATIENCE_S = 60.0


def lifeline(folder: Path, *, alone: bool, ticks: Callable[[], float] = time.monotonic, **more: object) -> Lifeline:
    settings = Settings(state_dir=folder / "state", cache_dir=folder / "cache", **more)  # type: ignore[arg-type]
    sampler = Sampler(settings, period_s=0.05, measure=lambda s: Usage(2, 1), gpus=lambda: ())
    recorder = Recorder(settings.state_dir, role="app", run=new_run(), patience_s=30.0)
    dog = Watchdog(LightMemory(settings))
    return Lifeline(sampler, dog, recorder, Breaker(recorder, patience_s=30.0), alone=alone, ticks=ticks)


def until(folder: Path, seen: Callable[[Record], object]) -> Record:
    end = time.monotonic() + PATIENCE_S
    while not seen(record := read_record(folder / "state")):
        assert time.monotonic() < end, record.events
        time.sleep(0.05)
    return record


def test_alone_it_records_its_run(tmp_path: Path) -> None:
    line = lifeline(tmp_path, alone=True)
    line.start()
    until(tmp_path, lambda record: len(record.beats) > 3)  # two are of transitions
    line.stop()
    record = read_record(tmp_path / "state")
    assert [event.event for event in record.events] == ["run start", "stop asked", "run end"]
    assert {beat.role for beat in record.beats} == {"app"}
    assert any(beat.vitals.ram is not None for beat in record.beats)
    found = previous_run(tmp_path / "state")
    assert found is not None
    assert (found.class_, found.confidence) == ("clean stop", "confirmed")


def test_under_a_supervisor_it_only_beats(tmp_path: Path) -> None:
    """Who is near a limit hears it from the supervisor, once."""
    line = lifeline(tmp_path, alone=False, memory_limit="1M")
    line.start()
    record = until(tmp_path, lambda record: len(record.beats) > 1)
    line.stop()
    assert record.beats[-1].vitals.ram is not None
    assert record.beats[-1].vitals.ram > 1
    assert read_record(tmp_path / "state").events == ()


def test_alone_it_counts_what_nobody_saw(tmp_path: Path) -> None:
    """Everything died twice in one step: the third start is in safe mode before its first page."""
    state = tmp_path / "state"
    for run in ("a" * 12, "b" * 12):
        facts: dict[str, Fact] = {"phase": "engine", "case": "sub-1", "owner": "app", "ram_percent": 95.0}
        append(state / FOLDER, [Event("phase begin", run, 9.0, "app", 1, 1.0, 1, facts)])
    line = lifeline(tmp_path, alone=True)
    line.start()
    line.stop()
    record = read_record(state)
    told = [(event.run[0], event.text("class")) for event in record.events if event.facts.get("found_later")]
    assert told == [("a", "out of memory"), ("b", "out of memory")]
    assert safe_mode(state, None).quarantined == (("engine", "sub-1"),)
    order = [event.event for event in record.events]
    assert order.index("safe mode entered") < order.index("run start")


def test_alone_it_leaves_safe_mode_by_health(tmp_path: Path) -> None:
    now = [1000.0]
    settings = Settings(state_dir=tmp_path / "state", cache_dir=tmp_path / "cache")
    recorder = Recorder(settings.state_dir, role="app", run=new_run(), patience_s=30.0)
    breaker = Breaker(recorder, ticks=lambda: now[0], patience_s=30.0)
    for key in "ab":
        breaker.note_end("engine", "sub-1", "killed", key)
    sampler = Sampler(settings, measure=lambda s: Usage(2, 1), gpus=lambda: ())
    line = Lifeline(sampler, Watchdog(LightMemory(settings)), recorder, breaker, alone=True, ticks=lambda: now[0])
    reading = sampler.sample()
    for passed_s, active in ((31.0, True), (540.0, True), (61.0, False)):
        now[0] += passed_s
        line.beat(reading)
        assert breaker.state().active is active
    recorder.close()


@pytest.mark.stress
def test_importing_the_app_starts_nothing(tmp_path: Path) -> None:
    code = "import threading, Home; print(*(thread.name for thread in threading.enumerate()))"
    env = {**os.environ, "STROKESCOPE_STATE_DIR": str(tmp_path / "state"), "STROKESCOPE_SOURCE": "sample"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MainThread"]
    assert list(tmp_path.iterdir()) == []


def server(folder: Path) -> StreamlitServer:
    env = {
        "STROKESCOPE_SOURCE": "sample",
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
        "STROKESCOPE_SUPERVISED": "",
        RUN: "",
    }
    return StreamlitServer(ROOT / "Home.py", env, folder)


def test_the_app_itself(tmp_path: Path) -> None:
    """`streamlit run Home.py` after a run that nobody ended: the record begins without a visitor, SIGTERM is a clean
    stop, and the log tells it once."""
    append(tmp_path / "state" / FOLDER, [Event("run start", "a" * 12, 9.0, "app", 1, 1.0, 1)])
    with server(tmp_path) as app:
        until(tmp_path, lambda record: any(beat.vitals.ram is not None for beat in record.beats))
        with urllib.request.urlopen(f"{app.url}metrics", timeout=60) as answer:
            assert b'strokescope_processes{role="app"} 1\n' in answer.read()
        os.kill(app.pid, 15)
        record = until(tmp_path, lambda record: record.events[-1].event == "run end")
    assert [event.event for event in record.events] == ["run start", "run end", "run start", "stop asked", "run end"]
    assert [event.text("class") for event in record.events] == ["", "unknown", "", "", "clean stop"]
    lines = (tmp_path / "server.log").read_text().splitlines()
    assert sum("strokescope.flight" in line for line in lines) == 4
    assert not any(str(tmp_path) in line or "Warning" in line for line in lines)


@pytest.mark.stress
def test_the_app_itself_killed(tmp_path: Path) -> None:
    """kill -9 of `streamlit run Home.py`: nobody saw it, and the next start says so."""
    for _ in range(2):
        with server(tmp_path) as app:
            until(tmp_path, lambda record: any(beat.vitals.ram is not None for beat in record.beats))
            os.kill(app.pid, 9)
            until(tmp_path, lambda record: previous_run(tmp_path / "state") is not None)
        found = previous_run(tmp_path / "state")
        assert found is not None
        assert (found.class_, found.confidence) == ("unknown", "none")
    assert [event.event for event in read_record(tmp_path / "state").events] == ["run start", "run end", "run start"]


def until_it_lives(folder: Path, life: int) -> int:
    """Wait until the app of that life answers and beats; gives its process."""

    def apps(record: Record) -> list[int]:
        answers = [event.run for event in record.events if event.event == "app answers"]
        return [beat.pid for beat in record.beats if beat.role == "app" and answers[life - 1 :] == [beat.run]]

    return apps(until(folder, apps))[0]


@pytest.mark.stress
def test_the_whole_under_its_supervisor(tmp_path: Path) -> None:
    """`python -m core serve`: answers, is killed, comes again, stops; each is recorded once, by the supervisor."""
    state = tmp_path / "state"
    env = {**os.environ, "STROKESCOPE_STATE_DIR": str(state), "STROKESCOPE_CACHE_DIR": str(tmp_path / "cache")}
    env |= {"STROKESCOPE_SOURCE": "sample", "STROKESCOPE_HEALTH_PORT": "off", "STROKESCOPE_SUPERVISED": "", RUN: ""}
    argv = [sys.executable, "-m", "core", "serve", "--port", str(free_port())]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        app = until_it_lives(tmp_path, 1)
        os.kill(app, 9)
        until_it_lives(tmp_path, 2)
    finally:
        process.terminate()
        assert process.wait(60) == 143
    record = read_record(state)
    told = ["run start", "app answers", "run end", "run start", "app answers", "stop asked", "run end"]
    assert [event.event for event in record.events] == told
    assert {event.role for event in record.events} == {"supervisor"}
    assert [event.text("class") for event in record.events if event.event == "run end"] == ["killed", "clean stop"]
    assert all({beat.role for beat in record.of(run).beats} == {"supervisor", "app"} for run in record.runs)
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if "strokescope." in line]
    assert sum("strokescope.flight" in line for line in lines) == len(told)
