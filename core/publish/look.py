"""Look: one image file, read once: header, texts, checksums, length, and a coarse copy for the face.

Memory stays at a few MB whatever the image's size. Compares with no other file (grids.py).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from core.errors import BadVolume
from core.imaging.header import Header
from core.imaging.nifti import HEAD_BYTES, parse_head
from core.imaging.stream import AGAIN
from core.publish.faces import Coarse
from core.publish.findings import Trouble
from core.publish.privacy import check_head, check_member
from core.publish.rows import FileRef
from core.publish.source import opened
from core.publish.unpack import Damaged, Unpacked

_MOST_HEAD = 1 << 24  # decoded bytes before the voxels that are looked at
_SECOND = (b"\x1c\x02\0\0", b"\0\0\x02\x1c")  # with which a header of NIfTI-2 begins: 540, in either order
_RATIO = 1040  # gzip cannot pack tighter


@dataclass(frozen=True)
class Look:
    """What one file turned out to be.

    Attributes:
        header: None if it has none that can be true.
        voxels: CRC-32 of the voxels as they are stored, None unless they were read to the end, or are all alike.
    """

    path: str
    header: Header | None = None
    voxels: int | None = None
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Want:
    """What is to be looked at.

    Attributes:
        whole: read it to the end, or only its header.
        head: ask whether it shows a face; only where it is read to the end.
    """

    file: FileRef
    whole: bool = True
    head: bool = False


def look(place: Path, want: Want, passed: Callable[[int], None]) -> Look:
    """Read the file.

    Args:
        passed: told how many of its bytes were read; may raise to stop.
    """
    path = want.file.path
    if want.file.bytes == 0:
        return Look(path, troubles=(Trouble("file-empty", path),))
    header: Header | None = None
    troubles: list[Trouble] = []
    voxels: int | None = None
    try:
        with opened(place) as file:
            if _changed(file, want.file):
                return Look(path, troubles=(Trouble("file-changed", path),))
            source = Unpacked(file, passed)
            pieces = source.pieces()
            head, header = _head(pieces, source.packed, want.file)
            troubles += check_head(path, head, header.vox_offset)
            if head.startswith(_SECOND):
                troubles.append(Trouble("nifti-2", path))
            if not header.oriented:
                troubles.append(Trouble("orientation", path))
            if want.whole:
                coarse = Coarse(header) if want.head else None
                voxels = _voxels(pieces, head, header, coarse)
                troubles += _face(path, coarse)
                if _changed(file, want.file):
                    troubles.append(Trouble("file-changed", path))
            troubles += [one for member in source.members for one in check_member(path, member)]
    except BadVolume as error:
        troubles.append(Trouble("image-damaged" if isinstance(error, Damaged) else "header-bad", path, str(error)))
    except OSError as error:
        troubles.append(Trouble("file-unreadable", path, error.strerror or ""))
    return Look(path, header, voxels, tuple(troubles))


def _head(pieces: Iterator[bytes], packed: bool, file: FileRef) -> tuple[bytes, Header]:
    """The decoded bytes before the voxels (and some of these), and the header that they begin with."""
    head = _gather(pieces, b"", HEAD_BYTES)
    with np.errstate(all="ignore"):  # what is not a number is refused, not warned of
        header = parse_head(head)
    if packed != file.path.lower().endswith(".gz"):
        raise BadVolume("the name does not say whether the file is packed", hint="rename it")
    if header.vox_offset + header.raw_bytes > file.bytes * (_RATIO if packed else 1):
        raise Damaged("the file is shorter than its header promises", hint=AGAIN)
    return _gather(pieces, head, min(header.vox_offset, _MOST_HEAD)), header


def _voxels(pieces: Iterator[bytes], head: bytes, header: Header, coarse: Coarse | None) -> int | None:
    """CRC-32 of all voxels, None where they are all alike; raises Damaged if there are fewer or more."""
    skip, left = max(0, header.vox_offset - len(head)), header.raw_bytes
    data = head[header.vox_offset :]
    sum_, one, alike = 0, data[:1], True
    while True:
        skipped, data = data[:skip], data[skip:]
        skip -= len(skipped)
        if len(data) > left:
            raise Damaged("the file is longer than its header promises", hint=AGAIN)
        one = one or data[:1]
        alike = alike and data == one * len(data)
        sum_, left = zlib.crc32(data, sum_), left - len(data)
        if coarse is not None:
            coarse.feed(data)
        following = next(pieces, None)
        if following is None:
            break
        data = following
    if left or skip:
        raise Damaged("the file is shorter than its header promises", hint=AGAIN)
    return None if alike else sum_


def _gather(pieces: Iterator[bytes], head: bytes, count: int) -> bytes:
    parts, held = [head], len(head)
    while held < count and (piece := next(pieces, b"")):
        parts.append(piece)
        held += len(piece)
    return b"".join(parts)


def _face(path: str, coarse: Coarse | None) -> list[Trouble]:
    if coarse is None or (face := coarse.judge()).answer == "none":
        return []
    return [Trouble("face" if face.answer == "face" else "face-unclear", path, face.why)]


def _changed(file: IO[bytes], ref: FileRef) -> bool:
    found = os.fstat(file.fileno())
    return (found.st_size, found.st_mtime_ns) != (ref.bytes, ref.mtime_ns)
