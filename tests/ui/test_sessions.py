"""What a session held is let go when it ends; the browser's key presses are counted, none lost."""

from __future__ import annotations

import threading

from core.ui.keys import new_steps
from core.ui.sessions import Sessions


def test_an_ended_session_lets_go_and_the_others_keep() -> None:
    alive, gone, seen = {"a", "b"}, [], threading.Event()

    def let_go(owner: str) -> None:
        gone.append(owner)
        seen.set()

    sessions = Sessions(let_go, alive.__contains__, look_s=0.01)
    sessions.arrive("a", "anna")
    sessions.arrive("b", "ben")
    alive.remove("a")
    assert seen.wait(30)
    assert gone == ["anna"]
    seen.clear()
    alive.clear()
    assert seen.wait(30)
    assert gone == ["anna", "ben"]
    alive.add("c")
    seen.clear()
    sessions.arrive("c", "cleo")  # looks again although the thread had ended
    alive.clear()
    assert seen.wait(30)
    assert gone[-1] == "cleo"


def test_presses_add_up_whatever_was_lost_between() -> None:
    session: dict[str, object] = {}
    assert new_steps({"id": "x", "sum": 1}, session) == 1
    assert new_steps({"id": "x", "sum": 5}, session) == 4
    assert new_steps({"id": "x", "sum": 5}, session) == 0
    assert new_steps({"id": "x", "sum": 3}, session) == -2
    assert new_steps({"id": "y", "sum": 2}, session) == 2  # the page was loaded anew


def test_nonsense_from_a_browser_moves_nothing() -> None:
    for value in (None, 3, {}, {"id": 1, "sum": 1}, {"id": "x", "sum": "2"}, {"id": "x", "sum": 10**9}):
        assert new_steps(value, {}) == 0


def test_sessions_are_counted_until_they_end() -> None:
    alive = {"a", "b"}
    sessions = Sessions(lambda owner: None, alive.__contains__, look_s=1000.0)
    for session in ("a", "b", "a"):
        sessions.arrive(session, session)
    assert len(sessions) == 2
    alive.remove("a")
    assert sessions.sweep()
    assert len(sessions) == 1
