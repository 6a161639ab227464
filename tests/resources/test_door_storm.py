"""The door when much goes wrong at once: callbacks and readings that fail, people who leave; no place is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import NoReturn

import pytest

from core.errors import JobCancelled, OverBudget
from core.resources.admission import Admission
from core.resources.cost import Step
from core.resources.line import Room

ROOM = Room(used_mb=200, limit_mb=4000, disk_free_mb=40_000, disk_limit_mb=50_000)
HEAVY = Step("engine:x", "segmenting", 500, heavy=True)
LONG_S = 60.0


class Boom(Exception):
    """What a callback raises."""


def boom(*arguments: object) -> NoReturn:
    raise Boom


def quick(door: Admission, step: Step = HEAVY, waiting: Callable[[int, str], None] = lambda p, w: None) -> None:
    with door.enter(step, "b", waiting=waiting):
        pass


def leaving(after_s: float) -> Callable[[], bool]:
    at = time.monotonic() + after_s
    return lambda: time.monotonic() > at


def test_a_failing_callback_costs_its_own_step_and_nobody_elses_place() -> None:
    door = Admission(lambda: ROOM, helps=boom)
    with door.enter(HEAVY, "a"):
        with pytest.raises(Boom):
            quick(door, waiting=boom)
        with pytest.raises(Boom), door.enter(HEAVY, "b", cancelled=boom):
            pytest.fail("it was let in")
        with pytest.raises(Boom):
            quick(door, Step("engine:x", "segmenting", 9000))
        assert len(door.places()) == 1
    quick(door)


def test_a_container_that_cannot_be_read_is_no_place_lost() -> None:
    fails = [True]

    def room() -> Room:
        if fails[0]:
            raise OSError(24, "no descriptor left")
        return ROOM

    door = Admission(room, trim=boom)
    with pytest.raises(OSError, match="descriptor"):
        quick(door)
    fails[0] = False
    assert door.places() == ()
    quick(door)
    full = Admission(lambda: replace(ROOM, used_mb=3500), trim=boom)
    with pytest.raises(Boom):
        quick(full)
    assert full.places() == ()


def test_the_watchdog_never_waits_for_a_slow_look_at_the_room() -> None:
    looking, go = threading.Event(), threading.Event()

    def room() -> Room:
        looking.set()
        assert go.wait(LONG_S)
        return ROOM

    door = Admission(room)
    thread = threading.Thread(target=quick, args=(door,))
    thread.start()
    assert looking.wait(LONG_S)
    door.hold("RAM is short", "ram")
    door.resume("ram")
    assert thread.is_alive() and not go.is_set()  # both came back while the look went on
    go.set()
    thread.join(LONG_S)


def test_a_storm_of_steps_ends_with_an_empty_room() -> None:
    """Sessions come at random, some leave, some fail inside: never two heavy, never above the ceiling."""
    held, peak, lock = [0.0], [0.0], threading.Lock()
    heavy_inside, most_heavy = [0], [0]
    ends: list[str] = []
    door = Admission(lambda: Room(200 + held[0], 4000, 40_000, 50_000))

    def live(seed: int) -> None:
        random = Random(seed)
        for _ in range(4):
            step = Step("s", "working", random.choice([50, 400, 1500]), random.choice([0, 10]), random.random() < 0.5)
            try:
                with door.enter(step, f"owner {seed % 5}", leaving(random.choice([0.0, 0.1, LONG_S, LONG_S]))):
                    with lock:
                        held[0] += step.memory_mb
                        heavy_inside[0] += step.heavy
                        peak[0], most_heavy[0] = max(peak[0], held[0]), max(most_heavy[0], heavy_inside[0])
                    try:
                        time.sleep(random.random() * 0.004)
                        if random.random() < 0.2:
                            raise Boom
                    finally:
                        with lock:
                            held[0] -= step.memory_mb
                            heavy_inside[0] -= step.heavy
                ends.append("done")
            except (Boom, JobCancelled, OverBudget) as error:
                ends.append(type(error).__name__)

    threads = [threading.Thread(target=live, args=(seed,), daemon=True) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * LONG_S)
        assert not thread.is_alive()
    assert len(ends) == 48 and "done" in ends
    assert door.places() == () and held[0] == 0.0
    assert most_heavy[0] == 1 and 200 + 1.25 * peak[0] + 400 <= 3200 + 1e-6
    quick(door)
