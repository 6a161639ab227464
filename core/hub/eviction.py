"""Eviction: which files go so that others fit, and when none of that would help.

Pure sums over entries and bytes. Looks at no disk and removes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import DiskFull
from core.hub.entries import CacheEntry

IDLE_S = 3600.0  # work in the background takes no place from what was used within so many seconds
SLACK = 0.05  # of what the cache may hold is freed beyond the need, so that not every click evicts
SMALL = 10**9  # bytes; a cache that may hold less frees no more than the need
MAX_SLACK = 10**9


@dataclass(frozen=True)
class Plan:
    """What is to be done for `need` bytes.

    Attributes:
        verdict: "fits" as it is, "evict" these victims, "busy": only when others let go, "never".
        victims: in the order in which they go; empty unless the verdict is "evict".
        need, free, holds: bytes wanted, bytes that may go, bytes that the cache may hold in all.
    """

    verdict: Literal["fits", "evict", "busy", "never"]
    victims: tuple[CacheEntry, ...]
    need: int
    free: int
    holds: int


def plan(entries: Sequence[CacheEntry], room: int, need: int, free: Sequence[CacheEntry]) -> Plan:
    """What to do so that `need` more bytes may be written.

    Args:
        entries: all that is here.
        room: bytes that may be written as it is; negative when there is too much already.
        free: those of the entries that may go.
    """
    able, here = sum(entry.bytes for entry in free), sum(entry.bytes for entry in entries)
    holds = max(0, room + here)
    if need <= room:
        return Plan("fits", (), need, able, holds)
    if need > room + here:
        return Plan("never", (), need, able, holds)
    if need > room + able:
        return Plan("busy", (), need, able, holds)
    return Plan("evict", first(free, need - room + slack(holds)), need, able, holds)


def slack(holds: int) -> int:
    """Bytes to free beyond the need, for a cache that may hold so many."""
    return 0 if holds < SMALL else min(MAX_SLACK, int(SLACK * holds))


def first(entries: Sequence[CacheEntry], need: int) -> tuple[CacheEntry, ...]:
    """The first to go, as many as hold `need` bytes, or all: unfinished ones, then the least recently used, then
    the records of commits, without which a list of cases must be read again, then the synthetic cohort."""
    chosen: list[CacheEntry] = []
    for entry in sorted(entries, key=_turn):
        if need <= 0:
            break
        chosen.append(entry)
        need -= entry.bytes
    return tuple(chosen)


def _turn(entry: CacheEntry) -> tuple[int, float, str]:
    rank = 0 if entry.unfinished else 3 if entry.source == "sample" else 2 if entry.is_records else 1
    return rank, entry.last_used, str(entry.path)


def idle(entries: Sequence[CacheEntry], now: float) -> tuple[CacheEntry, ...]:
    """Those that work in the background may let go."""
    images = (entry for entry in entries if entry.source != "sample" and not entry.is_records)
    return tuple(entry for entry in images if now - entry.last_used > IDLE_S)


def refusal(found: Plan, background: bool = False) -> DiskFull:
    """The error for a plan that is "busy" or "never"."""
    need = f"{found.need / 1e6:.1f} MB"
    if found.verdict == "never" and not found.holds:
        return DiskFull(
            f"this needs {need}, and the disk is full: clearing the whole cache would not make room",
            hint="free some space on the disk",
        )
    if found.verdict == "never":
        return DiskFull(
            f"this needs {need}, and the cache may hold {found.holds / 1e6:.1f} MB",
            hint="choose fewer images, free space on the disk, or raise STROKESCOPE_DISK_LIMIT",
        )
    able = f"{max(0, found.free) / 1e6:.1f} MB"
    if background:
        return DiskFull(f"reading ahead needs {need}, and {able} are idle", hint="choose the case to fetch it")
    return DiskFull(
        f"this needs {need}, and {able} can be freed: the rest of the cache is in use",
        hint="close other cases or wait for running jobs, then try again",
    )
