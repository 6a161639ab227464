"""The door with real threads: one heavy step at a time, positions told, quick to cancel, honest refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import JobCancelled, OverBudget
from core.resources.admission import POLL_S, Admission, Ticket
from core.resources.budget import Help
from core.resources.cost import Step
from core.resources.ledger import Ledger
from core.resources.line import Room

ROOM = Room(used_mb=200, limit_mb=4000, disk_free_mb=40_000, disk_limit_mb=50_000)
HEAVY = Step("engine:x", "segmenting", 500, heavy=True, case="sub-1")
LIGHT = Step("view", "the static view", 50)
LONG_S = 60.0


class Visitor(threading.Thread):
    """A session with one step: waits at the door, stays inside until it is told to go."""

    def __init__(self, door: Admission, step: Step, owner: str = "a", log: list[str] | None = None) -> None:
        super().__init__(daemon=True)
        self._door, self._step, self._owner = door, step, owner
        self.inside, self.go, self.stop = threading.Event(), threading.Event(), threading.Event()
        self.told: list[tuple[int, str]] = []
        self.error: Exception | None = None
        self._log = log if log is not None else []

    def run(self) -> None:
        try:
            with self._door.enter(self._step, self._owner, self.stop.is_set, lambda p, w: self.told.append((p, w))):
                self._log.append(self._owner)
                self.inside.set()
                self.go.wait(LONG_S)
        except (JobCancelled, OverBudget) as error:
            self.error = error


@contextmanager
def visitors(*made: Visitor) -> Iterator[tuple[Visitor, ...]]:
    """Start them one after the other, each once the one before is inside or told its place; end them all."""
    try:
        for one in made:
            one.start()
            until(lambda one=one: one.inside.is_set() or one.told or one.error)  # type: ignore[misc]
        yield made
    finally:
        for one in made:
            one.stop.set()
            one.go.set()
        for one in made:
            one.join(LONG_S)
            assert not one.is_alive()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_heavy_steps_follow_one_another_and_light_ones_do_not_wait() -> None:
    door, log = Admission(lambda: ROOM), []  # type: ignore[var-annotated]
    a, b, c = (Visitor(door, HEAVY, owner, log) for owner in "abc")
    light = Visitor(door, LIGHT, "d", log)
    with visitors(a, b, c, light):
        assert light.inside.is_set() and not b.inside.is_set()
        assert b.told[0] == (1, "another job is running") and c.told[0][0] == 2
        places = door.places()
        assert [(p.position, p.kind) for p in places] == [
            (0, "engine:x"),
            (0, "view"),
            (1, "engine:x"),
            (2, "engine:x"),
        ]
        a.go.set()
        until(b.inside.is_set)
        until(lambda: c.told[-1][0] == 1)
        b.go.set()
        until(c.inside.is_set)
    assert log[0] == "a" and log.index("b") < log.index("c")
    assert door.places() == ()


def test_as_many_heavy_steps_run_together_as_were_allowed_and_fit() -> None:
    door = Admission(lambda: ROOM, heavy_at_once=2)
    one, two, three = (Visitor(door, HEAVY, name) for name in "abc")
    with visitors(one, two, three):
        assert one.inside.is_set() and two.inside.is_set() and not three.inside.is_set()
        assert three.told == [(1, "other jobs are running")]
        one.go.set()
        until(three.inside.is_set)
    large = replace(HEAVY, memory_mb=1500)
    with visitors(Visitor(door, large, "a"), Visitor(door, large, "b")) as (first, second):
        assert first.inside.is_set() and not second.inside.is_set()  # together they do not fit
        assert "memory" in second.told[0][1] or "RAM" in second.told[0][1]


def test_waiting_can_be_cancelled() -> None:
    door = Admission(lambda: ROOM)
    with visitors(Visitor(door, HEAVY), Visitor(door, HEAVY, "b")) as (_, waiting):
        waiting.stop.set()
        until(lambda: waiting.error)
        assert isinstance(waiting.error, JobCancelled)
        assert POLL_S <= 0.2
        assert len(door.places()) == 1


def test_what_can_never_fit_is_refused_at_once_with_numbers_and_help() -> None:
    events: list[str] = []
    door = Admission(
        lambda: ROOM,
        helps=lambda: [Help("clear the image cache", "disk", 30_000)],
        record=lambda event, **facts: events.append(event),
    )
    with (
        pytest.raises(OverBudget, match=r"needs 5.0 GB of RAM, 2.6 GB is free of 4.0 GB"),
        door.enter(replace(HEAVY, memory_mb=4000)),
    ):
        pytest.fail("it was let in")
    with pytest.raises(OverBudget, match="disk") as caught, door.enter(Step("fetch", "fetching", 40, 49_000)):
        pytest.fail("it was let in")
    assert "clear the image cache" in caught.value.hint
    assert events == ["refused", "refused"]
    assert door.places() == ()


def test_what_does_not_fit_beside_what_is_open_trims_first() -> None:
    room, trims = [replace(ROOM, used_mb=3000)], []

    def trim() -> None:
        trims.append(1)
        room[0] = ROOM

    with Admission(lambda: room[0], trim=trim).enter(HEAVY) as ticket:
        assert ticket.predicted_mb == 500 and trims == [1]
    room[0] = replace(ROOM, used_mb=3000)
    with pytest.raises(OverBudget), Admission(lambda: room[0]).enter(HEAVY):
        pytest.fail("it was let in")


def test_small_steps_of_others_give_no_hope_to_what_the_app_itself_has_no_room_for() -> None:
    """They come one after the other, so that something always runs; the large step hears its numbers all the same."""
    door, stop = Admission(lambda: replace(ROOM, used_mb=2400)), threading.Event()
    small, large = Step("fetch", "fetching", 40, 1), replace(HEAVY, memory_mb=800)

    def fetch_on(owner: str) -> None:
        while not stop.is_set():
            with door.enter(small, owner):
                time.sleep(0.1)

    others = [threading.Thread(target=fetch_on, args=(owner,)) for owner in "abc"]
    gives_up = time.monotonic() + LONG_S
    try:
        for one in others:
            one.start()
        with pytest.raises(OverBudget, match="of RAM"), door.enter(
            large, "me", lambda: time.monotonic() > gives_up
        ):  # fmt: skip
            pytest.fail("it was let in")
    finally:
        stop.set()
        for one in others:
            one.join(LONG_S)
    assert door.places() == ()


def test_who_hopes_in_vain_is_passed_only_so_often_and_then_refused() -> None:
    """What runs might give enough back by its prediction, but has taken less: that is seen once it is gone."""
    door, stop = Admission(lambda: replace(ROOM, used_mb=2400)), threading.Event()
    mild, large = Step("fetch", "fetching", 100), replace(HEAVY, memory_mb=420)

    def go_on(owner: str) -> None:
        while not stop.is_set():
            with door.enter(mild, owner):
                time.sleep(0.05)

    others = [threading.Thread(target=go_on, args=(owner,)) for owner in "abc"]
    gives_up = time.monotonic() + LONG_S
    try:
        for one in others:
            one.start()
        until(lambda: len(door.places()) > 2)
        with pytest.raises(OverBudget), door.enter(large, "me", lambda: time.monotonic() > gives_up):
            pytest.fail("it was let in")
    finally:
        stop.set()
        for one in others:
            one.join(LONG_S)


def test_a_closed_door_opens_again() -> None:
    door = Admission(lambda: ROOM)
    with visitors(Visitor(door, HEAVY, "a")):
        door.hold("RAM is short", "ram")
        with visitors(Visitor(door, LIGHT)) as (one,):
            assert one.told == [(1, "RAM is short")] and not one.inside.is_set()
            door.resume("ram")
            until(one.inside.is_set)


def test_nobody_waits_at_a_closed_door_for_ever() -> None:
    """RAM between two thresholds, or a full disk and a step that writes nothing: nothing runs that could change it."""
    door = Admission(lambda: ROOM)
    door.hold("RAM is short", "ram")
    door.hold("the disk is nearly full", "disk")
    with visitors(Visitor(door, LIGHT)) as (one,):
        until(one.inside.is_set)


def test_running_steps_count_with_what_they_may_still_take() -> None:
    resident = {7: 0.0}
    door = Admission(lambda: replace(ROOM, used_mb=200 + resident[7]), resident_mb=resident.__getitem__)
    with door.enter(Step("decode", "decoding", 2000)) as ticket:
        ticket.started(7)
        assert door.check(LIGHT)[0].free_mb == pytest.approx(3200 - 400 - 200 - 2500)
        resident[7] = 1500.0
        time.sleep(0.06)
        assert door.check(LIGHT)[0].free_mb == pytest.approx(3200 - 400 - 1700 - 1000)


def test_what_was_used_changes_the_next_prediction(tmp_path: Path) -> None:
    door = Admission(lambda: ROOM, Ledger(tmp_path))
    for _ in range(6):
        with door.enter(HEAVY) as ticket:
            ticket.used(800)
    assert door.predict_mb(HEAVY) == 800
    assert door.predict_mb(LIGHT) == 50
    assert isinstance(ticket, Ticket)


def test_a_step_that_fails_leaves_the_door_open() -> None:
    door = Admission(lambda: ROOM)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), door.enter(HEAVY):
            raise ZeroDivisionError
    with door.enter(HEAVY):
        pass
