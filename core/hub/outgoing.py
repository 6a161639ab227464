"""Outgoing: a file on its way to the Hub: read through small buffers, at a pace, counted, and stopped when asked.

Knows no network and no huggingface_hub.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import PublishCancelled

Sent = Callable[[str, int], None]  # a file's name, and how many of its bytes were handed on
_PIECE = 2**20


@dataclass(frozen=True)
class Outgoing:
    """A file that is to be sent.

    Attributes:
        name: its path in the repository.
        path: where it lies here.
        bytes, sha256: that it must have.
    """

    name: str
    path: Path
    bytes: int
    sha256: str


def tell_nobody(name: str, count: int) -> None:
    """For callers that do not watch."""


class Watch:
    """A call that somebody waits for: when it last moved, and whether it is to end. Shared by threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._stopped = clock, threading.Event()
        self._moved = clock()

    def moved(self) -> None:
        """Something happened. Raises PublishCancelled if nobody waits any more."""
        self._moved = self._clock()
        if self._stopped.is_set():
            raise PublishCancelled("stopped", hint="start again: it goes on where it stopped")

    def rest(self, seconds: float) -> None:
        """Wait on purpose. Raises PublishCancelled as soon as nobody waits any more."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            self._stopped.wait(min(left, 1.0))
            self.moved()

    def quiet_s(self) -> float:
        """Seconds since it last moved."""
        return self._clock() - self._moved

    def stop(self) -> None:
        """Nobody waits any more."""
        self._stopped.set()


class Pace:
    """So many bytes a second, of all who share it.

    Args:
        rate: None for as many as there are.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock, self._lock, self._free = rate, clock, threading.Lock(), 0.0

    def wait_s(self, count: int) -> float:
        """Seconds to wait after so many bytes."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = self._clock()
            self._free = max(self._free, now) + count / self._rate
            return self._free - now


class Reader(io.BufferedIOBase):
    """A file as huggingface_hub reads it: first to sum it, and after `begin` to send it.

    It is not given as a path, because huggingface_hub would then leave it to hf_xet, or read it without a pace.

    Raises:
        OSError.
    """

    def __init__(self, file: Outgoing, watch: Watch, pace: Pace, sent: Sent) -> None:
        self._name, self._watch, self._pace, self._sent = file.name, watch, pace, sent
        self._file = file.path.open("rb", buffering=0)
        self._sending = False

    def begin(self) -> None:
        """What is read from now on is sent."""
        self._sending = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        self._watch.moved()
        data = self._file.read(_PIECE if size is None or size < 0 else size) or b""
        if self._sending and data:
            self._watch.rest(self._pace.wait_s(len(data)))
            self._sent(self._name, self._file.tell())
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def sum_of(path: Path, watch: Watch) -> bytes:
    """The sha256 of a file. Raises OSError, PublishCancelled."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            found.update(piece)
            watch.moved()
    return found.digest()
