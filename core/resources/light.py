"""Light: the container's RAM, read many times a second.

The same numbers as `read_memory`, from the groups that decide alone: which these are is looked up anew every LOOK_S
seconds, and at once when one has gone. Reads only RAM.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.resources.cgroup import Folder, Group, groups_in, memory_folders, read_meminfo, unreclaimable_kernel
from core.resources.memory import MemoryReading, decide_memory, read_host
from core.settings import Settings

LOOK_S = 10.0


class LightMemory:
    """Calling it gives a MemoryReading. Safe to share between threads: at worst the groups are sought twice."""

    def __init__(
        self, settings: Settings, proc_root: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._proc_root, self._clock = settings, proc_root, clock
        self._known: tuple[tuple[Folder, Group], ...] = ()
        self._looked: float | None = None

    def __call__(self) -> MemoryReading:
        """Ask the kernel and decide.

        Raises:
            OSError: nothing can be read now, e.g. because this process has no descriptor left. The host's numbers in
                place of the group's would look calm.
        """
        now = self._clock()
        meminfo = read_meminfo(self._proc_root)
        kernel = unreclaimable_kernel(meminfo)
        if self._looked is None or now - self._looked > LOOK_S:
            self._look(now, kernel)
        groups = self._read(kernel)
        if groups is None:
            self._ask_folders()
            self._look(now, kernel)
            groups = self._read(kernel) or ()
        host = read_host(self._proc_root, meminfo)
        return decide_memory(groups, host, self._settings.container_memory, self._settings.memory_limit)

    def _ask_folders(self) -> None:
        for (_, folder), _ in self._known:
            with suppress(FileNotFoundError, NotADirectoryError):
                next(folder.iterdir(), None)

    def _look(self, now: float, kernel: int | None) -> None:
        folders = memory_folders(self._settings.cgroup_root, self._proc_root)
        read = [(folder, groups_in([folder], kernel)) for folder in folders]
        self._known = tuple((folder, groups[0]) for folder, groups in read if groups)
        self._looked = now

    def _read(self, kernel: int | None) -> tuple[Group, ...] | None:
        """Groups that decide anew, the rest as they were; None when one of them has gone."""
        known = self._known
        read: list[Group] = []
        for number, (folder, group) in enumerate(known):
            decides = number == 0 or group.limit_bytes is not None
            fresh = groups_in([folder], kernel) if decides else (group,)
            if not fresh:
                return None
            read += fresh
        return tuple(read)
