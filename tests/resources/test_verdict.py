"""The verdict follows the table of what a container leaves behind, and is "unknown" where that says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.beats import Beat, Vitals
from core.resources.ending import CLASSES, Ending
from core.resources.events import Event
from core.resources.record import Record
from core.resources.verdict import Verdict, judge, judge_worker

RUN = "a" * 12
OOM = Ending("out of memory", "confirmed", ("ended by SIGKILL", "the kernel counted 1 kill(s) for memory"))


def event(name: str, at: float, **facts: str | float | bool | None) -> Event:
    return Event(name, RUN, at, "app", 7, 1.0, int(at * 10), facts)


def ended(class_: str, at: float, rc: int | None = None, **facts: str | float | bool | None) -> Event:
    said = {"class": class_, "confidence": "confirmed", "evidence": ("it was seen",)}
    return event("run end", at, rc=rc, **{**said, **facts})  # type: ignore[arg-type]


def beat(at: float, ram: float = 0.3, disk: float = 0.2, errno: int | None = None) -> Beat:
    vitals = Vitals(ram_used=100 * ram, ram_limit=100.0, disk_used=100 * disk, disk_limit=100.0)
    return Beat(at, RUN, "supervisor", 6, 1.0, vitals, errno=errno)


START = event("run start", 1.0)
ON_SPACE = event("run start", 1.0, space=True)
STEP = event("phase begin", 5.0, phase="engine", case="sub-1", owner="visitor", predicted_mb=900.0)


def verdict(*traces: Event | Beat, hub: str | None = None) -> Verdict:
    events = sorted((t for t in traces if isinstance(t, Event)), key=lambda t: t.at)
    numbered = tuple(replace(one, number=number) for number, one in enumerate(events, 1))
    return judge(Record(numbered, tuple(t for t in traces if isinstance(t, Beat))), RUN, hub)


@pytest.mark.parametrize(
    ("traces", "class_", "confidence"),
    [
        ((ended("clean stop", 9.0, 0),), "clean stop", "confirmed"),
        ((ended("out of memory", 9.0, -9, oom_kills=1),), "out of memory", "confirmed"),
        ((ended("native crash", 9.0, -11),), "native crash", "confirmed"),
        ((ended("crash", 9.0, 1),), "crash", "confirmed"),
        ((ended("killed", 9.0, -9, oom_kills=0), beat(8.0, ram=0.9)), "killed", "confirmed"),
        ((ended("killed", 9.0, -9), beat(8.0, ram=0.9)), "out of memory", "probable"),
        ((ended("killed", 9.0, -9), beat(8.0, ram=0.5)), "killed", "confirmed"),
        ((event("kill intent", 8.0, target="app"), ended("killed", 9.0, -9)), "watchdog", "confirmed"),
        ((event("kill intent", 8.0), ended("killed", 9.0, -9)), "killed", "confirmed"),
        ((event("disk full", 8.0), ended("crash", 9.0, 1)), "disk full", "confirmed"),
        ((beat(8.0, errno=28), ended("crash", 9.0, 1)), "disk full", "probable"),
        ((event("disk full", 1.0), ended("crash", 19.0, 1)), "crash", "confirmed"),
        ((event("disk full", 8.0), ended("killed", 9.0, -9)), "killed", "confirmed"),
        ((beat(8.0),), "unknown", "none"),
        ((), "unknown", "none"),
        ((beat(8.0, ram=0.86),), "out of memory", "probable"),
        ((beat(8.0, ram=0.84),), "unknown", "none"),
        ((beat(8.0, ram=0.95), beat(9.0, ram=0.2)), "unknown", "none"),
        ((beat(8.0), event("threshold", 9.0, ram_percent=90.0)), "out of memory", "probable"),
        ((ON_SPACE, beat(8.0, disk=0.96)), "storage eviction", "probable"),
        ((beat(8.0, disk=0.96),), "unknown", "none"),  # the disk of a laptop, which evicts nothing
        ((beat(8.0, disk=0.96), event("disk full", 8.5)), "disk full", "probable"),
        ((ON_SPACE, beat(8.0, ram=0.9, disk=0.96)), "unknown", "none"),
        ((beat(8.0, ram=0.9, disk=0.96),), "out of memory", "probable"),
        ((event("stop asked", 8.0), beat(8.0, ram=0.9)), "clean stop", "probable"),
        ((ended("out of memory", 9.0, None, found_later=True, confidence="probable"),), "out of memory", "probable"),
        ((event("run end", 9.0, rc=-6),), "native crash", "confirmed"),  # what a heartbeat has room for
        ((event("run end", 9.0, rc=-9),), "killed", "probable"),
        ((event("run end", 9.0),), "clean stop", "probable"),
        ((ended("clean stop", 190000.0, 143),), "clean stop", "confirmed"),
    ],
)
def test_the_table(traces: tuple[Event | Beat, ...], class_: str, confidence: str) -> None:
    found = verdict(START, *traces)
    assert (found.class_, found.confidence) == (class_, confidence)
    assert found.evidence
    assert found.class_ in CLASSES


@pytest.mark.parametrize(
    ("message", "class_"),
    [
        ("Memory limit exceeded (16Gi)", "out of memory"),
        ("Workload evicted, storage limit exceeded (50G)", "storage eviction"),
    ],
)
def test_the_hubs_message_confirms_a_silent_end(message: str, class_: str) -> None:
    found = verdict(ON_SPACE, beat(8.0), hub=message)
    assert (found.class_, found.confidence) == (class_, "confirmed")
    elsewhere = verdict(START, beat(8.0), hub=message)
    assert (elsewhere.class_, elsewhere.confidence) == (class_, "probable")
    asked = verdict(ON_SPACE, event("stop asked", 8.0), hub=message)  # the Hub speaks of a container before
    assert (asked.class_, asked.confidence) == ("clean stop", "probable")
    assert verdict(START, beat(8.0), hub="Build error").class_ == "unknown"
    assert verdict(START, ended("crash", 9.0, 1), hub=message).class_ == "crash"


def test_everything_died_with_phase_case_and_whom() -> None:
    found = verdict(START, STEP, beat(6.0, ram=0.5), beat(8.0, ram=0.93))
    assert (found.class_, found.confidence) == ("out of memory", "probable")
    assert (found.phase, found.case, found.whom) == ("engine", "sub-1", "a visitor's job")
    assert (found.started_at, found.ended_at, found.last_sign) == (1.0, None, 8.0)
    assert [kept.vitals.ram for kept in found.chart] == [0.5, 0.93]
    assert "RAM was at 93 %" in " ".join(found.evidence)


def test_an_admitted_prediction_over_the_limit_is_enough() -> None:
    over = event("phase begin", 5.0, phase="engine", predicted_mb=900.0, ram_mb=200.0, ram_limit_mb=1000.0)
    assert verdict(START, over, beat(6.0)).class_ == "out of memory"
    done = event("phase end", 6.0, phase="engine")
    assert verdict(START, over, done, beat(6.0)).class_ == "unknown"
    fits = event("phase begin", 5.0, phase="engine", predicted_mb=700.0, ram_mb=200.0, ram_limit_mb=1000.0)
    assert verdict(START, fits, beat(6.0)).class_ == "unknown"


def test_the_open_step_is_the_newest_without_an_end() -> None:
    inner = event("phase begin", 6.0, phase="decode", case="sub-1", owner="app")
    over = event("phase end", 7.0, phase="decode", case="sub-1")
    crash = ended("crash", 9.0, 1)
    assert (verdict(STEP, inner, crash).phase, verdict(STEP, inner, over, crash).phase) == ("decode", "engine")
    assert verdict(STEP, inner, crash).whom == "the app itself"
    assert verdict(STEP, event("phase end", 7.0, phase="engine", case="sub-1"), crash).phase is None
    assert verdict(STEP, ended("clean stop", 9.0, 0)).phase is None


def test_a_space_that_nobody_used_fell_asleep() -> None:
    begun, end = event("run start", 1.0, space=True), ended("clean stop", 172_900.0, 143)
    assert (verdict(begun, end).class_, verdict(begun, end).abnormal) == ("sleep", False)
    assert verdict(begun, event("phase begin", 90_000.0, phase="fetch"), end).class_ == "clean stop"


def test_a_found_verdict_keeps_its_step() -> None:
    found = verdict(START, ended("unknown", 99.0, found_later=True, confidence="none", phase="engine", case="sub-1"))
    assert (found.phase, found.case, found.ended_at) == ("engine", "sub-1", None)


@pytest.mark.parametrize(
    ("facts", "intent", "class_"),
    [
        ({"rc": -9, "oom_kills": 1}, False, "out of memory"),
        ({"rc": -9, "oom_kills": 0}, False, "killed"),
        ({"rc": -9, "oom_kills": 1}, True, "watchdog"),
        ({"rc": -6}, True, "native crash"),
        ({"rc": -11}, False, "native crash"),
        ({"rc": 3}, False, "crash"),
        ({"rc": -15, "cancelled": True}, False, "clean stop"),
        ({}, False, "unknown"),
    ],
)
def test_workers(facts: dict[str, float | bool], intent: bool, class_: str) -> None:
    end = event("worker end", 9.0, phase="engine", case="sub-1", **facts)
    before = [event("kill intent", 8.5, case="sub-1", reason="level")] if intent else []
    other = event("kill intent", 8.5, case="sub-2")
    assert judge_worker(Record((*before, other, end), ()), end).class_ == class_


traces = st.lists(
    st.one_of(
        st.builds(beat, st.floats(0, 100), st.floats(0, 1), st.floats(0, 1), st.sampled_from([None, 28])),
        st.builds(
            event,
            st.sampled_from(["phase begin", "phase end", "disk full", "kill intent", "stop asked", "worker end"]),
            st.floats(0, 100),
            phase=st.sampled_from(["engine", "fetch"]),
        ),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(found=traces)
def test_without_a_survivor_nothing_is_confirmed(found: list[Event | Beat]) -> None:
    judged = verdict(START, *found)
    assert judged.confidence in ("probable", "none")
    assert (judged.class_ == "unknown") == (judged.confidence == "none")
    assert judged.as_json()["evidence"]
