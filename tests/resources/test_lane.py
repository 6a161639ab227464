"""A lane delays nobody for longer than agreed, and counts what it could not do."""

from __future__ import annotations

import errno
import threading

from core.resources.lane import Lane


def test_jobs_run_in_order_and_can_be_waited_for() -> None:
    lane, done = Lane("local"), []
    for number in range(20):
        lane.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert lane.settle(30.0)
    assert done == list(range(20))
    assert lane.close(30.0)
    assert lane.counts() == {}


def test_a_job_that_hangs_is_counted_not_waited_for() -> None:
    lane, go = Lane("bucket", capacity=2), threading.Event()

    def hang() -> None:
        go.wait(60.0)

    assert not lane.do(hang, wait_s=0.05)
    for _ in range(4):
        lane.do(lambda: None)
    assert lane.counts() == {"bucket late": 1, "bucket dropped": 2}
    go.set()
    assert lane.close(30.0)
    assert lane.do(lambda: None, 30.0)  # it can be used again
    lane.close(30.0)


def test_errors_are_counted_and_told() -> None:
    told: list[OSError] = []
    lane = Lane("local", on_error=told.append)

    def full() -> None:
        raise OSError(errno.ENOSPC, "full")

    assert lane.do(full, 30.0)
    assert lane.do(full, 30.0)
    assert lane.counts() == {"local ENOSPC": 2}
    assert [error.errno for error in told] == [errno.ENOSPC] * 2
    lane.close(30.0)
