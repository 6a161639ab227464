"""Part: an unfinished image on disk, and the record that says what it is a part of.

`.part-<modality>` holds the image's first bytes, `.part-<modality>.json` what they are the bytes of. Reads, notes and
removes; writing the bytes and judging them is the draft's business.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.hub.entries import sidecar
from core.hub.shelf import KEEP_BYTES, keep_record, read_record


@dataclass(frozen=True)
class Promise:
    """What is known of an image before its bytes come; None: not said.

    Attributes:
        size, sha256: of the whole file.
        git_oid: git's sha1 of "blob <size>\\0" + content.
        place: where its bytes lie on the Hub. A part of another place is not gone on with.
    """

    size: int | None = None
    sha256: str | None = None
    git_oid: str | None = None
    place: str = ""


UNSAID = Promise()


@dataclass(frozen=True)
class Part:
    """What the record of an unfinished file says: what it is a part of, and how far its sum was noted.

    Attributes:
        first: where the image's first byte lies on the Hub.
        total: bytes of the whole image, if known.
        summed, sha256: the sum of so many first bytes.
    """

    promise: Promise
    first: int
    total: int | None
    summed: int
    sha256: str


def note_part(path: Path, part: Part) -> None:
    """Say on disk what lies there; if that cannot be written, the part is of no use later, which is no error."""
    keep_record(sidecar(path), dataclasses.asdict(part))


def part_bytes(path: Path) -> int:
    """Bytes of the unfinished file at the path; 0 without one."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def discard_part(path: Path) -> None:
    """Remove an unfinished file and its record."""
    remove(sidecar(path))
    remove(path)


def remove(path: Path) -> None:
    """Remove a file that may not be there."""
    with suppress(OSError):
        path.unlink()


def part_at(path: Path) -> Part | None:
    """What the unfinished file at the path is a part of; None without one that is worth going on with."""
    record = read_record(sidecar(path))
    try:
        if not isinstance(record, dict) or path.stat().st_size < KEEP_BYTES:
            return None
        part = Part(**{**record, "promise": Promise(**record["promise"])})
        numbers = (part.first, part.summed, 0 if part.total is None else part.total)
        good = all(isinstance(n, int) and n >= 0 for n in numbers) and part.summed > 0
        return part if good else None
    except (OSError, TypeError, KeyError):
        return None
