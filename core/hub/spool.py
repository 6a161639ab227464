"""Spool: a column chunk that Parquet must unpack, on its way into the place of the image's unfinished file.

Like a draft it is noted, kept after a break, a cancel or a kill, and gone on with by who holds the key's lock next;
unlike one it is no image, and goes once the image is finished. Neither fetches nor reads Parquet (images).
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StrokescopeError
from core.hub.entries import Key, sidecar
from core.hub.part import Part, Promise, discard_part, note_part, open_part, part_at, remove
from core.hub.shelf import KEEP_BYTES, disk_error, draft_name

_READ = 65536
_NOTE_EVERY = 2**20  # bytes after which the sum so far is noted again: a kill costs no more


class Spool:
    """One chunk. Used by one thread.

    Args:
        root: the cache's.
        key: of the image. Whoever makes a shared spool holds its lock.
        promise: of the image; what lies there of another one is thrown away.
        first, total: where the chunk lies on the Hub, and its bytes.
        shared: it may be gone on with; otherwise it lies under a name of its own.
        seen: told how many bytes of what is here were read; may raise to stop, which leaves them as they are.

    Raises:
        DiskFull, BadSettings: it cannot be read or written. FetchCancelled.
    """

    def __init__(
        self,
        root: Path,
        key: Key,
        promise: Promise,
        first: int,
        total: int,
        shared: bool,
        seen: Callable[[int], None],
    ) -> None:
        self._promise, self._first, self._total, self._shared = promise, first, total, shared
        self._path = root / (key.part if shared else key.folder / draft_name(key.modality))
        self._sha256 = hashlib.sha256()
        self.bytes = self._noted = 0
        self.bad = self._torn = False
        self._here = True
        part = part_at(self._path) if shared else None
        fits = part is not None and part.chunk and (part.promise, part.first, part.total) == (promise, first, total)
        if part is None or not fits or not self._goes_on(part, seen):
            remove(sidecar(self._path))
            self._sha256, self.bytes = hashlib.sha256(), 0
            self._file = open_part(self._path, "w+b")

    def write(self, data: bytes) -> None:
        """Append the next bytes.

        Raises:
            DiskFull, BadSettings: they cannot be written.
        """
        rest = memoryview(data)
        try:
            while len(rest):
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self._torn = True
            raise disk_error(error) from None
        self._sha256.update(data)
        self.bytes += len(data)
        if self.bytes - self._noted >= (_NOTE_EVERY if self._noted else KEEP_BYTES):
            self._note()

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """All of its bytes, inside the block. Raises BadSettings: they cannot be read."""
        try:
            chunk = mmap.mmap(self._file.fileno(), self._total, access=mmap.ACCESS_READ)
        except OSError as error:
            raise disk_error(error) from None
        view = memoryview(chunk)
        try:
            yield view
        finally:
            with suppress(BufferError):  # an error on its way out still refers to a piece of it: both go together
                view.release()
                chunk.close()

    def pause(self) -> None:
        """Keep what is here for who goes on, if that is worth it. Harmless after `discard`."""
        if self.bad or not self._shared or self.bytes < KEEP_BYTES:
            self.discard()
        elif self._here:
            if not self._torn:  # or another number of bytes lies there: the last note stands
                self._note()
            self._close()

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `pause`."""
        if self._here:
            self._close()
            discard_part(self._path)

    def _goes_on(self, part: Part, seen: Callable[[int], None]) -> bool:
        """Read what is here as far as its sum was noted; what is beyond goes. Whether it is what was noted."""
        self._file = open_part(self._path, "r+b")
        agreed = False
        try:
            while data := self._file.read(min(_READ, part.summed - self.bytes)):
                self._sha256.update(data)
                self.bytes += len(data)
                seen(self.bytes)
            agreed = self._sha256.hexdigest() == part.sha256
            if agreed:
                self._file.truncate(self.bytes)
                self._noted = self.bytes
        except OSError as error:
            self._close()
            raise disk_error(error) from None
        except StrokescopeError:
            self._close()
            raise
        if not agreed:
            self._file.close()
        return agreed

    def _note(self) -> None:
        if self._shared:
            self._noted = self.bytes
            part = Part(self._promise, self._first, self._total, self.bytes, self._sha256.hexdigest(), chunk=True)
            note_part(self._path, part)

    def _close(self) -> None:
        self._here = False
        with suppress(OSError):
            self._file.close()
