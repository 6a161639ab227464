"""Probe: asks the container how it is, once (`take_reading`) or all the time (`Sampler`).

A reading takes a few milliseconds; what is slow (du, nvidia-smi) is measured by the Sampler's second thread and handed
in. It shows; it does not act: no trimming, no killing.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from core.resources import shm
from core.resources.cgroup import read_cpu
from core.resources.disk import Usage, at_least, measure_usage, read_disk
from core.resources.gpu import Gpu, read_gpus
from core.resources.handles import read_handles
from core.resources.memory import read_memory
from core.resources.network import read_network
from core.resources.pressure import read_pressure
from core.resources.processes import read_processes, tree_root
from core.resources.reading import CpuReading as CpuReading
from core.resources.reading import Reading as Reading
from core.resources.reading import with_loads
from core.resources.steady import Steady
from core.settings import Settings

SLOW_S = 15.0  # at least, between two looks of the slow thread
SLOW_SHARE = 100.0  # it rests this many times as long as it worked: under 1 % of one core


def take_reading(
    settings: Settings,
    proc_root: Path = Path("/proc"),
    *,
    usage: Usage | None = None,
    gpu: tuple[Gpu, ...] = (),
    before: Reading | None = None,
    root_pid: int | None = None,
    doing: Mapping[int, str] | None = None,
    shm_root: Path = shm.ROOT,
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = time.monotonic,
) -> Reading:
    """Read the container now.

    Args:
        usage, gpu: the latest slow measurements; without `usage` the disk's use may be unknown.
        before: an earlier reading, so that loads can be given.
        root_pid: top of the process tree; by default the supervisor, or this process where there is none.
        doing: what processes are busy with, in a few words, by their number.
    """
    root = tree_root(os.environ, os.getpid(), os.getppid()) if root_pid is None else root_pid
    processes = read_processes(root, doing)
    handles = read_handles((row.pid for row in processes), proc_root)
    now = Reading(
        at=clock(),
        ticks=ticks(),
        memory=read_memory(settings, proc_root),
        disk=read_disk(settings, usage, handles.deleted_bytes),
        cpu=_read_cpu(settings, proc_root),
        gpu=gpu,
        processes=processes,
        pressure=read_pressure(settings.cgroup_root, proc_root),
        shared=shm.read_shared_memory(shm_root),
        handles=handles,
        network=read_network(proc_root),
    )
    return with_loads(now, before)


def _read_cpu(settings: Settings, proc_root: Path) -> CpuReading:
    group = read_cpu(settings.cgroup_root, proc_root)
    return CpuReading(
        _core_count(),
        group.quota,
        group.used_seconds,
        periods=group.periods,
        throttled=group.throttled,
        throttled_seconds=group.throttled_seconds,
    )


def _core_count() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Sampler:
    """The container's recent past; safe to use from several threads.

    Args:
        period_s: seconds between readings.
        keep_s: seconds of history; older readings are dropped.
        measure, gpus: the slow measurements, a seam for tests.
        doing: what processes are busy with, by their number; asked at each reading.
        root_pid: as `take_reading`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        period_s: float = 2.0,
        keep_s: float = 600.0,
        proc_root: Path = Path("/proc"),
        measure: Callable[[Settings], Usage] = measure_usage,
        gpus: Callable[[], tuple[Gpu, ...]] = read_gpus,
        doing: Callable[[], Mapping[int, str]] = dict,
        root_pid: int | None = None,
    ) -> None:
        self._settings, self._period_s, self._proc_root = settings, period_s, proc_root
        self._doing, self._root_pid = doing, root_pid
        self._observers: list[Callable[[Reading], None]] = []
        self._measure, self._gpus = measure, gpus
        self._ring: deque[Reading] = deque(maxlen=max(1, round(keep_s / period_s)))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()
        self._usage: Usage | None = None
        self._gpu: tuple[Gpu, ...] = ()

    def observe(self, observer: Callable[[Reading], None]) -> None:
        """Tell it of every reading from now on, in the thread that took it; it must be quick and raise nothing."""
        with self._lock:
            self._observers.append(observer)

    def describe(self, doing: Callable[[], Mapping[int, str]]) -> None:
        """From now on this says what processes are busy with."""
        self._doing = doing

    def start(self) -> None:
        """Begin; does nothing when it runs already."""
        with self._lock:
            if self._threads:
                return
            self._stopping.clear()
            self._threads = (
                threading.Thread(target=self._run_quick, name="sampler", daemon=True),
                threading.Thread(target=self._run_slow, name="sampler-slow", daemon=True),
            )
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """End both threads; waits for the reading in progress."""
        with self._lock:
            threads, self._threads = self._threads, ()
        self._stopping.set()
        for thread in threads:
            thread.join(timeout=10.0)

    def snapshot(self) -> tuple[Reading, ...]:
        """The history, oldest first."""
        with self._lock:
            return tuple(self._ring)

    def latest(self) -> Reading:
        """The newest reading; taken now when there is none yet."""
        with self._lock:
            newest = self._ring[-1] if self._ring else None
        return newest or self.sample()

    def sample(self) -> Reading:
        """Take one reading now and keep it."""
        with self._lock:
            before = self._ring[-1] if self._ring else None
            usage, gpu = self._usage, self._gpu
        reading = take_reading(
            self._settings,
            self._proc_root,
            usage=usage,
            gpu=gpu,
            before=before,
            root_pid=self._root_pid,
            doing=self._doing(),
        )
        with self._lock:
            self._ring.append(reading)
            observers = tuple(self._observers)
        for observer in observers:
            observer(reading)
        return reading

    def refresh(self) -> None:
        """Measure what is slow now, for example after the cache was cleared."""
        usage, gpu = self._measure(self._settings), self._gpus()
        with self._lock:
            self._usage, self._gpu = at_least(usage, self._usage), gpu

    def _run_quick(self) -> None:
        steady = Steady("reading the container")
        while not self._stopping.is_set():
            steady(self.sample)
            self._stopping.wait(self._period_s)

    def _run_slow(self) -> None:
        steady = Steady("measuring the disk")
        while not self._stopping.is_set():
            began = time.monotonic()
            steady(self.refresh)
            self._stopping.wait(max(SLOW_S, SLOW_SHARE * (time.monotonic() - began)))
