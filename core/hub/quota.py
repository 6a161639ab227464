"""Quota: what the Hub last said about how much more we may ask.

Remembers per kind of request (the Hub counts "api" and "resolvers" apart) a refusal that is still in force, and how
much of the present window is left. Decides, by RateLimit and Retry-After headers; waits for nothing and asks nobody.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

Bucket = Literal["api", "resolvers"]
SPARE = 0.2  # of a window that stays with the people: background work leaves it alone
_DEFAULT_WAIT_S = 60.0  # when a 429 does not say how long
_LONGEST_WAIT_S = 3600.0
_LONGEST_HEADER = 1000  # characters
_FEW = 100  # requests left that count as few where the window's size is not said
_LIMIT = re.compile(r'"[^"]{1,50}"\s*;\s*r=(\d{1,9})\s*;\s*t=(\d{1,9})(?!\d)')
_POLICY = re.compile(r"\bq=(\d{1,9})")


@dataclass(frozen=True)
class Window:
    """What is left of the present window.

    Attributes:
        left, size: requests; size is None when the Hub does not say.
        ends_s: seconds until it starts anew.
    """

    left: int
    size: int | None
    ends_s: float

    def is_ample(self) -> bool:
        """Whether more than SPARE of it is left."""
        return self.left > (_FEW if self.size is None else SPARE * self.size)


def window_of(headers: Mapping[str, str]) -> Window | None:
    """What RateLimit headers (lower case) say; the tightest window where there are several."""
    found = [
        Window(int(left), None, float(ends))
        for left, ends in _LIMIT.findall(headers.get("ratelimit", "")[:_LONGEST_HEADER])
    ]
    if not found:
        return None
    window = min(found, key=lambda w: w.left)
    size = _POLICY.search(headers.get("ratelimit-policy", "")[:_LONGEST_HEADER])
    return Window(window.left, int(size[1]) if size and int(size[1]) else None, min(window.ends_s, _LONGEST_WAIT_S))


def retry_after(headers: Mapping[str, str], default: float = _DEFAULT_WAIT_S) -> float:
    """Seconds that an answer asks us to wait, by RateLimit or Retry-After (seconds or a date); at most an hour.

    Args:
        headers: names in lower case.
        default: when it does not say.
    """
    window = window_of(headers)
    if window is not None and window.left == 0:
        return window.ends_s
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _LONGEST_WAIT_S)
    then = _date(text)
    if then is None:
        return default
    now = _date(headers.get("date", "")) or datetime.now(UTC)  # their clock, where it is known
    return min(max(0.0, (then - now).total_seconds()), _LONGEST_WAIT_S)


def in_seconds(wait: float) -> str:
    """A wait for people, e.g. "try again in 40 s"."""
    return f"try again in {math.ceil(wait)} s"


class Quota:
    """The memory of one endpoint and identity. Shared by threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._refused: dict[Bucket, float] = {}  # until when
        self._windows: dict[Bucket, tuple[Window, float]] = {}  # and when it ends

    def hear(self, bucket: Bucket, headers: Mapping[str, str]) -> None:
        """An answer's headers, names in lower case."""
        window = window_of(headers)
        if window is None:
            return
        ends = self._clock() + window.ends_s
        with self._lock:
            self._windows[bucket] = (window, ends)
            if window.left == 0:
                self._refused[bucket] = ends

    def refuse(self, bucket: Bucket, wait: float) -> None:
        """The Hub wants no such request for so many seconds."""
        with self._lock:
            self._refused[bucket] = max(self._refused.get(bucket, 0.0), self._clock() + wait)

    def wait_s(self, bucket: Bucket) -> float:
        """Seconds until the Hub wants to hear from us again; 0 for now."""
        with self._lock:
            return max(0.0, self._refused.get(bucket, 0.0) - self._clock())

    def is_ample(self) -> bool:
        """Whether nothing is refused and more than SPARE of every window that we know of is left."""
        now = self._clock()
        with self._lock:
            windows = [window for window, ends in self._windows.values() if ends > now]
            return all(until <= now for until in self._refused.values()) and all(w.is_ample() for w in windows)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
