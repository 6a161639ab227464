"""Lately: an answer that takes a while, read in the background; who asks gets the last one and does not wait.

Only the very first is waited for, and not for long. Does not know what is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

FRESH_S = 30.0  # an answer is not asked for again before it is so old
FIRST_S = 10.0  # the first one takes a second with a full record
AGAIN_S = 0.3  # a newer one is usually there by then

T = TypeVar("T")


class Lately(Generic[T]):
    """One for all sessions; one thread reads at a time, so one that hangs costs one wait and one thread.

    Args:
        read: may take long; never called by who asks.
        nothing: the answer while there is none.
    """

    def __init__(
        self,
        read: Callable[[], T],
        nothing: T,
        *,
        fresh_s: float = FRESH_S,
        first_s: float = FIRST_S,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._answer, self._ticks = read, nothing, ticks
        self._fresh_s, self._patience_s = fresh_s, first_s
        self._lock = threading.Lock()
        self._begun: float | None = None
        self._over = threading.Event()
        self._over.set()

    def __call__(self) -> T:
        """The newest answer there is; begins to read a newer one where it is old."""
        with self._lock:
            if self._over.is_set() and (self._begun is None or self._ticks() - self._begun >= self._fresh_s):
                self._begun = self._ticks()
                self._over.clear()
                threading.Thread(target=self._work, name="lately", daemon=True).start()
        if not self._over.wait(self._patience_s):
            self._patience_s = 0.0  # somebody waited in vain: nobody does until it answers
        return self._answer

    def _work(self) -> None:
        try:
            self._answer = self._read()
            self._patience_s = AGAIN_S
        finally:
            self._over.set()
