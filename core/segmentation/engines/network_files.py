"""Files: a model's file as a stranger may have made it, opened and read within bounds.

Only plain files are opened, and no open ever waits; a large file is looked through page by page, so that looking costs
neither its size in memory nor, where it shrinks meanwhile, the process. Knows no format.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PAGE = 4096


@contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """The file, open for reading.

    Raises:
        OSError: there is none, or it is no plain file (a pipe, a device, a folder).
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is no plain file")
    with os.fdopen(number, "rb") as file:
        yield file


class _Pages:
    """Where bytes come from, and the page that was read last."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.read = read
        self.start, self.page = 0, b""

    def byte(self, at: int) -> int:
        if not self.start <= at < self.start + len(self.page):
            self.start, self.page = at, self.read(at, at + PAGE)
        return self.page[at - self.start]


class Paged:
    """A run of bytes that are read when they are asked for. Raises IndexError beyond what there is."""

    __slots__ = ("_pages", "_start", "_stop")

    def __init__(self, pages: _Pages, start: int, stop: int) -> None:
        self._pages, self._start, self._stop = pages, start, stop

    @classmethod
    def of(cls, data: IO[bytes] | memoryview) -> Paged:
        """Of an open file as long as it is now, or of memory."""
        if isinstance(data, memoryview):
            held = data
            return cls(_Pages(lambda start, stop: bytes(held[start:stop])), 0, len(held))
        number = data.fileno()
        size = os.fstat(number).st_size
        return cls(_Pages(lambda start, stop: os.pread(number, stop - start, start)), 0, size)

    def __len__(self) -> int:
        return self._stop - self._start

    def byte(self, at: int) -> int:
        """The byte at a place."""
        if not 0 <= at < self._stop - self._start:
            raise IndexError
        return self._pages.byte(self._start + at)

    def part(self, start: int, stop: int) -> Paged:
        """Those from start to stop; not read yet."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError
        return Paged(self._pages, self._start + start, self._start + stop)

    def head(self, most: int) -> bytes:
        """The first of them."""
        return self._pages.read(self._start, min(self._stop, self._start + most))
