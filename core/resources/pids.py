"""Process numbers: whether the process that had one still lives. Numbers are used again, in containers always."""

from __future__ import annotations

import psutil

_SAME_START_S = 2.0  # two looks at one process's start time differ by less; a reused number differs by more


def is_alive(pid: int, born: float | None) -> bool:
    """Whether the process lives and is the one that was born then."""
    now = born_of(pid)
    return now is not None and (born is None or abs(now - born) < _SAME_START_S)


def born_of(pid: int) -> float | None:
    """When the process began, seconds since 1970; None when it is gone or only waits to be reaped."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None
