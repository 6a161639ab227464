"""Line: who may begin next among steps that wait. Pure; lets nobody wait itself (admission.py).

Fair between owners: each owner's first step stands before everybody's second, then who came first. A step that does
not fit yet may be passed by smaller ones, but only PATIENCE times; then nobody passes until it is let in or refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.resources.budget import SAFETY, Decision, decide, decide_disk
from core.resources.disk import DiskReading
from core.resources.memory import MB, MemoryReading

PATIENCE = 8


@dataclass(frozen=True)
class Room:
    """The container at one moment, MB.

    Attributes:
        used_mb, limit_mb: RAM that cannot be given back, and its limit.
        disk_free_mb, disk_limit_mb: what may still be written, and the disk's limit.
        held: why nothing may begin beside what runs, "" when it may; with nothing running the sums alone decide.
        held_writing: the same for steps that write.
        disk_scale_mb: what the part of the disk that stays free is a part of; None for its limit.
    """

    used_mb: float
    limit_mb: float
    disk_free_mb: float
    disk_limit_mb: float
    held: str = ""
    held_writing: str = ""
    disk_scale_mb: float | None = None


@dataclass(frozen=True)
class Entry:
    """One step that waits or runs.

    Attributes:
        number: grows with arrival.
        owner: a session; never shown.
        memory_mb: predicted, with what was learnt.
        disk_mb: what it will write.
        heavy: at most `heavy_at_once` of these run.
        passed: how many that came behind it in the line began before it.
        resident_mb: what it uses already (running ones); 0 when unknown.
    """

    number: int
    owner: str
    memory_mb: float
    disk_mb: float
    heavy: bool
    passed: int = 0
    resident_mb: float = 0.0


def room_of(memory: MemoryReading, disk: DiskReading, held: str = "") -> Room:
    """The room that two readings leave."""
    scale_mb = disk.scale_bytes / MB
    return Room(memory.used_mb, memory.limit_mb, disk.free_bytes / MB, disk.limit_mb, held, disk_scale_mb=scale_mb)


def in_order(waiting: Sequence[Entry], running: Sequence[Entry]) -> list[Entry]:
    """The line, first comes first."""
    ahead = Counter(entry.owner for entry in running)
    ranked: list[tuple[int, int, Entry]] = []
    for entry in sorted(waiting, key=lambda e: e.number):
        ranked.append((ahead[entry.owner], entry.number, entry))
        ahead[entry.owner] += 1
    return [entry for _, _, entry in sorted(ranked, key=lambda r: r[:2])]


def next_in_line(
    waiting: Sequence[Entry], running: Sequence[Entry], room: Room, heavy_at_once: int = 1
) -> Entry | None:
    """The step that may begin now; None when all must wait."""
    lane_full = sum(entry.heavy for entry in running) >= heavy_at_once
    for entry in in_order(waiting, running):
        if (entry.heavy and lane_full) or held(entry, running, room):
            continue
        if all(decision.admitted for decision in decisions(entry, running, room)):
            return entry
        if entry.passed >= PATIENCE:
            return None
    return None


def decisions(entry: Entry, running: Sequence[Entry], room: Room) -> tuple[Decision, Decision]:
    """The sums for RAM and for disk, with what the running steps may still take."""
    promised = sum(unspent_mb(other) for other in running)
    promised_disk = sum(other.disk_mb for other in running)
    return (
        decide(entry.memory_mb, room.used_mb + promised, room.limit_mb),
        decide_disk(entry.disk_mb, room.disk_free_mb - promised_disk, room.disk_limit_mb, room.disk_scale_mb),
    )


def held(entry: Entry, running: Sequence[Entry], room: Room) -> str:
    """Why the step may not begin though it might fit, "" when it may.

    A closed door is for the time until running work has given back what it holds; nobody waits at it for nothing.
    """
    if not running:
        return ""
    return room.held or (room.held_writing if entry.disk_mb > 0 else "")


def unspent_mb(running: Entry) -> float:
    """What a running step may still add to what is used now."""
    return max(0.0, SAFETY * running.memory_mb - running.resident_mb)


def never_fits(entry: Entry, room: Room) -> Decision | None:
    """The decision that says that not even an empty container would do; None when one would."""
    if not decide(entry.memory_mb, 0.0, room.limit_mb).admitted:
        return decide(entry.memory_mb, room.used_mb, room.limit_mb)
    disk = decide_disk(entry.disk_mb, room.disk_limit_mb, room.disk_limit_mb, room.disk_scale_mb)
    if not disk.admitted:
        return decide_disk(entry.disk_mb, room.disk_free_mb, room.disk_limit_mb, room.disk_scale_mb)
    return None


def not_now(entry: Entry, running: Sequence[Entry], room: Room) -> Decision | None:
    """The decision against a step that would not fit either once all that runs is gone; None while there is hope.

    Hope is generous: what runs is taken to give back all that it has, or was expected to need, and all that it writes.
    """
    memory = sum(max(other.resident_mb, SAFETY * other.memory_mb) for other in running)
    disk = sum(other.disk_mb for other in running)
    after = replace(room, used_mb=max(0.0, room.used_mb - memory), disk_free_mb=room.disk_free_mb + disk)
    pairs = zip(decisions(entry, [], after), decisions(entry, running, room), strict=True)
    return next((now for then, now in pairs if not then.admitted), None)
