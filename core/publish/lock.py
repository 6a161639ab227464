"""Lock: one publisher at a time in a staging folder.

The kernel frees the lock when its process dies, however it dies; the file it lies on stays. Where the file system knows
no locks we refuse to work: two publishers would spoil each other's record.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StagingBusy

NAME = ".lock"
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder inside the block.

    Raises:
        StagingBusy: another publisher holds it, or nobody can.
        OSError: the folder cannot be written.
    """
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _refused(handle, error) from None
        with suppress(OSError):  # who it is; only for the others' message
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a publisher works in the folder now; its lock is not touched."""
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _TAKEN
    finally:
        os.close(handle)
    return False


def _refused(handle: int, error: OSError) -> StagingBusy:
    if error.errno not in _TAKEN:
        return StagingBusy(
            f"the staging folder's disk knows no locks ({error.strerror})", hint="choose a folder on a local disk"
        )
    said = b""
    with suppress(OSError):
        said = os.pread(handle, 20, 0)
    who = f" (process {said.decode()})" if said.isdigit() else ""
    return StagingBusy(
        f"another publisher{who} works in this staging folder", hint="wait until it is done, or stop it first"
    )
