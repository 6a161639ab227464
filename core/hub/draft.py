"""Draft: an image that is being written beside its final place, and checked while the bytes pass.

Counts, hashes and gunzips (into nothing) as it writes, so that a wrong byte is seen without a second read. Knows NIfTI
only by its first bytes; the header is judged by the `check` that the caller brings. Does not fetch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import HubCorrupt
from core.hub.cache import Cache, Kept, Key
from core.hub.shelf import disk_error, draft_name

MAX_UNPACKED = 8 * 2**30  # bytes a gzip may unpack to; the largest CTP of ISLES'24 stays below 2 GB
_STEP = 2**20
_GZIP = b"\x1f\x8b"
_HEADER_SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
Check = Callable[[Path], None]


@dataclass(frozen=True)
class Promise:
    """What the Hub says of a whole file: its sha256, or git's sha1 of "blob <size>\\0" + content; None: not said."""

    size: int | None = None
    sha256: str | None = None
    git_oid: str | None = None


UNSAID = Promise()


class Gunzip:
    """Checks a gzip stream (CRC and length of each member) without keeping what it unpacks. Zeros may pad its end."""

    def __init__(self, what: str, limit: int = MAX_UNPACKED) -> None:
        self._what, self._limit = what, limit
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
            try:
                self._unpacked += len(self._member.decompress(rest, _STEP))
            except zlib.error:
                raise damaged(self._what, "does not unpack: its bytes are damaged") from None
            if self._unpacked > self._limit:
                raise damaged(self._what, f"unpacks to more than {self._limit // 2**30} GB")
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Raise HubCorrupt unless the stream has ended as a gzip must."""
        while not self._member.eof and (more := self._member.decompress(b"", _STEP)):
            self._unpacked += len(more)
        if not self._member.eof:
            raise damaged(self._what, "ends too early")


class Draft:
    """One image on its way to the cache. Used by one thread.

    Args:
        key: where it will live.
        promise: what the whole file must hash to.
    """

    def __init__(self, cache: Cache, key: Key, promise: Promise = UNSAID) -> None:
        self._cache, self._key = cache, key
        self._what = f"{key.modality} of {key.case_id}"
        self._promise = promise
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(f"blob {self._promise.size}\0".encode(), usedforsecurity=False)
        self._head = b""
        self._gunzip: Gunzip | None = None
        self.bytes = 0
        self._path = cache.root / key.folder / draft_name(key.modality)
        self._file = _create(self._path)

    def write(self, data: bytes | memoryview) -> None:
        """Append the next bytes.

        Raises:
            HubCorrupt: they are no NIfTI, or damaged.
            DiskFull, BadSettings: they cannot be written.
        """
        if len(self._head) < 4:
            self._head += bytes(data[: 4 - len(self._head)])
            if len(self._head) >= 2 and self._head[:2] == _GZIP and self._gunzip is None:
                self._gunzip = Gunzip(self._what)
                if self.bytes:
                    self._gunzip.feed(self._head[: self.bytes])
            elif len(self._head) == 4 and self._head[:2] != _GZIP and self._head not in _HEADER_SIZES:
                raise damaged(self._what, "is not a NIfTI image")
        if self._gunzip is not None:
            self._gunzip.feed(data)
        self._sha256.update(data)
        if self._promise.git_oid:
            self._git.update(data)
        self.bytes += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_error(error) from None

    def finish(self, check: Check) -> Kept:
        """Verify the whole and move it to its place.

        Raises:
            HubCorrupt: it is not what was promised. BadVolume: `check` refuses it. DiskFull, BadSettings.
        """
        if len(self._head) < 4:
            raise damaged(self._what, "is empty")
        if self._gunzip is not None:
            self._gunzip.finish()
        sha256 = self._sha256.hexdigest()
        promise = self._promise
        if (promise.size not in (None, self.bytes)) or (promise.sha256 not in (None, sha256)):
            raise damaged(self._what, "is not the file that the Hub lists")
        if promise.git_oid not in (None, self._git.hexdigest()):
            raise damaged(self._what, "is not the file that the Hub lists")
        suffix = ".nii.gz" if self._gunzip is not None else ".nii"
        self._close(suffix)
        check(self._path)
        return self._cache.keep(self._key, self._path, suffix, sha256)

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `finish`."""
        with contextlib.suppress(OSError):  # a full disk refuses the last buffer once more
            self._file.close()
        with suppress(OSError):
            self._path.unlink()

    def _close(self, suffix: str) -> None:
        """Bring the bytes to the disk, under a name that says what they are."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            named = self._path.with_name(self._path.name + suffix)
            self._path.replace(named)
            self._path = named
        except OSError as error:
            raise disk_error(error) from None


def _create(path: Path) -> BinaryIO:
    """A new file, in a folder that another thread may just be removing because it was empty."""
    for attempt in range(3):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or attempt == 2:
                raise disk_error(error) from None
    raise AssertionError


def damaged(what: str, how: str) -> HubCorrupt:
    """The error for an image whose bytes are wrong."""
    return HubCorrupt(f"{what} {how}", hint="try again; if it stays, report it to the dataset's owner")
