"""Journal: a file of lines that only grows, of which nothing that was told to be kept is ever lost.

Each line is JSON behind the sum of its own bytes and is on the disk before `append` returns. A kill or a full disk
leaves at most a torn last line, which reads as absent; a line damaged elsewhere is left out and counted. Knows nothing
of what the lines say (staging.py).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.publish.shard import sync_folder

Entry = Mapping[str, object]
_SUM = 16  # hexadecimal digits before each line
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Read:
    """What a journal holds.

    Attributes:
        entries: by line number, from 0; damaged lines are missing.
        damaged: lines before the last good one that are not what was written.
        bytes: up to the end of the last good line; what follows is torn.
    """

    entries: Mapping[int, Entry]
    damaged: int
    bytes: int


def read_journal(path: Path, start: int = 0, most: int = MAX_BYTES) -> Read:
    """All that can be believed; also while another process appends. Raises OSError.

    Args:
        start: bytes that were read before; lines are numbered from there.
        most: bytes that are read; a longer one is refused, as whoever wrote to it next would cut it off there.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    entries: dict[int, Entry] = {}
    at = good = lines = 0
    while (end := data.find(b"\n", at)) >= 0:
        entry = _parsed(data[at:end])
        at = end + 1
        if entry is not None:
            entries[lines] = entry
            good = at
        lines += 1
    last = max(entries, default=-1)
    return Read(entries, last + 1 - len(entries), start + good)


def create_journal(path: Path, entries: Iterable[Entry]) -> None:
    """Begin a journal with these lines: it is there with all of them, or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.writelines(_line(entry) for entry in entries)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


class Journal:
    """A journal that is written. Whoever has one holds the folder's lock. Safe to use from several threads.

    Args:
        good: bytes that are good, as `read_journal` says; what follows is cut off.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, good: int) -> None:
        self._lock = threading.Lock()
        self._handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._end = good
        os.ftruncate(self._handle, good)

    def append(self, entries: Iterable[Entry]) -> None:
        """Add lines; they are on the disk when this returns, and none of them is if it fails. Raises OSError."""
        data = memoryview(b"".join(_line(entry) for entry in entries))
        with self._lock:
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self._handle, data[written:], self._end + written)
                os.fsync(self._handle)
            except BaseException:
                os.ftruncate(self._handle, self._end)
                raise
            self._end += len(data)

    def close(self) -> None:
        """Harmless a second time."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def _line(entry: Entry) -> bytes:
    body = json.dumps(entry, separators=(",", ":")).encode()
    return _sum(body) + b" " + body + b"\n"


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_SUM].encode()


def _parsed(line: bytes) -> Entry | None:
    digest, _, body = line.partition(b" ")
    if digest != _sum(body):
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
