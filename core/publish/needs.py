"""Needs: what building and sending a dataset will take: disk, RAM, bytes, seconds.

Pure sums; the container's numbers come in as a Reading. Reserves nothing and starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.publish.plan import Plan
from core.publish.room import SPARE
from core.resources import budget
from core.resources.budget import Decision
from core.resources.memory import MB
from core.resources.reading import Reading

MEMORY_MB = 250.0  # measured peak of the process that does it all: of checking large heads; building takes 120
RECORD_BYTES = 6_000  # of the staging folder's record, per shard
BUILD_RATE = 100e6  # bytes a second from the source to a shard that is read back; two cores, local disk
SEND_RATE = 12.5e6  # bytes a second of a line of 100 Mbit/s


@dataclass(frozen=True)
class Rates:
    """Bytes a second."""

    build: float = BUILD_RATE
    send: float = SEND_RATE


@dataclass(frozen=True)
class Needs:
    """What is to be expected.

    Attributes:
        disk_bytes: that the staging folder will grow to, beyond what already lies there, and what stays free then.
        memory_mb: peak of the process that builds.
        build_bytes, send_bytes: still to go.
        seconds: still to go, one after the other.
    """

    disk_bytes: int
    memory_mb: float
    build_bytes: int
    send_bytes: int
    seconds: float


def expect(
    plan: Plan, built: Iterable[int] = (), sent: Iterable[int] = (), window: int | None = None, rates: Rates = Rates()
) -> Needs:
    """What is still to be paid.

    Args:
        built: indices of shards that need not be built any more: built, sent, proven or freed.
        sent: indices of shards that the remote has; part of `built`.
        window: with `--rolling`, bytes of shards that lie in the staging folder at a time; None when all of them do.
    """
    done, gone = frozenset(built), frozenset(sent)
    build = sum(shard.bytes for shard in plan.shards if shard.index not in done)
    send = sum(shard.bytes for shard in plan.shards if shard.index not in gone)
    disk = build if window is None else min(build, max(window, plan.largest))
    seconds = build / rates.build + send / rates.send
    spare = SPARE if disk else 0
    return Needs(disk + spare + RECORD_BYTES * len(plan.shards), MEMORY_MB, build, send, seconds)


def judge(needs: Needs, reading: Reading) -> tuple[Decision, Decision]:
    """Whether the container has the RAM and the disk; the app's own rules, with their margins."""
    memory, disk = reading.memory, reading.disk
    return (
        budget.decide(needs.memory_mb, memory.used_mb, memory.limit_mb),
        budget.decide_disk(needs.disk_bytes / MB, disk.free_bytes / MB, disk.limit_mb, disk.scale_bytes / MB),
    )
