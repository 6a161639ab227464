"""Handles: open files and threads of some processes, and the disk that deleted files still take while they are open.

Reads /proc/<pid>/fd; keeps no file's name. Processes that end meanwhile or belong to others count as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.resources.cgroup import read_text

_DELETED = " (deleted)"
_IN_RAM = ("/memfd:", "/dev/shm/", "/dev/zero", "/SYSV", "/anon_hugepage", "/run/shm/")


@dataclass(frozen=True)
class Handles:
    """Counts over all processes asked for.

    Attributes:
        open_files: descriptors, sockets and pipes included.
        most_open, limit: of the process that is nearest to its own limit, and that limit; None when unknown.
        threads: kernel threads of these processes.
        deleted_bytes: disk that deleted but open files hold; du cannot see it, the kubelet counts it.
    """

    open_files: int
    most_open: int | None
    limit: int | None
    threads: int
    deleted_bytes: int


def read_handles(pids: Iterable[int], proc_root: Path = Path("/proc")) -> Handles:
    """Look at each process once."""
    total, threads, deleted = 0, 0, 0
    nearest: tuple[int, int] | None = None
    seen: set[tuple[int, int]] = set()
    for pid in pids:
        folder = proc_root / str(pid)
        count, held = _descriptors(folder / "fd", seen)
        total, deleted, threads = total + count, deleted + held, threads + _threads(folder)
        limit = _file_limit(folder)
        if limit and (nearest is None or count * nearest[1] > nearest[0] * limit):
            nearest = count, limit
    most, limit = nearest or (None, None)
    return Handles(total, most, limit, threads, deleted)


def _descriptors(folder: Path, seen: set[tuple[int, int]]) -> tuple[int, int]:
    """How many descriptors there are, and the bytes on disk of those whose file is deleted."""
    try:
        links = list(folder.iterdir())
    except OSError:
        return 0, 0
    held = 0
    for link in links:
        try:
            target = str(link.readlink())
            if not target.endswith(_DELETED) or target.startswith(_IN_RAM):
                continue
            found = link.stat()  # through the descriptor: the name is gone
        except OSError:
            continue
        if found.st_nlink == 0 and (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            held += found.st_blocks * 512
    return len(links), held


def _threads(folder: Path) -> int:
    for line in (read_text(folder / "status") or "").splitlines():
        if line.startswith("Threads:"):
            text = line.partition(":")[2].strip()
            return int(text) if text.isdigit() and text.isascii() else 0
    return 0


def _file_limit(folder: Path) -> int | None:
    for line in (read_text(folder / "limits") or "").splitlines():
        if line.startswith("Max open files"):
            words = line.split()
            text = words[3] if len(words) > 3 else ""
            return int(text) if text.isdigit() and text.isascii() else None
    return None
