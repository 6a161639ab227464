"""Watched: one worker under the watchdog's eyes, and the story of its end.

Knows what the worker was admitted with and what it holds in /dev/shm, can kill it, and says afterwards whether the
watchdog or the kernel ended it. Decides nothing (ladder.py) and samples nothing (watchdog.py).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import WorkerDied
from core.resources import shm
from core.resources.budget import SAFETY, size
from core.resources.child import ChildEnd, Handle
from core.resources.ladder import Reason
from core.resources.memory import MB, MemoryReading

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True)
class Kill:
    """Why the watchdog ended a worker, with the numbers of that moment (MB).

    Attributes:
        reason: "level", "projection" (the limit was less than two seconds away) or "drain".
        worker_mb: by the worker's group, pages that its processes share counted in each.
    """

    reason: Reason
    used_mb: float
    limit_mb: float
    worker_mb: float
    predicted_mb: float
    to_limit_s: float | None


class Watched:
    """One worker. Made by `Watchdog.watch`; `attach` and `ended` are what a runner calls.

    Attributes:
        what, case: for sentences and the record.
        predicted_mb: what it was admitted with.
        killed: set before the kill, and taken back when the worker was over already.
    """

    def __init__(
        self,
        what: str,
        case: str,
        predicted_mb: float,
        read: Callable[[], MemoryReading],
        on_attach: Callable[[], None],
        *,
        proc_root: Path = Path("/proc"),
        shm_root: Path = shm.ROOT,
        alone: bool = False,
    ) -> None:
        self.what, self.case, self.predicted_mb = what, case, predicted_mb
        self.killed: Kill | None = None
        self.kernel_kills = 0
        self._read, self._on_attach = read, on_attach
        self._proc_root, self._shm_root, self._alone = proc_root, shm_root, alone
        self._handle: Handle | None = None
        self._kills_before: int | None = None
        self._shm: frozenset[Path] = frozenset()
        self._shm_before: frozenset[Path] | None = None

    def attach(self, handle: Handle) -> None:
        """The worker has started."""
        if self._alone:
            self._shm_before = shm.files_in(self._shm_root)
        reading = self._now()
        self._kills_before = None if reading is None else reading.oom_kills
        self._handle = handle
        self._on_attach()

    @property
    def pid(self) -> int | None:
        """Its number while it runs."""
        handle = self._handle  # the runner's thread may take it away at any moment
        return None if handle is None else handle.pid

    def resident_mb(self) -> float:
        """What its group uses now."""
        pid = self.pid
        return 0.0 if pid is None else group_mb(pid, self._proc_root)

    def unspent_mb(self) -> float:
        """What it may still add by what it was admitted with, 0 when it has broken that or nobody knows.

        Counts its first process alone, which is cheap.
        """
        pid = self.pid
        return 0.0 if pid is None else max(0.0, SAFETY * self.predicted_mb - resident_mb(pid, self._proc_root))

    def note_shm(self) -> None:
        """Remember which files of /dev/shm it holds: they stay when it is killed."""
        pid, shared = self.pid, shm.read_shared_memory(self._shm_root)
        if pid is not None and shared is not None and shared.used_bytes:
            group = shm.group_of(pid, self._proc_root)
            self._shm |= shm.held_by(group, self._shm_root, self._proc_root)

    def kill(self) -> bool:
        """End its group now; False when it was over already."""
        handle = self._handle
        return handle is not None and handle.kill()

    def ended(self, end: ChildEnd) -> WorkerDied | None:
        """The worker is gone: give back what it left in /dev/shm, and say who ended it if it was not itself.

        Returns the error for the user when the watchdog or the kernel's OOM killer did; None otherwise.
        """
        self._handle = None
        self.clear()
        reading = self._now()
        if self._kills_before is not None and reading is not None and reading.oom_kills is not None:
            self.kernel_kills = max(0, reading.oom_kills - self._kills_before)
        if end.signal != signal.SIGKILL or end.cancelled or end.timed_out:
            return None
        if self.killed is not None:
            return killed_error(self.what, self.killed)
        return kernel_error(self.what, end, reading) if self.kernel_kills and reading is not None else None

    def _now(self) -> MemoryReading | None:
        """RAM, or None when it cannot be read: that is no reason to lose a worker's result."""
        try:
            return self._read()
        except OSError:
            return None

    def clear(self) -> None:
        """Delete what it left in /dev/shm, if nobody else holds it.

        That is what it was seen to hold; in a container that is ours alone also whatever came while it ran.
        """
        if self._shm_before is not None:
            self._shm |= shm.files_in(self._shm_root) - self._shm_before
            self._shm_before = None
        if self._shm:
            shm.remove_left(self._shm, self._shm_root, self._proc_root)
            self._shm = frozenset()


def killed_error(what: str, kill: Kill) -> WorkerDied:
    """What the user reads after the watchdog has ended a worker."""
    because = {
        "level": "to keep the app alive",
        "projection": f"{max(0.1, kill.to_limit_s or 0.0):.1f} s before RAM would have run out",
        "drain": "because RAM had nearly run out",
    }[kill.reason]
    admitted = f", it was expected to need {size(kill.predicted_mb)}" if kill.predicted_mb else ""
    message = (
        f"{what} was stopped {because}: {size(kill.used_mb)} of {size(kill.limit_mb)} of RAM was in use, "
        f"{size(kill.worker_mb)} of it by this job{admitted}"
    )
    return WorkerDied(message, hint=_next_step(kill.used_mb - kill.worker_mb, kill.limit_mb))


def kernel_error(what: str, end: ChildEnd, reading: MemoryReading) -> WorkerDied:
    """What the user reads after the kernel was faster."""
    message = (
        f"{what} was ended by the system because the container ran out of RAM: this job had reached at least "
        f"{size(end.peak_rss_mb)} of {size(reading.limit_mb)}"
    )
    return WorkerDied(message, hint=_next_step(reading.used_mb, reading.limit_mb))


def _next_step(others_mb: float, limit_mb: float) -> str:
    if others_mb > 0.4 * limit_mb:
        return "close open cases or wait until others are done, then try again"
    return "choose a smaller image, or use a larger machine"


def resident_mb(pid: int, proc_root: Path = Path("/proc")) -> float:
    """Resident memory of one process; 0 when it is gone."""
    try:
        words = (proc_root / str(pid) / "statm").read_text().split()
        return int(words[1]) * _PAGE / MB
    except (OSError, ValueError, IndexError):
        return 0.0


def group_mb(leader: int, proc_root: Path = Path("/proc")) -> float:
    """Resident memory of a process group; pages that they share count in each."""
    return sum(resident_mb(pid, proc_root) for pid in shm.group_of(leader, proc_root))
