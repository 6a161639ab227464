"""Real kills in a real control group: the worker goes, the whole app stays and answers, and its record knows why.

The supervisor, the dashboard and its workers run in one group of 1 GiB. The workers take memory slowly or fast, in
Python, numpy, torch, C, a C extension that holds the GIL, through mmap, /dev/shm and children.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.resources.record import read_record
from core.resources.runs import previous_run
from core.resources.verdict import judge_worker
from tests.resources.test_supervisor import ROOT, free_port
from tests.stress.campaign import play, sizes
from tests.stress.eaters import build_extension
from tests.stress.groups import entering, limited_group
from tests.stress.whole import Pulse, Whole, answers, whole_app

LIMIT = 1 << 30
SLEEPING_DOG = """
import json, sys
from core.resources.child import run_child
from core.resources.cost import Step
from core.resources.disk import read_disk
from core.resources.guard import make_guard
from core.resources.recorder import Recorder
from core.settings import load_settings
from tests.stress.eaters import EATERS
settings = load_settings()
with Recorder(settings.state_dir, patience_s=30.0) as recorder:
    guard = make_guard(settings, recorder, lambda: read_disk(settings, None))
    with guard.enter(Step("engine:eater", "eating", 5.0, case="sub-0"), "engine") as worker:
        code = [sys.executable, "-I", "-c", EATERS["c"], "100000", ""]
        end = run_child(code, lambda line: None, lambda: False, 300, on_handle=worker.attach)
        error = worker.ended(end)
print(json.dumps({"rc": end.returncode, "told": "" if error is None else error.sentence()}))
"""
KINDS = ("numpy", "shm", "extension", "python", "c", "torch", "mmap", "children")
PACES = ("100", "400", "100000")  # MB/s: slow, fast, as fast as it goes
WITHIN_S, WITHIN_BUSY_S = 1.0, 20.0  # what is promised; and what a sample on a busy machine may take


@sizes(sample=2, campaign=50)
def test_the_worker_dies_and_the_app_knows_why(tmp_path: Path, count: int) -> None:
    ends: Counter[str] = Counter()
    built = build_extension(tmp_path)
    shared = Path("/dev/shm", f"strokescope-{tmp_path.parent.name}-{tmp_path.name}")
    shared.mkdir()
    with limited_group(LIMIT) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        with (
            bare_server(tmp_path) as bare,
            whole_app(tmp_path, group) as whole,
            Pulse((*whole.addresses, bare)) as pulse,
        ):

            def one(number: int, random: Random) -> None:
                kind, pace = KINDS[number % len(KINDS)], random.choice(PACES if count > 2 else PACES[1:])
                kind = "c" if kind == "extension" and not built else kind
                name = str(tmp_path) if kind == "extension" else shared.name
                said = whole.eat(kind, pace, name, f"sub-{number}")
                found = check(whole, said, f"sub-{number}")
                assert not list(shared.iterdir())  # what it held in /dev/shm went with it
                ends[f"{found}, {pace} MB/s"] += 1

            try:
                play(count, one)
            finally:
                shutil.rmtree(shared)
            app = whole.health()["app"]
            assert previous_run(whole.state) is None  # the one run lives
    supervisor, own, idle = (max(pulse.times[address]) for address in (*whole.addresses, bare))
    asked = len(pulse.times[whole.addresses[0]]) + len(pulse.times[whole.addresses[1]])
    told = f"slowest: supervisor {supervisor:.3f} s, app {own:.3f} s, a bare server outside {idle:.3f} s"
    sys.stderr.write(f"\n{dict(ends)}; {asked} answers, {told}\n")
    assert app["alive"] and app["restarts"] == 0
    assert max(supervisor, own) < idle + (WITHIN_S if count > 2 else WITHIN_BUSY_S)


@contextmanager
def bare_server(folder: Path) -> Iterator[str]:
    """The address of a web server that does nothing else, outside the group: how busy the machine is by itself."""
    empty, port = folder / "empty", free_port()
    empty.mkdir()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(empty)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + 60
            while not answers(address):
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            yield address
        finally:
            server.terminate()


def check(whole: Whole, said: dict[str, Any], case: str) -> str:
    """What ended the worker, by the record; it and what the user was told are right."""
    record = read_record(whole.state)
    (end,) = (event for event in record.events if event.event == "worker end" and event.text("case") == case)
    intents = [event for event in record.events if event.event == "kill intent" and event.text("case") == case]
    found = judge_worker(record, end)
    assert said["rc"] == end.value("rc") == -9, said
    assert found.class_ == ("watchdog" if intents else "out of memory"), (found, said)
    assert found.confidence == "confirmed"
    assert said["class"] == "WorkerDied" and "RAM" in said["told"], said
    assert said["ram"] < 0.7, said  # /dev/shm too
    return found.class_


def test_the_kernel_wins_where_the_watchdog_sleeps(tmp_path: Path) -> None:
    with limited_group(160 << 20) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        folders = {f"STROKESCOPE_{name}_DIR": str(tmp_path / name) for name in ("CACHE", "STATE")}
        done = subprocess.run(
            [*entering(group), sys.executable, "-c", SLEEPING_DOG],
            cwd=ROOT,
            env={**os.environ, **folders, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    record = read_record(tmp_path / "STATE")
    (end,) = (event for event in record.events if event.event == "worker end")
    found = judge_worker(record, end)
    assert said["rc"] == -9 and "ended by the system because the container ran out of RAM" in said["told"], said
    assert (found.class_, found.confidence) == ("out of memory", "confirmed")
    assert any("the kernel counted 1 kill" in sentence for sentence in found.evidence)
