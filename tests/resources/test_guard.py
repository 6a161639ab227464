"""The guard around one step: admitted, recorded, learnt from, killed with a sentence, counted towards safe mode."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import OverBudget, WorkerDied
from core.resources import safemode
from core.resources.admission import Admission
from core.resources.breaker import Breaker
from core.resources.child import ChildEnd, Handle, child_env, run_child
from core.resources.cost import Step
from core.resources.disk import DiskReading
from core.resources.guard import Guard, Worker, make_guard, ordinal, own_guard
from core.resources.line import Room
from core.resources.memory import MemoryReading
from core.resources.record import read_record
from core.resources.recorder import Recorder
from core.resources.watchdog import Watchdog
from core.settings import Settings

STEP = Step("engine:test", "segmenting with test", 100.0, heavy=True, case="case-1")


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    """The app's guard in an ample container."""
    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    with Recorder(settings.state_dir, role="app") as recorder:
        made = make_guard(
            settings, recorder, lambda: DiskReading(10**11, "test", 0, 0, 10**11), breaker=Breaker(recorder)
        )
        ample = Admission(lambda: Room(100.0, 8000.0, 50_000.0, 100_000.0), made.ledger)
        made.watchdog.start()
        yield replace(made, admission=ample)
        made.watchdog.stop()


def run(worker: Worker, code: str) -> ChildEnd:
    return run_child(
        (sys.executable, "-c", code), lambda line: None, lambda: False, 60.0, child_env(), on_handle=worker.attach
    )


def told(guard: Guard) -> list[str]:
    assert guard.recorder.close()
    return [event.event for event in read_record(guard.settings.state_dir).events]


def test_a_step_from_the_door_to_its_end(guard: Guard) -> None:
    heard: list[str] = []
    with guard.enter(STEP, "engine", waiting=heard.append) as worker:
        assert [(place.position, place.case) for place in guard.admission.places()] == [(0, "case-1")]
        assert worker.ended(run(worker, "pass")) is None
        worker.used(80.0)
    assert heard == []
    assert guard.admission.places() == ()
    assert [(e.kind, e.predicted_mb, e.used_mb) for e in guard.ledger.entries()] == [("engine:test", 100.0, 80.0)]
    assert told(guard) == ["phase begin", "worker end", "phase end"]


def test_a_worker_that_was_killed_counts_towards_safe_mode(guard: Guard) -> None:
    state = guard.settings.state_dir
    for _ in range(2):
        with pytest.raises(WorkerDied), guard.enter(STEP, "engine") as worker:
            error = worker.ended(run(worker, "import os; os.kill(os.getpid(), 9)"))
            raise error or WorkerDied("it was killed", hint="try again")
    found = safemode.safe_mode(state, None)
    assert found.quarantined == (("engine", "case-1"),)
    assert found.active


def test_a_success_ends_the_quarantine(guard: Guard) -> None:
    state = guard.settings.state_dir
    for number in range(2):
        safemode.note_end(state, None, "engine", "case-1", "killed", 1.0 + number)
    with guard.enter(STEP, "engine") as worker:
        worker.ended(run(worker, "pass"))
    assert safemode.safe_mode(state, None).quarantined == ()


def test_a_command_does_not_count(guard: Guard) -> None:
    command = replace(guard, breaker=None)
    with command.enter(STEP, "engine") as worker:
        worker.ended(run(worker, "import os; os.kill(os.getpid(), 9)"))
    assert safemode.read_entries(guard.settings.state_dir) == ()


def test_the_watchdog_ends_a_worker_with_numbers_and_a_next_step(guard: Guard) -> None:
    used = [0.1]
    watchdog = Watchdog(lambda: MemoryReading(10**9, "cgroup v2", int(used[0] * 10**9), None, True, 0))
    watched = replace(guard, watchdog=watchdog)
    watchdog.start()
    try:
        with pytest.raises(WorkerDied, match="of RAM was in use"), watched.enter(STEP, "engine") as w:

            class Eager:
                def attach(self, handle: Handle) -> None:
                    w.attach(handle)
                    used[0] = 0.97

            end = run_child(
                (sys.executable, "-c", "import time; time.sleep(600)"), lambda line: None, lambda: False, 300.0,
                child_env(), on_handle=Eager().attach,
            )  # fmt: skip
            raise w.ended(end) or AssertionError("nobody ended it")
    finally:
        watchdog.stop()
    ends = [entry for entry in safemode.read_entries(guard.settings.state_dir) if entry.event == safemode.END]
    assert [(entry.text("phase"), entry.text("case")) for entry in ends] == [("engine", "case-1")]


def test_who_waits_is_told_its_place_and_what_is_missing(guard: Guard) -> None:
    small = Admission(lambda: Room(200.0, 1000.0, 50_000.0, 100_000.0), guard.ledger)
    waits, heard = replace(guard, admission=small), list[str]()
    first, second = replace(STEP, memory_mb=300.0), replace(STEP, memory_mb=400.0)
    seen = threading.Event()

    def hear(sentence: str) -> None:
        heard.append(sentence)
        seen.set()

    def wait() -> None:
        with waits.enter(second, "engine", waiting=hear):
            pass

    with waits.enter(first, "engine"):
        other = threading.Thread(target=wait)
        other.start()
        assert seen.wait(60)
    other.join(60)
    assert heard[0].startswith("you are 1st in line: needs 0.")
    assert heard[0].endswith("is free")
    assert heard[-1] == ""


def test_a_command_has_a_guard_of_its_own(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state", memory_limit="100M")
    before = set(threading.enumerate())
    with own_guard(settings) as guard, pytest.raises(OverBudget), guard.enter(STEP, "engine"):
        pass
    assert "refused" in [event.event for event in read_record(settings.state_dir).events]
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name == "watchdog" and thread.is_alive()]


@pytest.mark.parametrize(("peak_mb", "learnt"), [(200.0, 200.0), (90.0, 100.0)])
def test_a_worker_that_was_killed_above_its_prediction_teaches_that_much(
    guard: Guard, peak_mb: float, learnt: float
) -> None:
    command = replace(guard, breaker=None)
    for _ in range(5):
        with command.enter(STEP, "engine") as worker:
            worker.ended(ChildEnd(-9, 9, "", peak_mb, False, False, 1.0))
    assert guard.admission.predict_mb(STEP) == learnt
    with command.enter(STEP, "engine") as worker:
        worker.ended(ChildEnd(-9, 9, "", 150.0, False, False, 1.0))
    assert guard.admission.predict_mb(STEP) == learnt  # one is no lesson, and less than is expected by now is none


def test_ram_that_cannot_be_read_is_a_refusal_with_words(tmp_path: Path) -> None:
    def nothing() -> DiskReading:
        raise OSError(24, "Too many open files")

    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    with Recorder(settings.state_dir, role="app") as recorder:
        blind = make_guard(settings, recorder, nothing)
        with pytest.raises(OverBudget, match="cannot be read now") as caught, blind.enter(STEP, "engine"):
            pytest.fail("it was let in")
        assert caught.value.hint and blind.admission.places() == ()
        blind.watchdog.stop()


@pytest.mark.parametrize("count", [1, 3])
def test_a_setting_says_how_many_heavy_steps_run_at_once(tmp_path: Path, count: int) -> None:
    settings = Settings(cache_dir=tmp_path, state_dir=tmp_path, heavy_jobs=count)
    with own_guard(settings) as guard:
        assert guard.admission.heavy_at_once == count


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
