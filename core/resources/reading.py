"""Reading: RAM, disk, CPU, GPU and processes of the container at one moment, and the loads between two moments.

Frozen values and pure sums. Asks nothing (probe.py) and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.resources.disk import DiskReading
from core.resources.gpu import Gpu
from core.resources.handles import Handles
from core.resources.memory import MemoryReading
from core.resources.network import Network
from core.resources.pressure import Pressure
from core.resources.processes import ProcessRow
from core.resources.shm import SharedMemory

MIN_SPAN_S = 0.05  # a shorter time between two readings gives no meaningful load


@dataclass(frozen=True)
class CpuReading:
    """CPU of the container.

    Attributes:
        count: cores this process may run on.
        quota: cores' worth of time that the container may use, None without a quota.
        used_seconds: CPU time of the container's group since it began; None when the kernel does not say.
        load_percent: of what is allowed, since the reading before; None in a first reading.
        periods, throttled: scheduling periods so far, and in how many the container had to wait for its quota.
        throttled_seconds: how long it waited so far.
        throttled_percent: of the periods since the reading before; None in a first reading or without a quota.
    """

    count: int
    quota: float | None
    used_seconds: float | None
    load_percent: float | None = None
    periods: int | None = None
    throttled: int | None = None
    throttled_seconds: float | None = None
    throttled_percent: float | None = None

    @property
    def allowed(self) -> float:
        """Cores' worth of time that may be used."""
        return min(float(self.count), self.quota) if self.quota else float(self.count)


@dataclass(frozen=True)
class Reading:
    """Everything at one moment.

    Attributes:
        at: seconds since 1970 (for the screen).
        ticks: monotonic seconds (for differences).
        gpu: empty when there is none.
        processes: this app's tree, largest first.
        pressure: how long work waited for memory; None where the kernel does not count it.
        shared: /dev/shm; None where there is none. Its bytes are in `memory` already.
        handles: open files, threads and deleted but open files of the tree.
        network: bytes so far; None where they are not counted.
    """

    at: float
    ticks: float
    memory: MemoryReading
    disk: DiskReading
    cpu: CpuReading
    gpu: tuple[Gpu, ...]
    processes: tuple[ProcessRow, ...]
    pressure: Pressure | None = None
    shared: SharedMemory | None = None
    handles: Handles | None = None
    network: Network | None = None


def with_loads(now: Reading, before: Reading | None) -> Reading:
    """`now` with the loads since `before`; unchanged when they are too close together."""
    if before is None or now.ticks - before.ticks < MIN_SPAN_S:
        return now
    span = now.ticks - before.ticks
    earlier = {row.pid: row.cpu_seconds for row in before.processes}
    rows = tuple(
        replace(row, cpu_percent=_percent(row.cpu_seconds, earlier.get(row.pid), span)) for row in now.processes
    )
    used = now.cpu.used_seconds
    load: float | None
    if used is None:  # no group to ask: our own tree
        load = sum(row.cpu_percent or 0.0 for row in rows) / now.cpu.allowed
    else:
        load = _percent(used, before.cpu.used_seconds, span * now.cpu.allowed)
    load = None if load is None else min(100.0, load)
    return replace(
        now, cpu=replace(now.cpu, load_percent=load, throttled_percent=_waited(now.cpu, before.cpu)), processes=rows
    )


def network_rates(now: Reading, before: Reading) -> tuple[float, float] | None:
    """Bytes per second in and out between two readings; None when they are too close, or not counted."""
    span = now.ticks - before.ticks
    if now.network is None or before.network is None or span < MIN_SPAN_S:
        return None
    received = now.network.received_bytes - before.network.received_bytes
    sent = now.network.sent_bytes - before.network.sent_bytes
    return None if min(received, sent) < 0 else (received / span, sent / span)


def _waited(now: CpuReading, before: CpuReading) -> float | None:
    if now.periods is None or before.periods is None or now.throttled is None or before.throttled is None:
        return None
    periods, throttled = now.periods - before.periods, now.throttled - before.throttled
    if periods < 0 or throttled < 0:
        return None
    return min(100.0, 100.0 * throttled / periods) if periods else 0.0


def _percent(after: float, before: float | None, span: float) -> float | None:
    if before is None or after < before:  # a new process under an old number
        return None
    return 100.0 * (after - before) / span
