"""A worker never outlives who started it: app asked to stop or killed, early or late, or only its thread gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.resources.child import child_env
from tests.resources.test_child import gone

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="dying with the parent is Linux's")

APP = """
import sys, threading
from core.resources.child import child_env, run_child
def say(line): print(line["pid"], flush=True)
def job(): run_child([sys.executable, "-c", sys.argv[1]], say, lambda: False, 600, child_env())
thread = threading.Thread(target=job); thread.start(); thread.join()
"""
READY = "import json, os, time\nprint(json.dumps({'pid': os.getpid()}), flush=True)\n"
LATE = "import os\nparent = os.getppid()\n" + READY + "while os.getppid() == parent: time.sleep(0.01)\n"
OFFER = "from core.resources.child import expendable\nexpendable()\n"
SLEEP = "import time; time.sleep(600)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("worker", [OFFER + READY + SLEEP, LATE + OFFER + SLEEP], ids=["late", "while it starts"])
def test_a_worker_dies_with_the_app(worker: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", APP, worker], cwd=ROOT, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        app.send_signal(number)
        assert app.wait(60) == -number
        assert gone(pid)


def test_a_worker_dies_with_the_thread_that_started_it() -> None:
    """PR_SET_PDEATHSIG is the thread's death, which is why run_child stays in the thread that called it."""
    pids: list[int] = []
    started: list[subprocess.Popen[str]] = []

    def begin() -> None:
        argv = [sys.executable, "-c", OFFER + READY + SLEEP]
        process = subprocess.Popen(argv, cwd=ROOT, env=child_env(), stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        pids.append(int(json.loads(process.stdout.readline())["pid"]))

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join(60)
    with started[0] as process:
        assert process.wait(60) == -signal.SIGKILL
    assert len(pids) == 1
