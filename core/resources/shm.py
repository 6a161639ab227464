"""Shared memory: /dev/shm, files that are RAM. How full it is, which of its files a process holds, and their removal.

A process that is killed leaves its files there, and they go on counting as RAM. Removes only what a process that is
over had open or mapped, and nobody else has now.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/dev/shm")
_DELETED = " (deleted)"


@dataclass(frozen=True)
class SharedMemory:
    """Bytes in /dev/shm and the most it may hold by its own mount."""

    used_bytes: int
    limit_bytes: int


def read_shared_memory(root: Path = ROOT) -> SharedMemory | None:
    """How full it is; None where there is none."""
    try:
        found = os.statvfs(root)
    except OSError:
        return None
    total = found.f_blocks * found.f_frsize
    return SharedMemory(total - found.f_bfree * found.f_frsize, total) if total else None


def files_in(root: Path = ROOT) -> frozenset[Path]:
    """All files there that are this user's."""
    found = set()
    try:
        for path in root.iterdir():
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
                found.add(path)
    except OSError:
        return frozenset(found)
    return frozenset(found)


def held_by(pids: Iterable[int], root: Path = ROOT, proc_root: Path = Path("/proc")) -> frozenset[Path]:
    """Files below `root` that these processes have open or mapped, and that still have a name."""
    inside = f"{root}/"
    found: set[str] = set()
    for pid in pids:
        found.update(_open_files(proc_root / str(pid)), _mapped_files(proc_root / str(pid), inside))
    return frozenset(Path(name) for name in found if name.startswith(inside) and not name.endswith(_DELETED))


def remove_left(files: Iterable[Path], root: Path = ROOT, proc_root: Path = Path("/proc")) -> int:
    """Delete those of `files` that no living process holds; returns the bytes given back."""
    wanted = {path for path in files if path.is_relative_to(root) and ".." not in path.parts}
    if not wanted:
        return 0
    freed = 0
    for path in wanted - held_by(_all_pids(proc_root), root, proc_root):
        try:
            size = path.lstat().st_blocks * 512
            path.unlink()
        except OSError:
            continue
        freed += size
    return freed


def group_of(leader: int, proc_root: Path = Path("/proc")) -> tuple[int, ...]:
    """Processes in the process group that `leader` leads, itself included."""
    return tuple(pid for pid in _all_pids(proc_root) if pid == leader or _group_id(proc_root / str(pid)) == leader)


def _group_id(folder: Path) -> int | None:
    try:
        words = (folder / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return int(words[2]) if len(words) > 2 and words[2].lstrip("-").isdigit() else None


def _all_pids(proc_root: Path) -> list[int]:
    try:
        return [int(one.name) for one in proc_root.iterdir() if one.name.isdigit() and one.name.isascii()]
    except OSError:
        return []


def _open_files(folder: Path) -> list[str]:
    links = []
    try:
        for link in (folder / "fd").iterdir():
            links.append(str(link.readlink()))
    except OSError:
        return links
    return links


def _mapped_files(folder: Path, inside: str) -> list[str]:
    """Names in /proc/<pid>/maps below a folder; a line is `range flags offset device inode   name`."""
    try:
        with (folder / "maps").open(encoding="utf-8", errors="replace") as lines:
            return [inside + line.partition(inside)[2].rstrip("\n") for line in lines if f" {inside}" in line]
    except OSError:
        return []
