"""Lately: nobody waits for an answer but the first, and for that not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.ui.lately import Lately


@dataclass
class Slow:
    """Counts how often it is read; waits while `go` is not set."""

    go: threading.Event = field(default_factory=threading.Event)
    times: int = 0

    def __call__(self) -> int:
        self.times += 1
        self.go.wait(60)
        return self.times


@contextmanager
def slow(ready: bool) -> Iterator[Slow]:
    made = Slow()
    if ready:
        made.go.set()
    try:
        yield made
    finally:
        made.go.set()


def until(seen: Lately[int], least: int) -> None:
    """Ask until there is so new an answer."""
    end = time.monotonic() + 30
    while seen() < least:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_first_answer_is_waited_for_and_kept() -> None:
    with slow(ready=True) as read:
        lately = Lately(read, 0, fresh_s=1e9)
        assert [lately() for _ in range(5)] == [1] * 5
        assert read.times == 1


def test_one_that_hangs_is_asked_once_and_waited_for_once() -> None:
    with slow(ready=False) as read:
        lately = Lately(read, 0, fresh_s=0.0, first_s=0.05)
        assert [lately() for _ in range(200)] == [0] * 200
        assert read.times == 1
        read.go.set()
        until(lately, 1)


def test_an_old_answer_is_shown_while_a_newer_one_is_read() -> None:
    now = [0.0]
    with slow(ready=True) as read:
        lately = Lately(read, 0, fresh_s=30.0, ticks=lambda: now[0])
        assert lately() == 1
        read.go.clear()
        now[0] = 29.0
        assert lately() == 1 and read.times == 1
        now[0] = 31.0
        assert [lately() for _ in range(100)] == [1] * 100
        assert read.times == 2
        read.go.set()
        until(lately, 2)
