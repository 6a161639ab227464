"""A stand-in for the app that records as the app does: `recorded_app STATE TRUTH [workers | alone]`.

Writes to TRUTH, with one unbuffered write each, which step it is in, so that a test can compare the record with it:
"in" after the step was recorded and "out" before its end is. With `workers` each step is a process of
its own; with `alone` there is one step that does not end.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from core.resources.beats import Vitals
from core.resources.recorder import Recorder

CALM = Vitals(ram_used=1e9, ram_limit=4e9, disk_used=1e9, disk_limit=9e9, oom_kills=0)


def say(line: str) -> None:
    """One line for the test, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def steps(recorder: Recorder, truth: int) -> None:
    """One short step after the other."""
    for number in count():
        case = f"sub-{number}"
        with recorder.phase("engine", case=case, predicted_mb=10.0, kind="stand-in"):
            os.write(truth, f"in {case}\n".encode())
            recorder.beat(CALM)
            time.sleep(random.random() * 0.02)
            os.write(truth, f"out {case}\n".encode())
        if number == 0:
            say(f"ready {os.getpid()}")


def workers(recorder: Recorder, state: Path) -> None:
    """One worker after the other."""
    for number in count():
        with recorder.phase("engine", case=f"sub-{number}", predicted_mb=10.0) as phase:
            env = {**os.environ, **recorder.environment()}
            worker = subprocess.Popen([sys.executable, "-m", __spec__.name, str(state), "worker"], env=env)
            rc = worker.wait()
            phase.worker_end(rc, oom_kills=0)
        say(f"ended {number} {rc}")


def work(recorder: Recorder) -> None:
    """What a worker does: it beats for a while."""
    say(f"worker {os.getpid()}")
    with recorder:
        for _ in range(250):
            recorder.beat(CALM)
            recorder.note("progress", wait_s=0.0)
            time.sleep(0.002)


def main() -> None:
    """Run as what the arguments say, until killed."""
    state, second = Path(sys.argv[1]), sys.argv[2]
    persist = os.environ.get("STROKESCOPE_PERSIST_DIR")
    recorder = Recorder(
        state, Path(persist) if persist else None, role="worker" if second == "worker" else "app", patience_s=30.0
    )
    if second == "worker":
        work(recorder)
    elif sys.argv[3:] == ["workers"]:
        say(f"ready {os.getpid()}")
        workers(recorder, state)
    elif sys.argv[3:] == ["alone"]:
        with recorder.phase("engine", case="sub-1", predicted_mb=10.0):
            say(f"ready {os.getpid()}")
            time.sleep(120)
    else:
        steps(recorder, os.open(second, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC))


if __name__ == "__main__":
    main()
