"""What could make a verdict wrong: stale numbers, a clock that jumps, lost lines, kills of others, later versions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.resources.beats import Beat, Vitals
from core.resources.events import Event
from core.resources.record import Record
from core.resources.verdict import Verdict, judge, judge_worker
from tests.resources.test_verdict import RUN, START, STEP, beat, ended, event, verdict


def by(pid: int, one: Event, number: int) -> Event:
    """The same, written by another process."""
    return replace(one, pid=pid, number=number)


def of_order(*events: Event, beats: tuple[Beat, ...] = ()) -> Verdict:
    """The verdict on events in the order in which they were written, whatever their clock says."""
    numbered = tuple(replace(one, number=number) for number, one in enumerate(events, 1))
    return judge(Record(numbered, beats), RUN)


def test_a_beat_after_the_end_says_nothing_of_it() -> None:
    end = ended("killed", 9.0, -9)
    assert verdict(START, beat(8.0, ram=0.9), end).class_ == "out of memory"
    assert verdict(START, beat(8.0, ram=0.9), end, beat(11.0, ram=0.1)).class_ == "out of memory"
    assert verdict(START, beat(8.0, ram=0.1), end, beat(11.0, ram=0.9)).class_ == "killed"
    found = verdict(START, beat(8.0, ram=0.9), end, beat(11.0, ram=0.1))
    assert ([kept.at for kept in found.chart], found.last_sign) == ([8.0], 9.0)


def test_what_a_later_start_measured_says_nothing_of_the_run_before() -> None:
    found = ended("unknown", 99.0, found_later=True, confidence="none", ram_percent=97.0)
    assert verdict(START, beat(8.0, ram=0.1), found).class_ == "unknown"


@pytest.mark.parametrize("late", [9.0, 200.0])
def test_an_old_heartbeat_is_no_evidence(late: float) -> None:
    """The ring stopped (a full disk, a hung one), the events went on without a word about RAM."""
    found = verdict(START, beat(8.0, ram=0.95, disk=0.2), event("phase end", late, phase="x"))
    assert found.class_ == ("out of memory" if late == 9.0 else "unknown")


def test_kills_of_workers_are_no_kill_of_the_app() -> None:
    worker = event("worker end", 5.0, rc=-9, oom_kills=1, phase="engine")
    calm, end = beat(8.0, ram=0.3), ended("out of memory", 9.0, -9, oom_kills=1)
    assert (verdict(START, end, calm).class_, verdict(START, end, calm).confidence) == ("out of memory", "confirmed")
    found = verdict(START, worker, calm, end)
    assert (found.class_, found.confidence) == ("killed", "probable")
    assert "worker" in " ".join(found.evidence)
    full = verdict(START, worker, beat(8.0, ram=0.9), end)
    assert (full.class_, full.confidence) == ("out of memory", "probable")
    two = verdict(START, worker, calm, ended("out of memory", 9.0, -9, oom_kills=2))
    assert (two.class_, two.confidence) == ("out of memory", "confirmed")


def test_a_clock_set_back_ends_no_step_early() -> None:
    begin, over = event("phase begin", 50.0, phase="engine"), event("phase end", 10.0, phase="engine")
    crash = ended("crash", 12.0, 1)
    assert of_order(event("run start", 49.0), begin, over, crash).phase is None
    again = event("phase begin", 11.0, phase="score")
    assert of_order(event("run start", 49.0), begin, over, again, crash).phase == "score"


def test_a_lost_line_makes_the_step_unknown_not_wrong() -> None:
    begin = replace(STEP, number=2)
    later = event("threshold", 9.0)
    assert judge(Record((replace(START, number=1), begin, replace(later, number=3)), ()), RUN).phase == "engine"
    torn = Record((replace(START, number=1), begin, replace(later, number=4)), ())  # 3 may have been its end
    assert judge(torn, RUN).phase is None
    seen, none = replace(beat(9.5), pid=7, phase="engine", case="sub-1"), replace(beat(9.9), pid=7)
    assert judge(replace(torn, beats=(seen,)), RUN).phase == "engine"  # the heartbeat still names it
    assert judge(replace(torn, beats=(seen, none)), RUN).phase is None


def test_of_several_steps_the_heaviest_is_named_and_the_others_told() -> None:
    fetch = event("phase begin", 6.0, phase="fetch", case="sub-2", owner="app", predicted_mb=5.0)
    found = verdict(START, STEP, fetch, beat(8.0, ram=0.93))
    assert (found.class_, found.phase, found.case) == ("out of memory", "engine", "sub-1")
    assert any("fetch" in sentence and "sub-2" in sentence for sentence in found.evidence)
    assert verdict(START, STEP, fetch, ended("crash", 9.0, 1)).phase == "fetch"


def test_words_of_a_later_version_are_not_guessed_at() -> None:
    assert verdict(START, ended("evaporated", 9.0)).class_ == "unknown"
    found = verdict(START, ended("evaporated", 9.0, -9))
    assert (found.class_, found.confidence) == ("unknown", "none")
    assert "later version" in " ".join(found.evidence)


def test_a_forced_stop_of_which_only_the_heartbeat_is_left() -> None:
    asked = event("stop asked", 8.0)
    assert verdict(START, asked, event("run end", 9.0, rc=-9)).class_ == "clean stop"
    hung = event("kill intent", 8.0, target="app", reason="hung")
    assert verdict(START, hung, event("run end", 9.0, rc=-9)).class_ == "hung"


def test_an_intent_belongs_to_its_own_step() -> None:
    """No clock decides it: the intent stands between the step's begin and the worker's end, in one process."""
    begin = event("phase begin", 1.0, phase="engine", case="sub-1")
    intent = event("kill intent", 500.0, case="sub-1", reason="level")  # the clock went back in between
    end = event("worker end", 30.0, phase="engine", case="sub-1", rc=-9)
    numbered = [replace(one, number=number) for number, one in enumerate((begin, intent, end), 1)]
    assert judge_worker(Record(tuple(numbered), ()), numbered[-1]).class_ == "watchdog"
    over = event("phase end", 30.5, phase="engine", case="sub-1")
    second, died = event("phase begin", 31.0, phase="engine", case="sub-1"), replace(end, at=32.0)
    told = (begin, replace(intent, at=29.0), end, over, second, died)
    numbered = [replace(one, number=number) for number, one in enumerate(told, 1)]
    assert judge_worker(Record(tuple(numbered), ()), numbered[-1]).class_ == "killed"
    stranger = by(8, replace(intent, at=31.5), 5)
    assert judge_worker(Record((*numbered, stranger), ()), numbered[-1]).class_ == "killed"


def test_runs_stand_in_the_order_in_which_they_were_written() -> None:
    ahead = Event("run start", "f" * 12, 9e9, "app", 5, 1.0, 1)
    future = [ahead, replace(ahead, event="run end", number=2)]
    now = [Event("run start", "e" * 12, 1e9, "app", 6, 1.0, 1)]
    only_beats = Beat(2e9, "d" * 12, "app", 7, 1.0, Vitals())
    assert Record((*future, *now), ()).runs == ("f" * 12, "e" * 12)
    assert Record((*future, *now), (only_beats,)).runs[-1] == "d" * 12


def test_a_crash_by_the_error_of_a_step_names_the_step() -> None:
    left = event("phase end", 8.0, phase="engine", case="sub-1", owner="visitor", outcome="OSError")
    found = verdict(START, STEP, left, ended("crash", 9.0, 1))
    assert (found.class_, found.phase, found.case, found.whom) == ("crash", "engine", "sub-1", "a visitor's job")
    assert verdict(START, STEP, left, ended("crash", 90.0, 1)).phase is None
    assert verdict(START, STEP, left, ended("killed", 9.0, -9)).phase is None
    done = replace(left, facts={**left.facts, "outcome": "done"})
    assert verdict(START, STEP, done, ended("crash", 9.0, 1)).phase is None


def test_who_saw_the_end_is_believed_before_who_guessed_it() -> None:
    """A second supervisor, which cannot see the processes of the first, had taken its run for over."""
    guess = ended("unknown", 5.0, found_later=True, confidence="none")
    assert verdict(START, guess, ended("crash", 9.0, 1)).class_ == "crash"
    assert verdict(START, ended("crash", 4.0, 1), guess).class_ == "crash"
