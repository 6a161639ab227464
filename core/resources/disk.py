"""Disk: how much this container may write, how much it has written, and who set the limit.

On a Space the kubelet counts what was written and evicts without an ENOSPC, so the tier's size is the limit and `du` of
the writable roots is the use; elsewhere the file system itself is. Deletes nothing and decides nothing about admission.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from core.resources.memory import MB
from core.settings import Settings

WARN, EVICT, REFUSE = 0.70, 0.80, 0.90  # of the limit (facts, spaces)

# Ephemeral disk of the Spaces tiers, hub-docs August 2026; 1 GB = 10^9, as in "storage limit exceeded (50G)".
_GB = 1_000_000_000
TIERS = {
    "cpu-basic": 50 * _GB,
    "cpu-upgrade": 50 * _GB,
    "t4-small": 50 * _GB,
    "t4-medium": 100 * _GB,
    "l4x1": 400 * _GB,
    "a10g-small": 110 * _GB,
}
SMALLEST_TIER = min(TIERS.values())
FILE_SYSTEM = "file system"  # the limit's source where nobody else sets one


@dataclass(frozen=True)
class Usage:
    """What `du` found: bytes on disk.

    Attributes:
        complete: False when time ran out (then everything is a lower bound).
        parts: what it is for and how much of it, "cache", "results", "uploads", "state", "logs", "tmp", "libraries".
    """

    used_bytes: int
    cache_bytes: int
    complete: bool = True
    parts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class FileSystem:
    """What statvfs says of the file system that holds the cache; bytes. `free_bytes` is what we may still write."""

    total_bytes: int
    used_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class DiskReading:
    """Disk of the container at one moment.

    Attributes:
        limit_bytes: the smallest limit that holds here.
        limit_source: whose limit it is: "tier t4-small", "STROKESCOPE_DISK_LIMIT", "file system", …
        used_bytes: written by us under a tier or a setting; by everyone on the file system otherwise. None before the
            first measurement is done.
        cache_bytes: part of it in the cache folder; None likewise.
        free_bytes: what may still be written: never more than the file system has.
        parts: what the use is for, as in Usage.
        deleted_bytes: held by files that are deleted but still open; part of `used_bytes`.
    """

    limit_bytes: int
    limit_source: str
    used_bytes: int | None
    cache_bytes: int | None
    free_bytes: int
    parts: tuple[tuple[str, int], ...] = ()
    deleted_bytes: int = 0

    @property
    def limit_mb(self) -> float:
        return self.limit_bytes / MB

    @property
    def fraction(self) -> float:
        """Part of the limit that is gone, whether we used it or the file system has run out of it; for the screen."""
        return min(1.0, max(0.0, 1.0 - self.free_bytes / self.limit_bytes))

    @property
    def scale_bytes(self) -> int:
        """What thresholds are parts of: the limit, but of a large file system only its last 50 GB.

        A tier's limit kills, so that a part of it has to stay free; nobody is in danger with 100 GB free of 1 TB.
        """
        return min(self.limit_bytes, SMALLEST_TIER) if self.limit_source == FILE_SYSTEM else self.limit_bytes

    @property
    def danger(self) -> float:
        """How near the end is, for the thresholds: 0 far, 1 there."""
        return min(1.0, max(0.0, 1.0 - self.free_bytes / self.scale_bytes))

    @property
    def excess_bytes(self) -> int:
        """What would have to be freed until all is calm."""
        return max(0, int((1.0 - WARN) * self.scale_bytes) - self.free_bytes)


def read_disk(settings: Settings, usage: Usage | None, deleted_bytes: int = 0) -> DiskReading:
    """Ask the file system and decide; `usage` comes from `measure_usage`, which takes its time.

    Args:
        deleted_bytes: what our deleted but open files hold, which `du` cannot see.
    """
    filesystem = stat_filesystem(settings.cache_dir)
    return decide_disk(tier_limit(settings), settings.disk_limit, filesystem, usage, deleted_bytes)


def tier_limit(settings: Settings) -> tuple[int, str] | None:
    """The Space tier's disk and its name; None off a Space. An unknown tier is the smallest unless a person says."""
    name = settings.accelerator.strip().lower()
    if not settings.space_id:
        return None
    if name in TIERS:
        return TIERS[name], f"tier {name}"
    if name in ("", "none", "cpu"):
        return TIERS["cpu-basic"], "tier cpu-basic"
    return None if settings.disk_limit else (SMALLEST_TIER, "smallest Space tier (hardware not in our table)")


