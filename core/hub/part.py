"""Part: an unfinished image on disk, and the record that says what it is a part of.

`.part-<modality>` holds the first bytes of the image, or of a column chunk that Parquet must unpack first;
`.part-<modality>.json` says what they are the bytes of. Reads, notes and removes; writing the bytes and judging them is
the draft's and the spool's business.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from core.hub.entries import sidecar
from core.hub.shelf import KEEP_BYTES, disk_error, keep_record, read_record


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
        page: CRC-32 of what precedes the image in its Parquet page, and of the whole page, if that came with one.
        chunk: it is no image but the column chunk around it.
    """

    promise: Promise
    first: int
    total: int | None
    summed: int
    sha256: str
    page: tuple[int, int] | None = None
    chunk: bool = False


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
        part = Part(**{**record, "promise": Promise(**record["promise"]), "page": _pair(record.get("page"))})
        numbers = (part.first, part.summed, 0 if part.total is None else part.total)
        good = all(isinstance(n, int) and n >= 0 for n in numbers) and part.summed > 0
        return part if good else None
    except (OSError, TypeError, KeyError):
        return None


def _pair(page: object) -> tuple[int, int] | None:
    """The two sums of a page as JSON keeps them. Raises TypeError."""
    if page is None:
        return None
    if not (isinstance(page, list) and len(page) == 2 and all(isinstance(n, int) for n in page)):
        raise TypeError
    return page[0], page[1]


def open_part(path: Path, mode: str) -> FileIO:
    """The file, in a folder that another thread may just be removing because it was empty."""
    for attempt in range(3):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return FileIO(path, mode)
        except OSError as error:
            if not isinstance(error, FileNotFoundError | FileExistsError) or attempt == 2:
                raise disk_error(error) from None
    raise AssertionError
