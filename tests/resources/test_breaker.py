"""The seed's loop ends after the second death, and what a person asks for still runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import JobCancelled, Quarantined, WorkerDied
from core.resources.breaker import Breaker
from core.resources.record import read_record
from core.resources.recorder import Recorder
from core.resources.runs import RunLog, judge
from core.resources.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker(folder: Path, clock: Clock | None = None) -> Breaker:
    return Breaker(Recorder(folder, patience_s=30.0), ticks=clock or Clock(), patience_s=30.0)


def die(one: Breaker, case: str = "sub-1", automatic: bool = False) -> None:
    with pytest.raises(WorkerDied), one.step("engine", case=case, automatic=automatic):
        raise WorkerDied("gone", hint="again")


def told(folder: Path) -> list[str]:
    return [event.event for event in read_record(folder).events if "safe mode" in event.event]


def test_the_second_death_opens_it_and_a_person_closes_it(tmp_path: Path) -> None:
    one = breaker(tmp_path)
    one.prepare()
    die(one, automatic=True)
    assert not one.state().active
    die(one, automatic=True)
    assert one.state().quarantined == (("engine", "sub-1"),)
    with pytest.raises(Quarantined) as caught, one.step("list", automatic=True):
        pytest.fail("nothing begins by itself")
    assert 'engine" of case sub-1' in caught.value.sentence()
    assert "Resources" in caught.value.hint
    with one.step("fetch", case="sub-2"):  # a person may
        pass
    assert breaker(tmp_path).state().active  # the next process knows
    assert not one.leave().active
    assert told(tmp_path) == ["safe mode entered", "safe mode left"]
    with one.step("engine", case="sub-1", automatic=True):
        pass


def test_health_closes_it_and_success_lifts_the_quarantine(tmp_path: Path) -> None:
    clock = Clock()
    one = breaker(tmp_path, clock)
    die(one)
    die(one)
    clock.now += 590.0
    one.tick()
    assert one.state().active
    with one.step("engine", case="sub-2"):
        clock.now += 590.0
        one.tick()
    assert one.state().active  # a risky step was under way
    clock.now += 590.0
    one.tick(busy=True)
    clock.now += 590.0
    one.tick()
    assert one.state().active
    clock.now += 20.0
    assert one.pending()
    one.tick()
    assert not one.state().active
    assert told(tmp_path) == ["safe mode entered", "safe mode left"]
    with pytest.raises(Quarantined):
        one.require("engine", "sub-1")
    with one.step("engine", case="sub-1"):
        pass
    one.require("engine", "sub-1")


def test_a_run_counts_as_of_its_end(tmp_path: Path) -> None:
    """Three power cuts in a month, each found out at the next start."""
    one = breaker(tmp_path)
    for number in range(3):
        one.note_run(Verdict("unknown", "none", (), 1.0, None, f"{number:012d}", last_sign=1e9 + 86_400 * number))
    assert (one.state().active, one.pending()) == (False, True)
    for number in range(3, 5):
        one.note_run(Verdict("crash", "confirmed", (), 1.0, 1e9 + 2 * 86_400 + number, f"{number:012d}"))
    assert one.state().reason == "3 abnormal ends within 15 minutes"


def test_a_cancelled_job_is_no_death(tmp_path: Path) -> None:
    one = breaker(tmp_path)
    for _ in range(4):
        with pytest.raises(JobCancelled), one.step("engine", case="sub-1"):
            raise JobCancelled("stopped", hint="again")
    assert not one.pending()


def test_no_folder_to_write_still_breaks_the_loop_of_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = breaker(tmp_path / "file")
    die(one)
    die(one)
    assert one.state().active
    assert not one.leave().active


APP = """
import json, os, signal, subprocess, sys
from pathlib import Path
from core.errors import Quarantined, WorkerDied
from core.resources.breaker import Breaker
from core.resources.recorder import Recorder
one = Breaker(Recorder(Path(sys.argv[1]), patience_s=30.0), patience_s=30.0)
try:
    with one.step("decode", case="sub-1", owner="app", automatic=True) as phase:
        worker = subprocess.Popen([sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 9)"])
        phase.worker_end(worker.wait())
        raise WorkerDied("gone", hint="again")
except WorkerDied:
    os.kill(os.getpid(), signal.SIGKILL)
except Quarantined as error:
    print(json.dumps({"usable": True, "why": str(error)}))
"""


def test_the_seeds_loop_ends(tmp_path: Path) -> None:
    """An app that loads its first case by itself, and a case whose worker dies every time."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ends = []
    for _ in range(6):
        life = subprocess.run([sys.executable, "-c", APP, str(tmp_path)], env=env, capture_output=True, timeout=120)
        ends.append(life.returncode)
        if life.returncode == 0:
            break
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert json.loads(life.stdout)["usable"]
    assert 'decode" of case sub-1' in json.loads(life.stdout)["why"]
    assert told(tmp_path) == ["safe mode entered"]


def test_a_clean_stop_in_safe_mode_does_not_reset_the_streak(tmp_path: Path) -> None:
    one = breaker(tmp_path)
    die(one)
    die(one)
    log = RunLog(tmp_path)
    log.end(log.start(), judge(0), 0)
    with one.step("fetch", case="sub-2"):  # nor does another step that goes well
        pass
    next_life = breaker(tmp_path)
    assert next_life.state().quarantined == (("engine", "sub-1"),)
    with pytest.raises(Quarantined):
        next_life.require("engine", "sub-1")


def test_another_process_that_dies_again_starts_the_ten_minutes_anew(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, app = breaker(tmp_path, clock), breaker(tmp_path)
    die(app)
    die(app)
    supervisor.tick()
    clock.now += 599.0
    supervisor.tick()
    assert supervisor.state().active
    app.note_end("engine", "sub-2", "killed")
    clock.now += 2.0
    supervisor.tick()
    assert supervisor.state().active
    clock.now += 601.0
    supervisor.tick()
    assert not supervisor.state().active
    assert supervisor.state().quarantined == (("engine", "sub-1"), ("engine", "sub-2"))
