"""Memory: how much RAM this container may use, how much it uses, and who set the limit.

`decide_memory` is pure: groups, host and a person's limits in, a MemoryReading out. Alarms go by `used_bytes`, which
the kernel cannot give back; page cache is not use. Does not look at single processes (processes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from core.resources.cgroup import Group, read_groups, read_meminfo, unreclaimable_kernel
from core.settings import Settings

MB = 1_000_000  # every *_mb in our JSON; limits set in GiB are also given in bytes
WARN, STOP_ADMITTING, KILL, DRAIN = 0.70, 0.80, 0.88, 0.95  # of the limit; what held in experiments (facts, spaces)


@dataclass(frozen=True)
class HostMemory:
    """The whole machine; bytes."""

    total_bytes: int
    used_bytes: int
    working_set_bytes: int | None


@dataclass(frozen=True)
class MemoryReading:
    """RAM of the container at one moment.

    Attributes:
        limit_bytes: the limit that is nearest here; as a rule the smallest.
        limit_source: whose it is: "cgroup v2", "cgroup v1", "MEMORY variable", "STROKESCOPE_MEMORY_LIMIT" or "host".
        used_bytes: anon + shmem + unreclaimable kernel memory, counted where the limit counts it.
        working_set_bytes: use with active page cache; shown beside it, never alarmed on.
        oom_group: the kernel would kill everything at once.
        oom_kills: processes of our own group killed for memory so far.
    """

    limit_bytes: int
    limit_source: str
    used_bytes: int
    working_set_bytes: int | None
    oom_group: bool | None
    oom_kills: int | None

    @property
    def limit_mb(self) -> float:
        return self.limit_bytes / MB

    @property
    def used_mb(self) -> float:
        return self.used_bytes / MB

    @property
    def fraction(self) -> float:
        """Used part of the limit; above 1 where a person's limit is smaller than what is used."""
        return self.used_bytes / self.limit_bytes


def read_memory(settings: Settings, proc_root: Path = Path("/proc")) -> MemoryReading:
    """Ask the kernel and decide."""
    groups = read_groups(settings.cgroup_root, proc_root)
    return decide_memory(groups, read_host(proc_root), settings.container_memory, settings.memory_limit)


def decide_memory(
    groups: Sequence[Group],
    host: HostMemory,
    variable: int | None,
    setting: int | None,
    own: Callable[[], int] | None = None,
) -> MemoryReading:
    """The smallest limit wins, unless a group further out is nearer to its own; of equal ones the kernel's, outermost.

    A group further out may be smaller or fuller than ours: whatever runs beside us in it counts there.

    Args:
        groups: innermost first.
        variable: bytes of the `MEMORY` variable.
        setting: bytes of STROKESCOPE_MEMORY_LIMIT.
        own: what our processes use, for limits whose use no group tells; by default `own_bytes`.
    """
    limited = [_offer(group) for group in reversed(groups) if group.limit_bytes is not None]
    smallest = min(limited, key=lambda offer: offer.limit, default=None)
    counted = smallest or (_offer(groups[0]) if groups else None)
    by_hand = ((variable, "MEMORY variable"), (setting, "STROKESCOPE_MEMORY_LIMIT"))
    offers = [*limited, *(_with_limit(limit, source, counted) for limit, source in by_hand if limit)]
    flags = [group.oom_group for group in groups if group.oom_group is not None]
    together = any(flags) if flags else None
    kills = next((group.oom_kills for group in groups if group.oom_kills is not None), None)
    if not offers or host.total_bytes < min(offer.limit for offer in offers):
        return MemoryReading(host.total_bytes, "host", host.used_bytes, host.working_set_bytes, together, kills)
    chosen = min(offers, key=lambda offer: (offer.limit - (offer.used or 0), offer.limit))
    used = (own or own_bytes)() if chosen.used is None else chosen.used
    return MemoryReading(chosen.limit, chosen.source, used, chosen.working_set, together, kills)


@dataclass(frozen=True)
class _Offer:
    """A limit, whose it is, and what counts towards it; bytes."""

    limit: int
    source: str
    used: int | None
    working_set: int | None


def _offer(group: Group) -> _Offer:
    return _Offer(group.limit_bytes or 0, f"cgroup {group.version}", group.used_bytes, group.working_set_bytes)


def _with_limit(limit: int, source: str, counted: _Offer | None) -> _Offer:
    return _Offer(limit, source, None, None) if counted is None else replace(counted, limit=limit, source=source)


def own_bytes() -> int:
    """What this process and those below it hold for themselves alone; takes some milliseconds."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            memory = process.memory_info()
            total += max(0, memory.rss - getattr(memory, "shared", 0))
    return total


def read_host(proc_root: Path = Path("/proc"), meminfo: Mapping[str, int] | None = None) -> HostMemory:
    """The machine's own memory: /proc/meminfo (read already, or now), elsewhere (macOS) what psutil says."""
    fields = read_meminfo(proc_root) if meminfo is None else meminfo
    if "MemTotal" not in fields or "AnonPages" not in fields:
        machine = psutil.virtual_memory()
        return HostMemory(machine.total, machine.total - machine.available, None)
    total = fields["MemTotal"]
    used = fields["AnonPages"] + fields.get("Shmem", 0) + (unreclaimable_kernel(fields) or 0)
    cold = fields.get("MemFree", 0) + fields.get("Inactive(file)", 0)
    return HostMemory(total, min(total, used), max(0, total - cold))
