"""Sending: how a staging folder is sent: the limits, how far it is, and how long to wait after a refusal.

Numbers and clocks only; nothing here talks to the Hub (upload.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Literal

from core.errors import HubError, HubRateLimited, HubServerError, PublishCancelled

Doing = Literal["asking", "comparing", "sending", "committing", "waiting", "reading", "card"]
THEN = "start again then: it goes on where it stopped"
_POLL_S = 0.1
_LONGEST_SHIFT = 16


@dataclass(frozen=True)
class Options:
    """How it is sent.

    Attributes:
        files, bytes: of one commit at most; a shard larger than `bytes` is alone in one.
        slice_files, slice_bytes: that are summed and handed over at a time.
        attempts: failures in a row, without a single shard more in the repository, after which it is given up.
        pause_s: after the first of them, doubled for each further one up to `longest_s`, times 0.5 to 1.5 by chance.
        longest_rest_s: that is rested in a row because the Hub asks for it; more is not waited for.
        create: make the repository if there is none. private: as nobody else's.
    """

    files: int = 50
    bytes: int = 20 * 10**9
    slice_files: int = 16
    slice_bytes: int = 10**9
    attempts: int = 10
    pause_s: float = 2.0
    longest_s: float = 300.0
    longest_rest_s: float = float("inf")
    create: bool = True
    private: bool = False


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        shard: path of the one at hand, "" if none is.
        proven, shards: shards that the repository has proven to hold, and all.
        bytes, total: handed over or proven, and all.
        rate: bytes a second, of what was handed over in this run.
        seconds_left: None while nobody can say.
        note: what it waits for.
        rest_s: seconds until it tries again; None unless it waits for that.
    """

    doing: Doing
    shard: str
    proven: int
    shards: int
    bytes: int
    total: int
    rate: float
    seconds_left: float | None
    note: str = ""
    rest_s: float | None = None


@dataclass(frozen=True)
class Clock:
    """The outside world's time and chance."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)
    wall: Callable[[], float] = time.time


USUAL = Options()
CLOCK = Clock()


def asked_by(error: HubError) -> float:
    """Seconds that the Hub asks to wait."""
    return error.retry_after_s if isinstance(error, HubRateLimited | HubServerError) else 0.0


class Row:
    """Failures in a row, and how long was rested after them."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self.failures, self._rested = 0, 0.0

    def end(self) -> None:
        """Something went well."""
        self.failures, self._rested = 0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is to be given up."""
        return self.failures >= self._options.attempts

    def rest_after(self, error: HubError) -> float:
        """Seconds to wait after one more failure.

        Raises:
            HubRateLimited, HubServerError: the Hub asks for more than is left; says when to come back.
        """
        asked = asked_by(error)
        if asked > max(0.0, self._options.longest_rest_s - self._rested):
            raise too_long(error, asked, self._clock.wall())
        seconds = pause_after(error, self.failures, self._options, self._clock.chance())
        self._rested += seconds
        return seconds


def too_long(error: HubError, asked: float, now: float) -> HubError:
    """The error for a Hub that asks to wait longer than anybody wants to.

    Args:
        now: seconds since 1970.
    """
    minutes = ceil(asked / 60)
    until = datetime.fromtimestamp(60 * ceil((now + asked) / 60), UTC).strftime("%Y-%m-%d %H:%M UTC")
    said = f"{error}, and asks to wait at least {minutes // 60} h {minutes % 60:02d} min, until {until}"
    if isinstance(error, HubRateLimited):
        return HubRateLimited(said, hint=THEN, retry_after_s=asked)
    return HubServerError(said, hint=THEN, retry_after_s=asked)


def pause_after(error: HubError, failures: int, options: Options, chance: float) -> float:
    """Seconds to wait after so many failures in a row: what the Hub asks for, or longer each time.

    Args:
        chance: 0 to 1.
    """
    asked = asked_by(error)
    doubled = options.pause_s * float(2 ** min(max(0, failures - 1), _LONGEST_SHIFT))
    own = min(options.longest_s, doubled) * (0.5 + chance)
    return max(own, asked + options.pause_s * chance) if asked > 0 else own


def next_size(size: int, limit: int, took: bool) -> int:
    """Files of the next commit: half as many after a refusal, half as many more after one that was taken."""
    return min(limit, size + max(1, size // 2)) if took else max(1, size // 2)


class Meter:
    """Counts what is handed over, and tells. Shared by threads.

    Args:
        tell: called by several threads, one at a time.
    """

    def __init__(self, tell: Callable[[Progress], None], cancelled: Callable[[], bool], clock: Clock) -> None:
        self._tell, self._cancelled, self._clock = tell, cancelled, clock
        self._lock = threading.Lock()
        self._began = clock.now()
        self._rested = 0.0
        self._at: dict[str, int] = {}
        self._before = 0
        self.doing: Doing = "asking"
        self._counts = (0, 0, 0, 0)

    def proven(self, shards: int, of: int, bytes: int, total: int) -> None:
        """So much is proven. What is on its way is counted from zero."""
        with self._lock:
            self._before += sum(self._at.values())
            self._at.clear()
            self._counts = (shards, of, bytes, total)
            self._say("comparing", "")

    def sent(self, name: str, at: int) -> None:
        """So many bytes of a file were handed over."""
        with self._lock:
            self._at[name] = max(at, self._at.get(name, 0))
            self._say("sending", name)

    def read(self, name: str, at: int) -> None:
        """So many bytes of a file were fetched back."""
        with self._lock:
            self._at[name] = at
            self._say("reading", name)

    def turn(self, doing: Doing, note: str = "") -> None:
        """Now this."""
        with self._lock:
            self._say(doing, "", note)

    def rest(self, seconds: float, note: str) -> None:
        """Wait. Raises PublishCancelled as soon as the user stops."""
        end = self._clock.now() + seconds
        while (left := end - self._clock.now()) > 0:
            self.stop_if()
            self.waits(note, left)
            self._clock.sleep(min(left, _POLL_S))
        self._rested += seconds

    def waits(self, note: str, seconds: float) -> None:
        """It will try again in so many seconds."""
        with self._lock:
            self._say("waiting", "", note, seconds)

    def stop_if(self) -> None:
        """Raise PublishCancelled if the user stopped."""
        if self._cancelled():
            raise PublishCancelled("stopped", hint="start again: it goes on where it stopped")

    def _say(self, doing: Doing, shard: str, note: str = "", rest_s: float | None = None) -> None:
        proven, shards, done, total = self._counts
        now = sum(self._at.values())
        seconds = self._clock.now() - self._began - self._rested
        rate = (self._before + now) / seconds if seconds > 0 else 0.0
        at = min(total, done + now)
        left = (total - at) / rate if rate > 0 else None
        self._tell(Progress(doing, shard, proven, shards, at, total, rate, left, note, rest_s))
