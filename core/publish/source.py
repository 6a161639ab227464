"""Source: one file of the source tree, copied or summed through a buffer, and held against what the scan saw.

Knows nothing of shards and writes nothing to the source.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from core.errors import PublishError, SourceChanged
from core.publish.rows import FileRef

BUFFER = 2**20
Seen = Callable[[int], None]  # told how many bytes passed since the last call; may raise to stop


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, data: memoryview, /) -> int: ...


def copy_file(path: Path, ref: FileRef, out: Sink, crc: int, seen: Seen) -> tuple[str, int]:
    """Copy a source file through a buffer: the sha256 of its bytes, and the CRC-32 gone on with over them.

    Raises:
        SourceChanged: it is not what the scan saw, before or after. PublishError: it cannot be read.
    """
    found, buffer = hashlib.sha256(), memoryview(bytearray(BUFFER))
    total = 0
    with _opened(path, ref) as source:
        _check_same(source, ref)
        while count := _read_into(source, buffer, ref):
            piece = buffer[:count]
            total += count
            if total > ref.bytes:
                raise changed(ref)
            found.update(piece)
            crc = zlib.crc32(piece, crc)
            out.write(piece)
            seen(count)
        _check_same(source, ref)
        with suppress(OSError):
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if total != ref.bytes:
        raise changed(ref)
    return found.hexdigest(), crc


def sum_file(path: Path, ref: FileRef, seen: Seen) -> str:
    """The sha256 of a source file's bytes. Raises as `copy_file`."""
    return copy_file(path, ref, _Nowhere(), 0, seen)[0]


class _Nowhere:
    """Where bytes go that are only summed."""

    def write(self, data: memoryview, /) -> int:
        return len(data)


def opened(path: Path) -> BinaryIO:
    """A file of the source, unbuffered. One that became a pipe since the scan waits for nobody. Raises OSError."""
    return open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _opened(path: Path, ref: FileRef) -> BinaryIO:
    try:
        return opened(path)
    except OSError as error:
        raise _unreadable(ref, error) from None


def _read_into(source: BinaryIO, buffer: memoryview, ref: FileRef) -> int:
    try:
        return source.readinto(buffer) or 0  # type: ignore[attr-defined]
    except OSError as error:
        raise _unreadable(ref, error) from None


def _check_same(source: BinaryIO, ref: FileRef) -> None:
    found = os.fstat(source.fileno())
    if (found.st_size, found.st_mtime_ns) != (ref.bytes, ref.mtime_ns):
        raise changed(ref)


def changed(ref: FileRef) -> SourceChanged:
    """The error for a file that is not as it was scanned."""
    return SourceChanged(f"{ref.path} changed since it was scanned", hint="start again: the folder is scanned anew")


def _unreadable(ref: FileRef, error: OSError) -> PublishError:
    return PublishError(f"{ref.path} cannot be read ({error.strerror})", hint="mend the file, then go on")
