"""Turns: foreground first, fair among sessions, and work in the background never in the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FetchCancelled
from core.hub.turns import BACKGROUND_PLACES, PLACES, Asked, Turn, Turns, first, queue

LONG_S = 60.0  # far beyond what any step takes, also on a busy machine
turns_of = st.builds(Turn, st.sampled_from("abcd"), st.booleans())
some = st.lists(turns_of, max_size=12)


def never() -> bool:
    return False


class Soon:
    """A cancel: not at once, but when asked again."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self) -> bool:
        self._asked += 1
        return self._asked > 1


def asked(turns: list[Turn], at: int = 0) -> list[Asked]:
    return [Asked(at + number, turn) for number, turn in enumerate(turns)]


@given(some, some)
def test_foreground_goes_before_background(waiting: list[Turn], running: list[Turn]) -> None:
    line = queue(asked(waiting, 100), asked(running))
    assert sorted(line, key=lambda a: a.number) == asked(waiting, 100)
    assert [a.turn.background for a in line] == sorted(a.turn.background for a in line)


@given(some, some)
def test_who_starts_is_the_head_of_the_queue_and_only_into_a_free_place(
    waiting: list[Turn], running: list[Turn]
) -> None:
    line, chosen = queue(asked(waiting, 100), asked(running)), first(asked(waiting, 100), asked(running))
    behind = sum(turn.background for turn in running)
    if chosen is None:
        assert not line or len(running) >= PLACES or (line[0].turn.background and behind >= BACKGROUND_PLACES)
    else:
        assert chosen == line[0] and len(running) < PLACES
        assert not chosen.turn.background or (behind < BACKGROUND_PLACES and all(t.background for t in waiting))


@given(some)
def test_a_session_that_asks_for_much_does_not_keep_others_out(waiting: list[Turn]) -> None:
    """Whoever has fewest of the running ones starts next, as long as something of his waits."""
    left, running = asked(waiting), list[Asked]()
    while chosen := first(left, running, places=len(waiting) + 1):
        held = Counter(a.turn.who for a in running)
        rivals = [a for a in left if a.turn.background == chosen.turn.background]
        assert held[chosen.turn.who] == min(held[a.turn.who] for a in rivals)
        alike = [a for a in rivals if held[a.turn.who] == held[chosen.turn.who]]
        assert chosen.number == min(a.number for a in alike)
        left.remove(chosen)
        running.append(chosen)
    assert all(a.turn.background for a in left)  # only those have a limit of their own


def test_there_are_so_many_places_and_who_waits_is_told_how_many_go_before() -> None:
    turns, inside, most = Turns(places=2), Counter[str](), list[int]()
    go, lock, told = threading.Event(), threading.Lock(), Counter[int]()

    def one(number: int) -> None:
        with turns.place(Turn(str(number)), never, lambda before: told.update([before])):
            with lock:
                inside["now"] += 1
                most.append(inside["now"])
            assert go.wait(LONG_S)
            with lock:
                inside["now"] -= 1

    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(one, number) for number in range(5)]
        until(lambda: len(told) == 3)
        assert turns.busy()
        go.set()
        for future in futures:
            future.result()
    assert max(most) == 2 and set(told) >= {0, 1, 2}
    assert not turns.busy()


def test_background_has_places_of_its_own_and_leaves_the_rest() -> None:
    turns = Turns()
    with ExitStack() as held:
        for _ in range(BACKGROUND_PLACES):
            held.enter_context(turns.place(Turn("a", background=True), never))
        assert not turns.busy()
        with pytest.raises(FetchCancelled), turns.place(Turn("b", background=True), Soon()):
            pytest.fail("a third one in the background")
        with turns.place(Turn("b"), never):
            assert turns.busy()


def test_one_that_was_promoted_counts_as_foreground() -> None:
    turns, promoted = Turns(), threading.Event()
    with turns.place(Turn("a", background=True), never, promoted=promoted.is_set):
        assert not turns.busy()
        promoted.set()
        assert turns.busy()


def test_who_cancels_while_waiting_leaves_no_trace() -> None:
    turns = Turns(places=1)
    with turns.place(Turn("a"), never), pytest.raises(FetchCancelled), turns.place(Turn("b"), Soon()):
        pytest.fail("two in one place")
    assert not turns.busy()
    with turns.place(Turn("c"), never):
        pass


def test_an_error_inside_frees_the_place() -> None:
    turns = Turns(places=1)
    with pytest.raises(ZeroDivisionError), turns.place(Turn("a"), never):
        raise ZeroDivisionError
    with turns.place(Turn("b"), never):
        pass


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
