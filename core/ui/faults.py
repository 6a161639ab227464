"""Faults: what the app meets and the flight record should know of: a disk that refused a write.

Told of every failure; keeps to what an operating system said (errno 28), not to what we refused ourselves.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SEEN = "strokescope_seen"  # on the error itself: whoever kept errors would keep all that their frames hold
EVERY_S = 10.0  # at most one transition in so long: a full disk fails everything at once


class Faults:
    """One for the app. Safe to use from several threads.

    Args:
        note: the record: (event, **facts).
    """

    def __init__(self, note: Callable[..., object], ticks: Callable[[], float] = time.monotonic) -> None:
        self._note, self._ticks = note, ticks
        self._lock = threading.Lock()
        self._noted = float("-inf")

    def seen(self, error: BaseException, what: str) -> None:
        """Something failed; the same error may come again and again, as long as it stands on a screen.

        Args:
            what: what did, in a word that names no case and no file.
        """
        if not disk_was_full(error) or vars(error).get(_SEEN):
            return
        setattr(error, _SEEN, True)
        with self._lock:
            now = self._ticks()
            if now - self._noted < EVERY_S:
                return
            self._noted = now
        self._note("disk full", what=what)


def disk_was_full(error: BaseException) -> bool:
    """Whether a write that the disk refused is at the root of it."""
    return any(isinstance(one, OSError) and one.errno in FULL for one in roots(error))


def roots(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
