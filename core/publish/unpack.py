"""Unpack: the decoded bytes of an image file, a piece at a time, and what its gzip says beside them.

Holds one piece, however large the file and however tightly it is packed. Checks the checksums of gzip; does not know
what a NIfTI is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO

from core.errors import BadVolume
from core.imaging.stream import AGAIN, CHUNK

_MAGIC = b"\x1f\x8b"
_READ = 1 << 18  # bytes read at a time
_HEAD = 1 << 16  # bytes of a member's beginning that are looked at for its name


class Damaged(BadVolume):
    """The file's bytes are not what they were; not a matter of its header. Never leaves this package."""


@dataclass(frozen=True)
class Member:
    """What one gzip member says of itself.

    Attributes:
        name, comment: texts that it carries; "" for none.
        time: seconds since 1970 when it was packed; 0 if it does not say.
        extra: whether it carries a field of somebody's own.
    """

    name: str = ""
    comment: str = ""
    time: int = 0
    extra: bool = False


class Unpacked:
    """A file's decoded bytes.

    Args:
        file: at its beginning.
        passed: told how many bytes were read from it since, 0 too; may raise to stop.

    Attributes:
        members: those met so far; empty for a file that is not packed.
        packed: whether it is.
    """

    def __init__(self, file: IO[bytes], passed: Callable[[int], None]) -> None:
        self._file, self._passed = file, passed
        self._first = file.read(_READ)
        self.packed = self._first[:2] == _MAGIC
        self.members: list[Member] = []

    def pieces(self) -> Iterator[bytes]:
        """All decoded bytes in order, at most CHUNK at a time.

        Raises:
            Damaged: cut off, or a wrong checksum. OSError: it cannot be read.
        """
        if not self.packed:
            yield from self._raw()
            return
        try:
            yield from self._decoded()
        except zlib.error:
            raise Damaged("the file is cut off or damaged", hint=AGAIN) from None

    def _raw(self) -> Iterator[bytes]:
        data, self._first = self._first, b""
        while data:
            self._passed(len(data))
            yield data
            data = self._file.read(_READ)

    def _decoded(self) -> Iterator[bytes]:
        source, data = self._raw(), b""
        while data or (data := next(source, b"")):
            if self.members and not data.strip(b"\0"):
                data = b""  # padding, which gzip allows
                continue
            while len(data) < min(_HEAD, 18) and (more := next(source, b"")):
                data += more
            self.members.append(member_of(data))
            data = yield from self._member(data, source)

    def _member(self, data: bytes, source: Iterator[bytes]) -> Generator[bytes, None, bytes]:
        """One member's bytes; returns what comes after it."""
        member = zlib.decompressobj(wbits=31)
        while True:
            if piece := member.decompress(data, CHUNK):
                self._passed(0)  # one byte may unpack to a thousand: a stop must not wait for the next read
                yield piece
            if member.eof:
                return member.unused_data
            data = member.unconsumed_tail or (b"" if piece and len(piece) == CHUNK else next(source, b""))
            if not data and len(piece) < CHUNK:
                raise Damaged("the file is cut off or damaged", hint=AGAIN)


def member_of(data: bytes) -> Member:
    """What the beginning of a gzip member says; nothing for what does not have that form."""
    if len(data) < 10 or data[:2] != _MAGIC:
        return Member()
    flags, at = data[3], 10
    if flags & 4:
        at += 2 + int.from_bytes(data[10:12], "little")
    texts = []
    for flag in (8, 16):
        end = data.find(b"\0", at, _HEAD) if flags & flag else -1
        texts.append(data[at:end].decode("latin-1") if end >= 0 else "")
        at = max(at, end + 1)
    return Member(texts[0], texts[1], int.from_bytes(data[4:8], "little"), bool(flags & 4))