def decide_disk(
    tier: tuple[int, str] | None,
    setting: int | None,
    filesystem: FileSystem | None,
    usage: Usage | None,
    deleted_bytes: int = 0,
) -> DiskReading:
    """The smallest limit wins; free space is the least that any of them leaves."""
    ours = usage.used_bytes + deleted_bytes if usage else None
    offers: list[tuple[int, str, int | None]] = [(*tier, ours)] if tier else []
    offers += [(setting, "STROKESCOPE_DISK_LIMIT", ours)] if setting else []
    offers += [(filesystem.total_bytes, FILE_SYSTEM, filesystem.used_bytes)] if filesystem else []
    offers = offers or [(SMALLEST_TIER, "assumed: the file system does not say", ours)]
    limit, source, used = min(offers, key=lambda offer: offer[0])
    rooms = [max(0, offer[0] - (offer[2] or 0)) for offer in offers]
    rooms += [filesystem.free_bytes] if filesystem else []
    cache_bytes, parts = (usage.cache_bytes, usage.parts) if usage else (None, ())
    return DiskReading(limit, source, used, cache_bytes, min(rooms), parts, deleted_bytes)


def at_least(now: Usage, before: Usage | None) -> Usage:
    """`now`, but not less than was known before when time ran out: half a walk does not say that files have gone."""
    if now.complete or before is None or before.used_bytes <= now.used_bytes:
        return now
    return replace(before, complete=False)


def stat_filesystem(path: Path) -> FileSystem | None:
    """The file system of `path` or of its nearest existing parent; None when it does not say."""
    for folder in (path, *path.parents):
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        free, used = found.f_bavail * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize
        return FileSystem(used + free, used, free) if used + free > 0 else None
    return None


def folders_by_use(settings: Settings, home: Path | None = None, scratch: Path | None = None) -> dict[str, Path]:
    """Folders whose content counts, by what they are for; a folder inside another is named before it.

    Ours, and on a Space what libraries write (~/.cache and the temp folder).
    """
    cache, state = settings.cache_dir.resolve(), settings.state_dir.resolve()
    folders = {"results": cache / "results", "uploads": cache / "uploads", "cache": cache}
    folders |= {"logs": state / "logs", "state": state}
    if settings.space_id:
        folders["libraries"] = ((home or Path.home()) / ".cache").resolve()
        folders["tmp"] = (scratch or Path(tempfile.gettempdir())).resolve()
    return folders


def writable_roots(settings: Settings, home: Path | None = None, scratch: Path | None = None) -> tuple[Path, ...]:
    """The outermost of these folders: each file below them counts once."""
    roots = sorted(set(folders_by_use(settings, home, scratch).values()))
    return tuple(root for root in roots if not any(other in root.parents for other in roots))


def measure_usage(settings: Settings, limit_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> Usage:
    """Walk the folders; takes about 0.2 s for 35 000 files, at most about `limit_s`."""
    deadline, complete = clock() + limit_s, True
    seen: set[tuple[int, int]] = set()
    folders = folders_by_use(settings)
    every = frozenset(str(folder) for folder in folders.values())
    parts: dict[str, int] = {}
    walked: set[Path] = set()
    for name, folder in folders.items():
        size, whole = disk_usage([folder], deadline, seen, clock, skip=every) if folder not in walked else (0, True)
        walked.add(folder)
        parts[name], complete = size, complete and whole
    ours = parts["cache"] + parts["results"] + parts["uploads"]
    return Usage(sum(parts.values()), ours, complete, tuple((name, size) for name, size in parts.items() if size))


def disk_usage(
    roots: Iterable[Path],
    deadline: float,
    seen: set[tuple[int, int]],
    clock: Callable[[], float] = time.monotonic,
    skip: frozenset[str] = frozenset(),
) -> tuple[int, bool]:
    """Bytes that the files under `roots` occupy, and whether all of them were seen before `deadline`.

    Folders in `skip` are left out where they lie below a root.

    Follows no symbolic link and stays on each root's own file system (a mounted bucket is not this disk). Hard links
    count once, by `seen`. What vanishes or cannot be read meanwhile is left out.
    """
    total = 0
    for root in roots:
        try:
            device = root.stat().st_dev
        except OSError:
            continue
        folders = [str(root)]
        while folders:
            if clock() >= deadline:
                return total, False
            size, deeper = _folder(folders.pop(), device, seen)
            total += size
            folders += [folder for folder in deeper if folder not in skip]
    return total, True


def _folder(folder: str, device: int, seen: set[tuple[int, int]]) -> tuple[int, list[str]]:
    total, deeper = 0, []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                    is_folder = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                if found.st_dev != device:
                    continue
                if is_folder:
                    deeper.append(entry.path)
                elif found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512  # st_blocks counts 512 bytes whatever the file system's block is
    except OSError:
        return total, deeper
    return total, deeper
