"""Locks: one holder at a time for a file on this disk, among threads and processes.

The kernel frees a lock when its process dies, however it dies. Where the file system knows no locks nobody is kept out,
and the holder is told so. Knows nothing of what a lock protects.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.hub.policy import POLL_S, Cancelled, stop_if

_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


@contextmanager
def lock(
    path: Path,
    cancelled: Cancelled,
    waiting: Callable[[], None] = lambda: None,
    hopeless: Callable[[], bool] = lambda: False,
) -> Iterator[bool]:
    """Hold the lock inside the block; False where nobody is kept out: the file system has no locks, or it is hopeless.

    Args:
        waiting: called about ten times a second while another one holds it.
        hopeless: asked as often, whether to go on without the lock; the other one may still hold it and work.

    Raises:
        FetchCancelled: the user stopped while another one held it.
    """
    while True:
        handle, locked = _take(path)
        if handle is not None or not locked:
            break
        waiting()
        stop_if(cancelled)
        if hopeless():
            break
        time.sleep(POLL_S / 2)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _free(path, handle)


@contextmanager
def trying(path: Path) -> Iterator[bool]:
    """Hold the lock inside the block if nobody else does: True. False, at once, if somebody does.

    True as well where the file system has no locks.
    """
    handle, locked = _take(path)
    try:
        yield handle is not None or not locked
    finally:
        if handle is not None:
            _free(path, handle)


def _take(path: Path) -> tuple[int | None, bool]:
    """(the open lock file if it is ours now, whether there are locks here at all)."""
    for _ in range(100):  # a lock file or its folder may vanish between two steps, when a holder leaves
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (FileNotFoundError, FileExistsError):
            continue
        except OSError:
            return None, False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle, True
        except OSError as error:
            os.close(handle)
            return None, error.errno in _TAKEN
        os.close(handle)
    return None, path.parent.is_dir()


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at the path: a lock on a removed file keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _free(path: Path, handle: int) -> None:
    """Remove the lock file while it is held, and let go of it."""
    with suppress(OSError):
        path.unlink()
    os.close(handle)
