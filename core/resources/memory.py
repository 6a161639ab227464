"""Memory: how much RAM this container may use, how much it uses, and who set the limit.

`decide_memory` is pure: groups, host and a person's limits in, a MemoryReading out. Alarms go by `used_bytes`, which
the kernel cannot give back; page cache is not use. Does not look at single processes (processes.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.resources.cgroup import Group, read_groups, read_meminfo, unreclaimable_kernel
from core.settings import Settings

MB = 1_000_000  # every *_mb in our JSON; limits set in GiB are also given in bytes
WARN, STOP_ADMITTING, KILL, DRAIN = (
    0.70,
    0.80,
    0.88,
    0.95,
)  # of the limit; the ladder that held in experiments (facts, spaces)


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
        limit_bytes: the smallest limit that holds here.
        limit_source: whose it is: "cgroup v2", "cgroup v1", "MEMORY variable", "STROKESCOPE_MEMORY_LIMIT" or "host".
        used_bytes: anon + shmem + unreclaimable kernel memory, counted where the limit counts it.
        working_set_bytes: use with active page cache; shown beside it, never alarmed on.
        oom_group: the kernel would kill everything at once.
        oom_kills: processes killed for memory so far in the counted group.
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
    groups: Sequence[Group], host: HostMemory, variable: int | None, setting: int | None
) -> MemoryReading:
    """The smallest limit wins; of equal limits the kernel's, and of its groups the outermost, which counts the most.

    Args:
        groups: innermost first.
        variable: bytes of the `MEMORY` variable.
        setting: bytes of STROKESCOPE_MEMORY_LIMIT.
    """
    limited = sorted(
        ((group.limit_bytes, group) for group in reversed(groups) if group.limit_bytes is not None),
        key=lambda pair: pair[0],
    )
    tightest = limited[0][1] if limited else None
    offers = [(limit, f"cgroup {group.version}") for limit, group in limited[:1]]
    offers += [(variable, "MEMORY variable")] if variable else []
    offers += [(setting, "STROKESCOPE_MEMORY_LIMIT")] if setting else []
    offers += [(host.total_bytes, "host")]
    limit, source = min(offers, key=lambda offer: offer[0])
    counted = tightest or next(iter(groups), None)
    if source == "host" or counted is None or counted.used_bytes is None:
        used, working_set = host.used_bytes, host.working_set_bytes
    else:
        used, working_set = counted.used_bytes, counted.working_set_bytes
    flags = [group.oom_group for group in groups if group.oom_group is not None]
    kills = counted.oom_kills if counted is not None else None
    return MemoryReading(limit, source, used, working_set, any(flags) if flags else None, kills)


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
