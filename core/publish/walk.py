"""Walk: every file below a folder, by its stat alone.

Follows links, as annexed datasets are made of them, but never in a circle. Leaves out hidden names. Opens no file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from core.errors import BadTree
from core.publish.findings import Trouble
from core.publish.rows import FileRef, Listing

_DEPTH = 40  # folders below each other
MOST = 1_000_000  # files and folders; links can make of a few folders more than anybody could walk through


def never() -> None:
    """Stops nothing."""


def walk(root: Path, most: int = MOST, pause: Callable[[], None] = never) -> tuple[Listing, tuple[Trouble, ...]]:
    """All files below `root`, and what could not be listed.

    Args:
        most: files and folders.
        pause: called before each of them; may raise to stop.

    Raises:
        BadTree: no such folder, it cannot be read, or holds too much.
    """
    try:
        root = root.resolve(strict=True)
        top = root.stat()
        with os.scandir(root):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError is a circle of links
        why = getattr(error, "strerror", None) or "links go in a circle"
        raise BadTree(f"the source folder cannot be read ({why})", hint="choose the dataset's folder") from None
    files: list[FileRef] = []
    troubles: list[Trouble] = []
    for found in _below(root, "", ((top.st_dev, top.st_ino),), _Left(most, pause)):
        if isinstance(found, FileRef):
            files.append(found)
        else:
            troubles.append(found)
    ordered = sorted(files, key=lambda file: file.path)
    return Listing(root, {file.path: file for file in ordered}), tuple(sorted(troubles))


class _Left:
    """How many files and folders may still be met, and whether the walk is to end."""

    def __init__(self, most: int, pause: Callable[[], None]) -> None:
        self._most = self._left = most
        self.pause = pause

    def take(self, count: int) -> None:
        """So many more. Raises BadTree."""
        self._left -= count
        if self._left < 0:
            raise BadTree(
                f"the source folder holds more than {self._most} files and folders", hint="look for links that lead out"
            )


def _below(folder: Path, prefix: str, above: tuple[tuple[int, int], ...], left: _Left) -> Iterator[FileRef | Trouble]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        yield Trouble("folder-unreadable", prefix.rstrip("/"), error.strerror or "")
        return
    left.take(len(names))
    for name in names:
        left.pause()
        path = prefix + name
        if not _plain(name):
            yield Trouble("name-odd", ascii(path)[1:-1])
            continue
        try:
            found = (folder / name).stat()
        except OSError as error:
            code = "link-broken" if (folder / name).is_symlink() else "file-unreadable"
            yield Trouble(code, path, error.strerror or "")
            continue
        if stat.S_ISDIR(found.st_mode):
            here = (found.st_dev, found.st_ino)
            if here in above or len(above) > _DEPTH:
                yield Trouble("folder-circle", path)
            else:
                yield from _below(folder / name, path + "/", (*above, here), left)
        elif stat.S_ISREG(found.st_mode):
            yield FileRef(path, found.st_size, found.st_mtime_ns)
        else:
            yield Trouble("file-special", path)


def _plain(name: str) -> bool:
    """Whether the name can be written in a table and a report: valid Unicode without control characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name.isprintable()
