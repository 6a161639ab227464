"""The supervisor stays small, answers while the app is busy, and keeps the heartbeat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.resources.beats import COUNT, TURNS, Beat, open_beats, pack_beat
from core.resources.breaker import Breaker
from core.resources.disk import Usage
from core.resources.heart import Heart
from core.resources.light import LightMemory
from core.resources.record import read_record
from core.resources.recorder import FOLDER, Recorder
from core.settings import Settings
from tests.resources.test_supervisor import ROOT, free_port, until_ready

SERVE = """
import sys
from pathlib import Path
import core.cli
from core.logs import configure_logging
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
configure_logging()
app = [sys.executable, "-c", "import time; print('ready', flush=True)\\nwhile True: pass"]
sys.exit(serve(int(sys.argv[1]), load_settings(), Path(sys.argv[2]), command=app, policy=Policy(first_pause_s=0.01)))
"""
HEAVY = {"streamlit", "torch", "numpy", "scipy", "pyarrow", "nibabel", "huggingface_hub", "starlette"}


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A supervisor with a stand-in that is always busy, and the port of its endpoint."""
    health = free_port()
    fill_rings(tmp_path / "state" / FOLDER)
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STROKESCOPE_STATE_DIR": str(tmp_path / "state"),
        "STROKESCOPE_PERSIST_DIR": str(tmp_path / "bucket"),
        "STROKESCOPE_HEALTH_PORT": str(health),
    }
    argv = [sys.executable, "-c", SERVE, str(free_port()), str(tmp_path / "Home.py")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=env, text=True)
    try:
        until_ready(process)
        yield process, health
    finally:
        process.terminate()
        process.communicate(timeout=60)


def fill_rings(folder: Path) -> None:
    """What long runs leave: reading it back must not make the supervisor large."""
    for role in ("app", "supervisor", "worker"):
        for slots in [open_beats(folder, role) for _ in range(TURNS)]:
            for number in range(COUNT):
                slots.write(pack_beat(Beat(1e9 + number, "a" * 12, role, 1, 1.0)))
            slots.close()


def health_of(port: int) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def until(port: int, wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, said = health_of(port)
        if wanted(said):
            return said
        time.sleep(0.05)
    raise AssertionError(f"never: {said}")


def test_it_answers_counts_and_stays_small(supervisor: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    process, port = supervisor
    code, said = health_of(port)
    assert (code, said["app"]["alive"], said["app"]["restarts"], said["safe_mode"]) == (200, True, 0, False)
    (app,) = psutil.Process(process.pid).children()
    app.kill()
    said = until(port, lambda said: said["app"]["restarts"] == 1)
    assert said["last_end"] == "killed"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    assert "strokescope_app_restarts_total 1" in text
    assert "strokescope_memory_limit_bytes " in text
    assert text.endswith("# EOF\n")
    assert psutil.Process(process.pid).memory_info().rss < 60e6
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    record = read_record(tmp_path / "state")
    told = [event.event for event in record.events]
    assert told == ["run end", "run start", "run end", "run start", "stop asked", "run end"]  # first: what was left
    assert any(beat.vitals.ram is not None and beat.role == "supervisor" for beat in record.beats)
    assert len(list((tmp_path / "bucket" / FOLDER).iterdir())) == 6
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if "strokescope.flight" in line]
    assert len(lines) == 6
    assert str(tmp_path) not in "\n".join(lines)


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, core.cli, core.resources.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not HEAVY & set(loaded.stdout.split())


def test_a_system_that_refuses_does_not_stop_it(tmp_path: Path) -> None:
    """The container cannot be read for a while: no beat for so long, and no end of the supervisor."""
    (tmp_path / "cg").mkdir()
    settings = Settings(cgroup_root=tmp_path / "cg", state_dir=tmp_path / "state", cache_dir=tmp_path)
    with Recorder(settings.state_dir, role="supervisor") as recorder:
        heart = Heart(settings, recorder, Breaker(recorder), period_s=0.01, measure=refused)
        heart._memory = refused  # type: ignore[assignment]
        heart.start()
        assert heart.oom_kills is None
        heart._memory = LightMemory(settings)
        for _ in range(6000):
            if heart.health()[1]["memory_percent"] is not None:
                break
            time.sleep(0.01)
        heart.stop()
        assert heart.health()[1]["memory_percent"] is not None


def refused(*nobody: object) -> Usage:
    raise OSError(24, "Too many open files")
