"""Every end that a survivor sees: a real app dies in all ways under one supervisor, over a recorded tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.resources.runs import history
from tests.resources.test_supervisor import ROOT, free_port
from tests.resources.trees import GIB, v2_group, write

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a kernel that counts its kills")
SERVE = """
import sys
from pathlib import Path
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
policy = Policy(first_pause_s=0.0, max_restarts=1000)
command = [sys.executable, "-c", *sys.argv[2:]]
sys.exit(serve(int(sys.argv[1]), load_settings(), Path("Home.py").resolve(), command=command, policy=policy))
"""
APP = """
import os, resource, sys, time
from pathlib import Path
from core.resources.beats import read_beats
from core.resources.recorder import Recorder
state, tree, lives = map(Path, sys.argv[1:4])
life = len(lives.read_text()) if lives.exists() else 0
lives.write_text("x" * (life + 1))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
app = Recorder(state, role="app", patience_s=30.0)

def kills(number):  # as the kernel counts
    beside = tree / "beside"
    beside.write_text(f"low 0\\nhigh 0\\nmax 12\\noom 1\\noom_kill {number}\\n")
    beside.replace(tree / "memory.events")

def die(number, case, before=lambda phase: None):
    with app.phase("engine", case=case) as phase:
        before(phase)
        os.kill(os.getpid(), number)
        time.sleep(60)

def others(phase):  # a process of somebody else was killed, and that was seen before we end
    kills(2)
    while sum(beat.role == "supervisor" and beat.vitals.oom_kills == 2 for beat in read_beats(state / "flight")[0]) < 2:
        time.sleep(0.2)

def worker(phase):
    kills(4)
    phase.worker_end(-9, oom_kills=1)

if life == 0: die(9, "sub-0", others)
if life == 1: die(9, "sub-1", lambda phase: kills(3))
if life == 2: die(9, "sub-2", worker)
if life == 3: die(11, "sub-3")
if life == 4: die(6, "sub-4")
if life == 5:
    with app.phase("fetch", case="sub-5"):
        app.note("errno 28", what="cache")
        raise OSError(28, "full")
if life == 6: sys.exit(3)
app.close()
sys.exit(143)
"""
ENDS = [
    ("killed", "confirmed", "engine", "sub-0"),
    ("out of memory", "confirmed", "engine", "sub-1"),
    ("killed", "probable", "engine", "sub-2"),
    ("native crash", "confirmed", "engine", "sub-3"),
    ("native crash", "confirmed", "engine", "sub-4"),
    ("disk full", "confirmed", "fetch", "sub-5"),
    ("crash", "confirmed", None, None),
    ("clean stop", "confirmed", None, None),
]


def test_every_end(tmp_path: Path) -> None:
    state = tmp_path / "state"
    tree = write(tmp_path / "cgroup", {**v2_group(str(GIB)), "cgroup.controllers": "memory\n"})
    own = {"STROKESCOPE_STATE_DIR": str(state), "STROKESCOPE_CGROUP_ROOT": str(tree), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", SERVE, str(free_port()), APP, str(state), str(tree), str(tmp_path / "lives")]
    env = {**os.environ, **own, "STROKESCOPE_HEALTH_PORT": "off"}
    served = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert served.returncode == 143
    found = [(one.class_, one.confidence, one.phase, one.case) for one in reversed(history(state))]
    assert found == ENDS
