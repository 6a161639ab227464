"""Readings written by hand, for gauges, charts and the Resources page."""

from __future__ import annotations

from core.resources.disk import DiskReading
from core.resources.memory import MemoryReading
from core.resources.probe import CpuReading, Reading
from core.resources.processes import ProcessRow

GIB = 1 << 30
GB = 10**9


def memory(used: int = GIB, limit: int = 15 * GIB, source: str = "cgroup v2") -> MemoryReading:
    return MemoryReading(limit, source, used, used + GIB, False, 0)


def disk(
    used: int | None = 3 * GB, limit: int = 50 * GB, free: int | None = None, source: str = "tier t4-small"
) -> DiskReading:
    return DiskReading(limit, source, used, GB, limit - (used or 0) if free is None else free)


def reading(ticks: float = 0.0, used: int = GIB, limit: int = 15 * GIB, load: float | None = 12.0) -> Reading:
    rows = (
        ProcessRow(11, "app", used // 2, 1.0, 3.0),
        ProcessRow(12, "worker", used // 4, 1.0, None),
        ProcessRow(13, "sh", used // 8, 1.0, 0.0),
    )
    return Reading(1000.0 + ticks, ticks, memory(used, limit), disk(), CpuReading(4, 2.0, 5.0, load), (), rows)
