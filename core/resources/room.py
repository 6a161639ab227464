"""Room: how many bytes may still be written here.

Follows the disk's limits (disk.py) and keeps the last tenth free. The file system is asked anew each time; the slow
`du`, needed where a tier or a person sets the limit, is remembered and corrected by what was written since. Frees
nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.resources.disk import (
    REFUSE,
    SMALLEST_TIER,
    FileSystem,
    Usage,
    measure_usage,
    stat_filesystem,
    tier_limit,
)
from core.settings import Settings

RESERVE = 1.0 - REFUSE  # of a limit: for records, logs and what others write meanwhile
MOST_RESERVE = 10**9  # bytes of a file system: it fails with an error, it does not kill
FRESH_S = 10.0  # a measurement is believed for so long,
SHARE = 0.05  # or until measuring takes no more than this part of the time
FIRST_LIMIT_S, LIMIT_S = 5.0, 0.5  # for the first measurement, and for those that a click may wait for


def bytes_left(limits: list[int], filesystem: FileSystem | None, used: int) -> int:
    """Bytes that may still be written; negative when so many are too much already. Pure.

    Args:
        limits: bytes that we may write in all, by a tier or a person; each keeps RESERVE of itself free.
        filesystem: what it says of itself; None when it says nothing.
        used: bytes that we have written.
    """
    offers = [int(limit * REFUSE) - used for limit in limits]
    if filesystem is not None:
        offers.append(filesystem.free_bytes - min(int(RESERVE * filesystem.total_bytes), MOST_RESERVE))
    return min(offers) if offers else int(SMALLEST_TIER * REFUSE) - used


@dataclass(frozen=True)
class _Measured:
    """A `du`: bytes, when it was done (clock), for how long it is believed, and what had been written before it."""

    used: int
    at: float
    fresh_s: float
    written: int


class Room:
    """Called, it says how many bytes may still be written. Safe to use from several threads.

    Args:
        settings: the limits, and the folders that count.
        measure, filesystem, clock: seams; `measure(settings, limit_s)` walks the folders, `clock` gives seconds.
    """

    def __init__(
        self,
        settings: Settings,
        measure: Callable[[Settings, float], Usage] = measure_usage,
        filesystem: Callable[[], FileSystem | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._measure, self._clock = settings, measure, clock
        self._filesystem = filesystem or (lambda: stat_filesystem(settings.cache_dir))
        tier = tier_limit(settings)
        self._limits = [limit for limit in (tier[0] if tier else None, settings.disk_limit) if limit]
        self._measured: _Measured | None = None
        self._written = 0
        self._measuring, self._counting = threading.Lock(), threading.Lock()

    def __call__(self) -> int:
        """Bytes that may still be written; negative when so many are too much already."""
        found = self._filesystem()
        return bytes_left(self._limits, found, self._used() if self._limits or found is None else 0)

    def wrote(self, count: int) -> None:
        """So many bytes were written since the last measurement; negative for bytes that were freed."""
        with self._counting:
            self._written += count

    def _used(self) -> int:
        known = self._measured
        if known is None or self._clock() - known.at >= known.fresh_s:
            known = self._look(known)
        return max(0, known.used + self._written - known.written)

    def _look(self, known: _Measured | None) -> _Measured:
        """Measure, unless another thread does that already and something is known."""
        if not self._measuring.acquire(blocking=known is None):
            assert known is not None
            return known
        try:
            if self._measured is not None and self._measured is not known:
                return self._measured
            begun, written = self._clock(), self._written
            usage = self._measure(self._settings, FIRST_LIMIT_S if known is None else LIMIT_S)
            took, used = self._clock() - begun, usage.used_bytes
            if known is not None and not usage.complete:  # a lower bound tells less than what was known
                used = max(used, known.used + written - known.written)
            self._measured = _Measured(used, self._clock(), max(FRESH_S, took / SHARE), written)
            return self._measured
        finally:
            self._measuring.release()
