"""Tasks: shared, cancellable, honest about failures."""

import threading

import pytest

from core.errors import FetchCancelled, HubOffline
from core.sources.protocol import Cancelled, Progress, Report
from core.ui.tasks import Tasks, result_of


def test_one_transfer_serves_all_who_ask() -> None:
    tasks, go, runs = Tasks(2), threading.Event(), []

    def work(report: Report, cancelled: Cancelled) -> str:
        runs.append(1)
        report(Progress("x", 1, 2))
        go.wait(5)
        return "done"

    first = tasks.start("k", "x", work, "anna")
    second = tasks.start("k", "x", work, "ben")
    go.set()
    assert first is second
    assert first.wait(5)
    assert (result_of(first), len(runs), first.progress) == ("done", 1, Progress("x", 1, 2))
    assert tasks.start("k", "x", work) is first


def test_only_the_last_watcher_stops_the_work() -> None:
    tasks, stopped = Tasks(1), threading.Event()

    def work(report: Report, cancelled: Cancelled) -> None:
        while not cancelled():
            threading.Event().wait(0.01)
        stopped.set()
        raise FetchCancelled("stopped", hint="retry")

    task = tasks.start("k", "x", work, "anna")
    tasks.start("k", "x", work, "ben")
    tasks.leave("k", "anna")
    assert not task.stop.is_set()
    tasks.leave("k", "ben")
    assert stopped.wait(5)
    assert task.wait(5)
    with pytest.raises(FetchCancelled):
        result_of(task)


def test_a_failure_stays_until_it_is_dropped() -> None:
    tasks, answers = Tasks(1), iter([HubOffline("no network", hint="wait"), None])

    def work(report: Report, cancelled: Cancelled) -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "fine"

    assert tasks.start("k", "x", work).wait(5)
    again = tasks.start("k", "x", work)
    assert again.state == "failed"
    with pytest.raises(HubOffline):
        result_of(again)
    tasks.drop("k")
    task = tasks.start("k", "x", work)
    assert task.wait(5)
    assert result_of(task) == "fine"


def test_a_surprise_is_raised_where_the_result_is_wanted() -> None:
    tasks = Tasks(1)

    def work(report: Report, cancelled: Cancelled) -> None:
        raise ZeroDivisionError

    task = tasks.start("k", "x", work)
    assert task.wait(5)
    with pytest.raises(ZeroDivisionError):
        result_of(task)


def test_what_is_given_back_is_still_handed_to_who_waits() -> None:
    tasks, answers = Tasks(1), iter([HubOffline("no network", hint="wait"), None])

    def work(report: Report, cancelled: Cancelled) -> str:
        if (error := next(answers)) is not None:
            raise error
        return "picture"

    assert tasks.start("bad", "x", work).wait(30)
    good = tasks.start("good", "x", work)
    assert good.wait(30)
    tasks.drop_results()
    assert tasks.get("good") is None
    assert tasks.get("bad") is not None
    assert result_of(good) == "picture"


def test_the_queue_tells_positions_and_forgets_old_tasks() -> None:
    tasks, go = Tasks(1, keep=3), threading.Event()

    def work(report: Report, cancelled: Cancelled) -> bool:
        return go.wait(5)

    started = [tasks.start(n, "x", work) for n in range(5)]
    assert [tasks.position(t) for t in started] == [0, 1, 2, 3, 4]
    go.set()
    assert all(t.wait(5) for t in started)
    last = tasks.start("last", "x", work)
    assert last.wait(5)
    assert tasks.get(0) is None
    assert tasks.get("last") is last
