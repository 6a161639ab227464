"""Room: how much may still be written to the staging folder's disk, and the errors when that is not enough.

Asks the file system; limits that a platform counts by itself are the plan's business (needs.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from core.errors import DiskFull, PublishError, StrokescopeError
from core.resources.budget import size
from core.resources.memory import MB

Room = Callable[[Path], int]  # bytes that may still be written to the disk of this folder
SPARE = 8 * 2**20  # bytes that stay free, so that the record can go on growing
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def free_bytes(folder: Path) -> int:
    """Bytes that this process may still write to the folder's file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def require(wanted: int, free: int) -> None:
    """Do nothing if so many bytes fit.

    Raises:
        DiskFull: says how much is missing.
    """
    if wanted + SPARE > free:
        raise full(wanted + SPARE, free)


def full(wanted: int, free: int) -> DiskFull:
    """The error for a disk on which the next shard does not fit."""
    missing = max(0, wanted - free)
    return DiskFull(
        f"the next shard needs {size(wanted / MB)} on the staging folder's disk, {size(free / MB)} is free",
        hint=f"free {size(missing / MB)} or more and start again: it goes on where it stopped",
    )


def unwritable(error: OSError, wanted: int, folder: Path, room: Room) -> StrokescopeError:
    """The error for a file that could not be written.

    Args:
        wanted: bytes that it was to have.
    """
    if error.errno not in _FULL:
        return PublishError(
            f"the staging folder cannot be written ({error.strerror})", hint="check its disk, or choose another folder"
        )
    try:
        free = room(folder)
    except OSError:
        free = 0
    return full(wanted + SPARE, min(free, wanted))
