"""The kernel kills the whole container at once (cgroup v2, oom.group = 1): the next start says what it was.

The control group is a recorded tree, as no test may kill the machine that runs it; supervisor, app and kills are real.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.resources.doctor import doctor
from core.resources.record import read_record
from core.resources.runs import history, previous_run
from core.resources.verdict import Verdict
from core.settings import load_settings
from tests.resources.test_supervisor import ROOT, free_port
from tests.resources.trees import GIB, v2_group, write

SERVE = """
import sys
from pathlib import Path
from core.resources.supervisor import serve
from core.settings import load_settings
command = [sys.executable, "-c", *sys.argv[2:]]
sys.exit(serve(int(sys.argv[1]), load_settings(), Path("Home.py").resolve(), command=command))
"""
APP = """
import sys, time
from core.resources.beats import vitals
from core.resources.disk import read_disk
from core.resources.light import LightMemory
from core.resources.recorder import Recorder
from core.settings import load_settings
settings = load_settings()
memory, recorder = LightMemory(settings), Recorder(settings.state_dir, patience_s=30.0)
def beat():
    recorder.beat(vitals(memory(), read_disk(settings, None)))
beat()
with recorder.phase("engine", case="sub-stroke0007", predicted_mb=float(sys.argv[1]), kind="engine:diffusion"):
    print("busy", flush=True)
    while True:
        beat()
        time.sleep(0.05)
"""


def tree(root: Path, used: float) -> None:
    """A group of 1 GiB that dies as one, with that part of it in use."""
    taken = int(used * GIB)
    stat = (
        f"anon {taken}\nfile 0\nkernel 0\nsock 0\nshmem 0\ninactive_file 0\nslab_reclaimable 0\nslab_unreclaimable 0\n"
    )
    files = {"cgroup.controllers": "memory\n", **v2_group(str(GIB), taken, stat, together="1")}
    for name, text in files.items():  # whole or not at all, as the kernel shows them
        write(root, {f"{name}.new": text})
        (root / f"{name}.new").replace(root / name)


def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: float, predicted_mb: float) -> Verdict:
    """One run in which everything dies at that use, in a step of that prediction; the verdict of the next start."""
    state, group = tmp_path / "state", tmp_path / "cgroup"
    tree(group, 0.4)
    env = {"STATE_DIR": state, "CACHE_DIR": tmp_path / "cache", "CGROUP_ROOT": group, "HEALTH_PORT": "off"}
    for name, value in env.items():
        monkeypatch.setenv(f"STROKESCOPE_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = [sys.executable, "-c", SERVE, str(free_port()), APP, str(predicted_mb)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "busy":
            assert process.poll() is None
        (app,) = psutil.Process(process.pid).children()
        tree(group, used)
        deadline = time.monotonic() + 60
        while abs((read_record(state).beats[-1].vitals.ram or 0.0) - used) > 0.01:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGSTOP)  # so that it sees nothing of what comes
        app.kill()
        process.kill()
        psutil.wait_procs([app], timeout=60)
    found = previous_run(state)
    assert found is not None and found.chart
    assert (found.phase, found.case, found.whom) == ("engine", "sub-stroke0007", "a visitor's job")
    return found


def test_ram_was_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = life(tmp_path, monkeypatch, used=0.93, predicted_mb=300)
    assert (found.class_, found.confidence) == ("out of memory", "probable")
    said = doctor(load_settings())
    assert said["memory"]["oom_group"] is True
    assert said["previous_run"]["class"] == "out of memory" and said["previous_run"]["case"] == "sub-stroke0007"
    short = "import sys; sys.exit(0)"  # a next life, which writes the verdict down
    again = subprocess.run([sys.executable, "-c", SERVE, str(free_port()), short], cwd=ROOT, check=False)
    assert again.returncode == 0
    last, before = history(tmp_path / "state")
    assert last.class_ == "clean stop"
    assert (before.class_, before.confidence, before.case) == ("out of memory", "probable", "sub-stroke0007")


@pytest.mark.stress
def test_the_admitted_step_could_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = life(tmp_path, monkeypatch, used=0.45, predicted_mb=900)
    assert (found.class_, found.confidence) == ("out of memory", "probable")


@pytest.mark.stress
def test_a_calm_death_is_not_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = life(tmp_path, monkeypatch, used=0.45, predicted_mb=100)
    assert (found.class_, found.confidence) == ("unknown", "none")
