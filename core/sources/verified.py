"""Files that were read through once and found whole.

Remembers the digest of each file by its size and time, so that a file is decoded for checking once and not at every
click. Does not fetch or repair.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from core.errors import BadVolume
from core.imaging.nifti import check_file
from core.sources.protocol import LocalFile


class VerifiedFiles:
    """A memory of verified files; may be used from several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], LocalFile] = {}
        self._lock = threading.Lock()

    def verify(self, path: Path) -> LocalFile:
        """The file with its digest, after one full decode of it.

        Raises:
            BadVolume: absent, damaged, or changed while it was read.
        """
        key = _stamp(path)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return known
        check_file(path)
        digest = _digest(path)
        if _stamp(path) != key:
            raise BadVolume("the image file changed while it was read", hint="wait until it is written, then try again")
        found = LocalFile(path, key[1], digest)
        with self._lock:
            self._known[key] = found
        return found


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadVolume(f"the image file cannot be read ({error.strerror})", hint="check the file") from None


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise BadVolume(f"the image file cannot be read ({error.strerror})", hint="choose the file again") from None
    return path, status.st_size, status.st_mtime_ns
