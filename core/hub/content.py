"""Content: whether bytes that pass are one NIfTI image, whole and undamaged.

Unpacks gzip into nothing, checks its sums, and holds the number of decoded bytes against what the image's own header
promises, so that a bomb is stopped at the promise. Knows a NIfTI only by its first bytes; what a header means is told
by the `promised` that the caller brings. Keeps no bytes and no files.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from core.errors import BadVolume, HubCorrupt

HEAD = 540  # decoded bytes that hold any header: 348 of NIfTI-1, 540 of NIfTI-2
MAX_UNPACKED = (
    8 * 2**30
)  # bytes a gzip may unpack to when no header says it; the largest CTP of ISLES'24 has below 2 GB
_STEP = 2**20
_GZIP = b"\x1f\x8b"
_SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
Promised = Callable[[bytes], int]  # decoded bytes of the whole file by its first HEAD; raises BadVolume


def damaged(what: str, how: str) -> HubCorrupt:
    """The error for an image whose bytes are wrong."""
    return HubCorrupt(f"{what} {how}", hint="try again; if it stays, report it to the dataset's owner")


def is_packed(image: bytes | memoryview) -> bool:
    """Whether it is a gzip, whose sums show every damaged byte."""
    return bytes(image[:2]) == _GZIP


class Gunzip:
    """Checks a gzip stream (CRC and length of each member) without keeping what it unpacks. Zeros may pad its end.

    Args:
        look: sees each decoded piece.
    """

    def __init__(
        self, what: str, limit: int = MAX_UNPACKED, look: Callable[[bytes], None] = lambda piece: None
    ) -> None:
        self._what, self._limit, self._look = what, limit, look
        self._unpacked = 0
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes | memoryview) -> None:
        """Look at the next bytes.

        Raises:
            HubCorrupt: they are damaged, go on after the end, or unpack to more than the limit.
        """
        rest: bytes | memoryview = data
        while len(rest):
            if self._member.eof:
                rest = bytes(rest).lstrip(b"\0")
                if not rest:
                    return
                self._member = zlib.decompressobj(wbits=31)
            self._unpack(rest)
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Raise HubCorrupt unless the stream has ended as a gzip must."""
        while not self._member.eof and self._unpack(b""):
            pass
        if not self._member.eof:
            raise damaged(self._what, "ends too early")

    def _unpack(self, data: bytes | memoryview) -> int:
        try:
            piece = self._member.decompress(data, _STEP)
        except zlib.error:
            raise damaged(self._what, "does not unpack: its bytes are damaged") from None
        self._unpacked += len(piece)
        if self._unpacked > self._limit:
            raise damaged(self._what, f"unpacks to more than {self._limit / 2**30:.0f} GB")
        self._look(piece)
        return len(piece)


class Content:
    """The judge of one image's bytes, fed in order.

    Args:
        what: for errors, e.g. "dwi of sub-01".
        promised: what an image's header says of its decoded size; None: not asked, only the sums count.
    """

    def __init__(self, what: str, promised: Promised | None = None) -> None:
        self._what, self._promised = what, promised
        self._mark = b""  # the first four bytes as they lie in the file
        self._head = bytearray()  # the first decoded ones
        self._decoded = 0
        self._size: int | None = None
        self._gunzip: Gunzip | None = None

    @property
    def packed(self) -> bool:
        """Whether it is a gzip, whose sums show every damaged byte."""
        return self._gunzip is not None

    def feed(self, data: bytes | memoryview) -> None:
        """Look at the next bytes.

        Raises:
            HubCorrupt: they are no NIfTI, damaged, or more than the header promises.
        """
        if self._gunzip is None and len(self._mark) < 4:
            taken = min(4 - len(self._mark), len(data))
            self._mark += bytes(data[:taken])
            data = data[taken:]
            if self._mark[:2] == _GZIP:
                self._gunzip = Gunzip(self._what, look=self._look)
            elif len(self._mark) < 4:
                return
            elif self._mark not in _SIZES:
                raise damaged(self._what, "is not a NIfTI image")
            (self._gunzip.feed if self._gunzip else self._look)(self._mark)
        if self._gunzip is not None:
            self._gunzip.feed(data)
        else:
            self._look(data)

    def finish(self) -> None:
        """Raise HubCorrupt unless the image is whole."""
        if self._gunzip is not None:
            self._gunzip.finish()
        elif len(self._mark) < 4:
            raise damaged(self._what, "is empty")
        if self._size is None:
            self._ask()
        if self._size is not None and self._decoded != self._size:
            raise damaged(self._what, "is shorter than its header promises")

    def _look(self, piece: bytes | memoryview) -> None:
        self._decoded += len(piece)
        if self._size is None and len(self._head) < HEAD:
            self._head += piece[: HEAD - len(self._head)]
            if len(self._head) == HEAD:
                self._ask()
        if self._size is not None and self._decoded > self._size:
            raise damaged(self._what, "is longer than its header promises")

    def _ask(self) -> None:
        if self._promised is None:
            return
        try:
            self._size = self._promised(bytes(self._head))
        except BadVolume as error:
            raise damaged(self._what, f"is no image that can be read: {error}") from None
