"""Slots: a file of fixed-size slots written in place, each whole or nothing.

The file is allocated when it is opened and never grows, so it can still be written when the disk is full. Every slot
has a sequence number and a checksum; a torn or flipped one is skipped when read. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SLOT = 512  # one sector: the least that a disk writes at once
_MAGIC = b"SCS1"
_HEAD = struct.Struct("<4sIQH")  # magic, checksum of what follows, sequence, length of the payload
_REST = struct.Struct("<QH")
_CANNOT = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # a file system that cannot allocate ahead
PAYLOAD = SLOT - _HEAD.size
MOST = 4096 * SLOT  # what is read of one file at most


@dataclass(frozen=True)
class Found:
    """What a file of slots holds: (sequence, payload), oldest first, and how many slots were damaged."""

    slots: tuple[tuple[int, bytes], ...]
    damaged: int


class Slots:
    """A file of `count` slots, open for writing.

    Raises:
        OSError: the file cannot be made (full disk, read-only folder), or, with `alone`, another process has it.
    """

    def __init__(self, path: Path, count: int, *, alone: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._count = count
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if alone:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            allocate(self._fd, count * SLOT)
            self._next = 1 + max((number for number, _ in read_slots(path).slots), default=-1)
        except OSError:
            os.close(self._fd)
            raise

    def write(self, payload: bytes) -> int:
        """Put the payload over the oldest slot; returns its sequence. The kernel has it then; it survives a kill."""
        number = self._next
        os.pwrite(self._fd, pack_slot(number, payload), number % self._count * SLOT)
        self._next = number + 1
        return number

    @property
    def removed(self) -> bool:
        """Whether the file was deleted: what is written goes nowhere."""
        return os.fstat(self._fd).st_nlink == 0

    def sync(self) -> None:
        """Wait until the disk has it."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Give the file, and its lock, back."""
        os.close(self._fd)

    def __enter__(self) -> Slots:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def allocate(fd: int, size: int) -> None:
    """Give the file its full size on disk, with zeros where it had nothing."""
    present = os.fstat(fd).st_size
    try:
        os.posix_fallocate(fd, 0, size)
        return
    except AttributeError:  # not on macOS
        pass
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    if present < size and os.pwrite(fd, bytes(size - present), present) != size - present:
        raise OSError(errno.ENOSPC, "no space for all slots")


def pack_slot(number: int, payload: bytes) -> bytes:
    """One slot's bytes; a payload that is too long is cut."""
    payload = payload[:PAYLOAD]
    rest = _REST.pack(number, len(payload)) + payload
    return (_MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest).ljust(SLOT, b"\0")


def unpack_slot(slot: bytes) -> tuple[int, bytes] | None:
    """Sequence and payload, or None when the slot is empty or damaged."""
    if len(slot) != SLOT:
        return None
    magic, checksum, number, length = _HEAD.unpack_from(slot)
    if magic != _MAGIC or length > PAYLOAD or zlib.crc32(slot[8 : _HEAD.size + length]) != checksum:
        return None
    return number, slot[_HEAD.size : _HEAD.size + length]


def read_slots(path: Path) -> Found:
    """Every whole slot; nothing when there is no such file."""
    data = read_tail(path, MOST)
    pieces = [data[start : start + SLOT] for start in range(0, len(data), SLOT)]
    whole = [found for found in map(unpack_slot, pieces) if found is not None]
    used = sum(1 for piece in pieces if piece.strip(b"\0"))
    return Found(tuple(sorted(whole)), used - len(whole))


def is_held(path: Path) -> bool:
    """Whether another has the file alone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def read_tail(path: Path, most: int) -> bytes:
    """The last bytes of a file; none when there is no such file, or it is a folder, a pipe or a device."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        return os.pread(fd, most, max(0, found.st_size - most))
    except OSError:
        return b""
    finally:
        os.close(fd)
