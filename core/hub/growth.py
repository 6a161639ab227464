"""Growth: for how long nothing has changed in the folders where another process should be writing.

A process that was stopped, or that sleeps with its machine's lid, still holds its locks and looks like one that works.
Looks at names and sizes only; what follows is the caller's business (fetch).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


class Growth:
    """Watches folders from now on. Used by one thread.

    Args:
        folders: they need not be there.
        clock: seconds.
    """

    def __init__(self, folders: Iterable[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._folders, self._clock = sorted(set(folders)), clock
        self._seen, self._since = self._look(), clock()

    def still_for(self) -> float:
        """Seconds since a look last found something new: at best called several times a second."""
        found = self._look()
        if found != self._seen:
            self._seen, self._since = found, self._clock()
        return self._clock() - self._since

    def _look(self) -> dict[str, int]:
        return {path: size for folder in self._folders for path, size in _sizes(folder)}


def _sizes(folder: Path) -> Iterable[tuple[str, int]]:
    """Each file of the folder and its bytes; of those that go meanwhile, and of no folder, nothing."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.path, entry.stat(follow_symlinks=False).st_size) for entry in entries]
    except OSError:
        return []
