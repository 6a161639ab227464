"""Leases: files that somebody uses, so that no process removes them.

A lease is a shared lock (flock) on an open descriptor of the file itself: the kernel ends it with the process. Whoever
wants to remove a file must be `alone` with it first. Where the file system knows no locks, leases hold within this
process only. Removes nothing.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_OWNERS = 256  # who was heard of least recently lets go first
MAX_OPEN = 256  # descriptors; further leases hold within this process only
_TRIES, _PAUSE_S = 20, 0.05  # somebody is alone with the file, who removes it at once or leaves it


class Leases:
    """The leases of this process. Safe to use from several threads.

    Args:
        most: descriptors that may be open at once.
    """

    def __init__(self, most: int = MAX_OPEN) -> None:
        self._most = most
        self._held: dict[Path, tuple[int | None, int]] = {}  # descriptor, how many hold it
        self._owners: OrderedDict[str, tuple[Path, ...]] = OrderedDict()
        self._lock = threading.RLock()

    def take(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Hold the files; those of them that are there. Each is to be given back."""
        with self._lock:
            return tuple(path for path in dict.fromkeys(paths) if self._take(path))

    def give_back(self, paths: Iterable[Path]) -> None:
        """Let go of what `take` returned."""
        with self._lock:
            for path in paths:
                handle, count = self._held.pop(path)
                if count > 1:
                    self._held[path] = handle, count - 1
                elif handle is not None:
                    os.close(handle)

    def hold(self, owner: str, paths: Iterable[Path]) -> frozenset[Path]:
        """Hold these files for the owner, instead of those before; returns those that are there."""
        with self._lock:
            taken = self.take(paths)
            self.let_go(owner)
            self._owners[owner] = taken
            while len(self._owners) > MAX_OWNERS:
                self.let_go(next(iter(self._owners)))
            return frozenset(taken)

    def let_go(self, owner: str) -> None:
        """The owner needs nothing any more; harmless for one that is not known."""
        with self._lock:
            self.give_back(self._owners.pop(owner, ()))

    def holds(self, path: Path) -> bool:
        """Whether somebody in this process holds the file."""
        with self._lock:
            return path in self._held

    def _take(self, path: Path) -> bool:
        handle, count = self._held.get(path, (None, 0))
        if not count:
            if sum(1 for fd, _ in self._held.values() if fd is not None) >= self._most:
                if not path.exists():
                    return False
            else:
                handle = _share(path)
                if handle is None:
                    return False
        self._held[path] = handle, count + 1
        return True


def _share(path: Path) -> int | None:
    """A descriptor with a shared lock on the file that is at the path now; None if there is none."""
    for _ in range(_TRIES):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        if _locked(handle, fcntl.LOCK_SH) and _is_at(handle, path):
            return handle
        os.close(handle)
        time.sleep(_PAUSE_S)
    return None


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether the file is there and nobody, in any process, has a lease on it; then nobody gets one in the block."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _locked(handle, fcntl.LOCK_EX) and _is_at(handle, path)
    finally:
        os.close(handle)


def in_use(path: Path) -> bool:
    """Whether somebody, in any process, has a lease on the file. False for one that is gone."""
    with alone(path) as nobody:
        return not nobody and path.exists()


def _locked(handle: int, kind: int) -> bool:
    """Whether the lock was to be had at once; as good as had where the file system has none."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one at the path now."""
    with suppress(OSError):
        mine, there = os.fstat(handle), path.stat()
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
    return False
