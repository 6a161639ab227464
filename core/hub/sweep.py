"""Sweep: removes what nobody needs from the cache's folder, and unfinished images that nobody writes to.

Orphans of any kind: unfinished images too old or too small to go on with, scratch files of processes that are gone,
images and records without each other, lock files nobody holds, folders left empty. Whole images stay. Folders go here
alone: elsewhere somebody would be about to write into one.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from core.hub.entries import LOCKS, files, lock_of, modality_of, part_of, record_of, size_and_time
from core.hub.locks import trying
from core.hub.shelf import DRAFT_PREFIX, KEEP_BYTES

ORPHAN_S = 3600.0  # untouched for so long, a file that another process may be about to finish is nobody's
PART_S = 86400.0  # an unfinished image that nobody went on with for so long
_TOPS = ("images", "derived", "footers", "sample", "results")
_ENDS = (".json", ".nii.gz", ".nii")  # what may stand behind an unfinished image's name
_SCRATCH = re.compile(re.escape(DRAFT_PREFIX) + r"(\d{1,10})-\d+-.+")
_BESIDE = re.compile(r"\..*\.part")


def sweep(root: Path, now: float) -> int:
    """Remove the orphans below the cache's root. Returns how many files went.

    Args:
        now: seconds since the epoch.
    """
    count = 0
    for top in _TOPS:
        for folder, _, names in os.walk(root / top, topdown=False):
            here = Path(folder)
            count += sum(_swept(root, here / name, now) for name in sorted(names))
            if here != root / top and now - size_and_time(here)[1] > ORPHAN_S:
                with suppress(OSError):  # not empty
                    here.rmdir()
    return count + _sweep_locks(root)


def remove_part(root: Path, part: Path) -> int:
    """Remove an unfinished image and its record, unless somebody writes to it. Returns the image's bytes."""
    freed = 0
    with trying(root / lock_of(part.relative_to(root))) as nobody:
        for path in (part, *(part.with_name(part.name + end) for end in _ENDS)) if nobody else ():
            size, _ = size_and_time(path)
            with suppress(OSError):
                path.unlink()
                freed += 0 if path.suffix == ".json" else size
    return freed


def remove_records(folder: Path) -> int:
    """Remove the records of one commit; those written meanwhile may stay. Returns the bytes that this freed."""
    freed = 0
    for here, _, names in os.walk(folder, topdown=False):
        for path in (Path(here, name) for name in names):
            size, _ = size_and_time(path)
            with suppress(OSError):
                path.unlink()
                freed += size
        with suppress(OSError):  # not empty
            Path(here).rmdir()
    return freed


def _swept(root: Path, path: Path, now: float) -> bool:
    """Remove the file if it is an orphan; whether it was."""
    part = _part_beside(path)
    if part is not None:
        size, changed = size_and_time(part)
        if path != part and part.exists():
            return False
        if size >= KEEP_BYTES and now - changed <= PART_S:
            return False
        remove_part(root, part)
        return not path.exists()
    orphan = _is_scratch(path, now) or (path.parts[len(root.parts)] == "images" and _is_half(path, now))
    if orphan:
        with suppress(OSError):
            path.unlink()
    return orphan


def _part_beside(path: Path) -> Path | None:
    """The unfinished image to which the file belongs: itself, or the one whose record it is."""
    if not path.name.startswith(DRAFT_PREFIX) or _SCRATCH.fullmatch(path.name):
        return None
    name = next((path.name.removesuffix(e) for e in _ENDS if path.name.endswith(e)), path.name)
    return path.with_name(name) if part_of(name) else None


def _is_scratch(path: Path, now: float) -> bool:
    """Whether it is the draft of a process that is gone, or one that nobody wrote to for long."""
    old = now - size_and_time(path)[1] > ORPHAN_S
    found = _SCRATCH.fullmatch(path.name)
    if found is None:
        return old and (path.name.startswith(DRAFT_PREFIX) or _BESIDE.fullmatch(path.name) is not None)
    return old or not _lives(int(found[1]))


def _is_half(path: Path, now: float) -> bool:
    """Whether it is an image without its record, or a record without its image, and has been for long."""
    if modality_of(path.name):
        half = record_of(path) is None
    elif path.name.endswith(".json") and modality_of(path.name.removesuffix(".json")):
        half = not path.with_name(path.name.removesuffix(".json")).exists()
    else:
        return False
    return half and now - _moved(path) > ORPHAN_S


def _moved(path: Path) -> float:
    """When the file was written to or renamed last, seconds since the epoch; far ahead for one that is gone."""
    try:
        found = path.stat()
    except OSError:
        return float("inf")
    return max(found.st_mtime, found.st_ctime)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _sweep_locks(root: Path) -> int:
    """Remove the lock files that nobody holds: whoever holds one removes it when letting go."""
    count = 0
    for path in (path for path in files(root / LOCKS, depth=1) if path.suffix == ".lock"):
        with trying(path) as nobody:
            count += nobody
    return count
