"""What the guard costs and how fast it is, beside what people do instead: a psutil loop.

`python -m benchmarks.guard [--seconds 30]` prints tables in Markdown. CPU is in percent of one core, of a process that
does nothing else; the supervisor is the real one with the real app below it. Everything in one run on one machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from core.resources.beats import vitals_of
from core.resources.child import run_child
from core.resources.light import LightMemory
from core.resources.memory import MemoryReading
from core.resources.probe import Sampler, take_reading
from core.resources.recorder import Recorder
from core.resources.watchdog import Watchdog
from core.settings import Settings, load_settings
from tests.stress.whole import whole_app

PSUTIL_S = 0.1  # how often people look
KILLS = 30  # reactions that are measured


def cost_of(work: Callable[[], object], times: int = 200) -> tuple[float, float]:
    """Milliseconds of CPU and of wall time per call."""
    work()
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - cpu) / times, 1000 * (time.monotonic() - wall) / times


def psutil_look() -> tuple[float, float]:
    """RAM as psutil sees it: the host's, and the RSS of this process and those below it."""
    here = psutil.Process()
    rss = sum(one.memory_info().rss for one in [here, *here.children(recursive=True)])
    return psutil.virtual_memory().percent, rss


@contextmanager
def psutil_loop() -> Iterator[None]:
    """The loop in a thread."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(PSUTIL_S):
            psutil_look()

    thread = threading.Thread(target=loop)
    thread.start()
    yield
    stop.set()
    thread.join()


@contextmanager
def guarded(settings: Settings, job: bool = False) -> Iterator[None]:
    """What the app runs: readings with their heartbeat, and the watchdog, with a worker to watch or without."""
    sampler = Sampler(settings)
    with Recorder(settings.state_dir) as recorder:
        dog = Watchdog(LightMemory(settings), lambda: sampler.latest().disk, record=recorder.note)
        sampler.observe(lambda reading: recorder.beat(vitals_of(reading)))
        sampler.start()
        dog.start()
        with dog.watch("waiting", predicted_mb=100) as watched:
            stop = threading.Event()
            worker = (sys.executable, "-I", "-c", "import time; time.sleep(3600)")
            run = threading.Thread(
                target=run_child,
                args=(worker, lambda line: None, stop.is_set, None),
                kwargs={"on_handle": watched.attach},
            )
            if job:
                run.start()
            yield
            stop.set()
            if job:
                run.join()
        dog.stop()
        sampler.stop()


def percent(running: AbstractContextManager[None], seconds: float) -> float:
    """CPU of this process while it runs, after the first moments."""
    with running:
        time.sleep(3.0)
        began, at = time.process_time(), time.monotonic()
        time.sleep(seconds)
        return 100.0 * (time.process_time() - began) / (time.monotonic() - at)


class Step:
    """RAM that is calm until `rise`; a worker's handle that notes when it was killed."""

    def __init__(self, calm: MemoryReading) -> None:
        self._calm, self._high = calm, replace(calm, used_bytes=int(0.9 * calm.limit_bytes))
        self.rose, self.killed, self.done = float("inf"), 0.0, threading.Event()
        self.pid = os.getpid()

    def __call__(self) -> MemoryReading:
        return self._high if time.monotonic() >= self.rose else self._calm

    def kill(self) -> bool:
        """As a runner's handle; nothing dies."""
        self.killed = time.monotonic()
        self.done.set()
        return True


def reactions(settings: Settings) -> list[float]:
    """Milliseconds from RAM above the threshold to the kill, its record on disk before it; RAM is played."""
    limit = 1 << 30
    calm = replace(take_reading(settings).memory, limit_bytes=limit, used_bytes=limit // 3)
    found = []
    with Recorder(settings.state_dir) as recorder:
        for number in range(KILLS):
            step = Step(calm)
            dog = Watchdog(step, record=recorder.note)
            dog.start()
            with dog.watch("worker", predicted_mb=10) as watched:
                watched.attach(step)
                time.sleep(0.5 + 0.0137 * number)  # at every point of its period
                step.rose = time.monotonic()
                step.done.wait(30)
                found.append(1000 * (step.killed - step.rose))
            dog.stop()
    return found


def supervisor(folder: Path, seconds: float) -> tuple[float, float, float]:
    """CPU of the supervisor (percent), its RSS and that of the app without a visitor (MB)."""
    folder.mkdir()
    with whole_app(folder) as whole:
        above = psutil.Process(whole.process.pid)
        time.sleep(5.0)
        (app,) = above.children()
        before, at = above.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after = above.cpu_times()
        spent = after.user + after.system - before.user - before.system
        rss = above.memory_info().rss / 1e6, app.memory_info().rss / 1e6
        return 100.0 * spent / (time.monotonic() - at), *rss


def main(seconds: float) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = load_settings().model_copy(update={"cache_dir": folder / "cache", "state_dir": folder / "state"})
        print("| one look | CPU ms | wall ms |\n|---|---|---|")
        looks: tuple[tuple[str, Callable[[], object]], ...] = (
            ("light reading (RAM, every 0.1 s with a job)", LightMemory(settings)),
            ("full reading (every 2 s)", lambda: take_reading(settings)),
            ("psutil: virtual_memory and the tree's RSS", psutil_look),
        )
        for title, work in looks:
            cpu, wall = cost_of(work)
            print(f"| {title} | {cpu:.2f} | {wall:.2f} |", flush=True)
        print("\n| who | % of one core |\n|---|---|")
        idle = percent(guarded(settings), seconds)
        print(f"| the app's guard, idle | {idle:.2f} |", flush=True)
        busy = percent(guarded(settings, job=True), seconds)
        print(f"| the app's guard, with a job | {busy:.2f} |", flush=True)
        loop = percent(psutil_loop(), seconds)
        print(f"| a psutil loop of 0.1 s | {loop:.2f} ({loop / busy:.1f} × the guard with a job) |", flush=True)
        above, rss, app = supervisor(folder / "whole", seconds)
        print(f"| the supervisor, idle | {above:.2f} |")
        print(f"| both, idle | {idle + above:.2f} |\n| both, with a job | {busy + above:.2f} |", flush=True)
        print(f"\nRSS: supervisor {rss:.0f} MB, the app without a visitor {app:.0f} MB")
        times = reactions(settings)
        print(f"reaction, {len(times)} kills: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms")


if __name__ == "__main__":
    main(float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 30.0)
