"""What the guard costs: one light and one full reading, its CPU idle and with a job, and its memory.

`python -m benchmarks.guard [--seconds 60]`; prints a table. CPU is that of this process, in percent of one core, with
the watchdog's and the sampler's threads and nothing else in it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.resources.child import run_child
from core.resources.light import LightMemory
from core.resources.probe import Sampler, take_reading
from core.resources.watchdog import Watchdog
from core.resources.watched import resident_mb
from core.settings import Settings, load_settings


def milliseconds(work: Callable[[], object], times: int = 200) -> tuple[float, float]:
    """CPU and wall per call."""
    work()
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - cpu) / times, 1000 * (time.monotonic() - wall) / times


def percent(settings: Settings, seconds: float, job: bool) -> float:
    """CPU of the guard while nothing or one worker runs."""
    sampler = Sampler(settings)
    dog = Watchdog(LightMemory(settings), lambda: sampler.latest().disk)
    sampler.start()
    dog.start()
    time.sleep(3.0)
    began = time.process_time()
    if job:
        with dog.watch("waiting", predicted_mb=100) as watched:
            worker = [sys.executable, "-I", "-c", f"import time; time.sleep({seconds})"]
            run_child(worker, lambda line: None, lambda: False, None, on_handle=watched.attach)
    else:
        time.sleep(seconds)
    used = time.process_time() - began
    dog.stop()
    sampler.stop()
    return 100.0 * used / seconds


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings().model_copy(update={"cache_dir": Path(folder), "state_dir": Path(folder)})
        light = LightMemory(settings)
        for name, work in (("light reading", light), ("full reading", lambda: take_reading(settings))):
            cpu, wall = milliseconds(work)
            print(f"{name}: {cpu:.2f} ms CPU, {wall:.2f} ms wall")
        print(f"idle: {percent(settings, seconds, job=False):.2f} % of one core (full reading every 2 s)")
        print(
            f"with a job: {percent(settings, seconds, job=True):.2f} % of one core (light reading every 0.1 s as well)"
        )
    print(f"RSS {resident_mb(os.getpid()):.0f} MB")


if __name__ == "__main__":
    main(float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 60.0)
