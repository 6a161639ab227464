"""Bytes of image files, plain or gzipped: read as a stream, written beside their final name.

Turns every way in which a file can be unreadable or unwritable into one of our errors. Does not know what a NIfTI is.
"""

from __future__ import annotations

import errno
import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from core.errors import BadVolume, DiskFull, StrokescopeError

CHUNK = 1 << 20  # bytes decoded at a time
AGAIN = "fetch or export the image again"
_DEFLATE_RATIO = 1040  # deflate cannot pack tighter than 1032 : 1


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def readable(path: Path) -> Iterator[IO[bytes]]:
    """The decoded stream of a file, gzipped or not, whatever its name says.

    Raises:
        BadVolume: absent, unreadable, cut off, or its checksum is wrong; also for errors while the block reads.
    """
    try:
        with cast(IO[bytes], gzip.open(path)) if _is_gzip(path) else path.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadVolume("the file is cut off or damaged", hint=AGAIN) from None
    except FileNotFoundError:
        raise BadVolume("the image file is not there", hint="choose the file again") from None
    except OSError as error:
        raise BadVolume(f"the image file cannot be read ({error.strerror})", hint="check the file") from None


def decoded_head(head: bytes, count: int) -> bytes:
    """At most the first `count` decoded bytes of a file of which only the first bytes are given.

    Fewer come when they are not enough. Nothing vouches for them: a gzip's checksum lies at its end.

    Raises:
        BadVolume: they do not unpack.
    """
    if head[:2] != b"\x1f\x8b":
        return head[:count]
    found = b""
    try:
        while head and len(found) < count:
            member = zlib.decompressobj(wbits=31)
            found += member.decompress(head, count - len(found))
            head = member.unused_data
    except zlib.error:
        raise BadVolume("the file is cut off or damaged", hint=AGAIN) from None
    return found


def can_decode_to(path: Path, promised: int) -> bool:
    """Whether a file of this size on disk can hold so many decoded bytes at all."""
    return promised <= path.stat().st_size * (_DEFLATE_RATIO if _is_gzip(path) else 1)


def pieces(stream: IO[bytes], skip: int, count: int) -> Iterator[bytes]:
    """Exactly `count` bytes after `skip`, CHUNK at a time; then makes sure that the stream ends there, checksummed.

    Raises:
        BadVolume: the stream is shorter or longer.
    """
    while skip and (skipped := stream.read(min(skip, CHUNK))):
        skip -= len(skipped)
    while count:
        piece = stream.read(min(count, CHUNK))
        if len(piece) < min(count, CHUNK):
            raise BadVolume("the file is shorter than its header promises", hint=AGAIN)
        count -= len(piece)
        yield piece
    if stream.read(1):
        raise BadVolume("the file is longer than its header promises", hint=AGAIN)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` if the block succeeds, and vanishes if not.

    Raises:
        DiskFull: no room, in the block or here.
        BadVolume: the folder cannot be written to.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(error) from None
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def packed(path: Path, gzipped: bool) -> Iterator[IO[bytes]]:
    """A new file to write decoded bytes into; on disk for good when the block ends. Equal input gives equal bytes."""
    with path.open("xb") as file:
        if gzipped:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream:
                yield cast(IO[bytes], stream)
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder and its parents. Raises DiskFull or BadVolume as `beside`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> StrokescopeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("there is no room to write the image", hint="free some disk space and try again")
    return BadVolume(f"the image cannot be written ({error.strerror})", hint="choose another folder")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
