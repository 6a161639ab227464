"""The supervisor starts, stops and restarts a (tiny) app, and records it; real processes, real signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from core.errors import PortInUse
from core.resources.events import Event, Fact, append
from core.resources.record import read_record
from core.resources.recorder import FOLDER
from core.resources.runs import previous_run
from core.resources.safemode import safe_mode
from core.resources.supervisor import Policy, check_port, exit_code, streamlit_command

ROOT = Path(__file__).resolve().parents[2]

SERVE = """
import sys
from pathlib import Path
from core.resources.recorder import FOLDER
from core.resources.safemode import safe_mode
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
port, app, first_pause, grace = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
policy = Policy(grace_s=grace, max_restarts=2, first_pause_s=first_pause)
sys.exit(serve(port, load_settings(), app, command=[sys.executable, "-c", sys.argv[5]], policy=policy))
"""
WAITS = "import time, sys; print('ready', flush=True); time.sleep(60)"
TURNS_143 = (
    "import signal, sys, time; signal.signal(15, lambda *a: sys.exit(143)); print('ready', flush=True); time.sleep(60)"
)
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    tmp_path: Path, code: str, pause: float = 0.01, grace: float = 10.0, folder: str = "."
) -> Iterator[subprocess.Popen[str]]:
    app = tmp_path / folder / "Home.py"
    argv = [sys.executable, "-c", SERVE, str(free_port()), str(app), str(pause), str(grace), code]
    env = {**os.environ, "STROKESCOPE_STATE_DIR": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, text=True)
    try:
        yield started
    finally:
        for child in psutil.Process(started.pid).children() if started.poll() is None else []:
            child.kill()
        started.kill()
        started.communicate()


def until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip() == "ready":
            return lines
    raise AssertionError(f"ended before it was ready: {lines}")


def ends(tmp_path: Path) -> list[Event]:
    return [event for event in read_record(tmp_path / "state").events if event.event == "run end"]


def test_app_that_ends_by_itself(tmp_path: Path) -> None:
    code = "import os, pathlib; pathlib.Path('seen').write_text(os.environ['STROKESCOPE_SUPERVISED'])"
    with serving(tmp_path, code) as process:
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    assert out.startswith("Strokescope: http://localhost:")
    assert out.count("\n") == 1
    assert (tmp_path / "seen").read_text() == "1"  # it ran beside Home.py
    assert [event.event for event in read_record(tmp_path / "state").events] == ["run start", "run end"]
    found = previous_run(tmp_path / "state")
    assert found is not None
    assert (found.class_, found.confidence) == ("clean stop", "confirmed")


@pytest.mark.parametrize(("code", "expected"), [(WAITS, 143), (TURNS_143, 143)])
def test_sigterm_is_passed_on(tmp_path: Path, code: str, expected: int) -> None:
    with serving(tmp_path, code) as process:
        until_ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == expected
    assert ends(tmp_path)[-1].text("class") == "clean stop"


def test_an_app_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, DEAF, grace=0.3) as process:
        until_ready(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 137
    assert "the supervisor killed it" in str(ends(tmp_path)[-1].facts["evidence"])


def test_a_dying_app_is_started_again_and_then_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, "import os; os.abort()") as process:
        process.communicate(timeout=30)
        assert process.returncode == 134
    assert [end.text("class") for end in ends(tmp_path)] == ["native crash"] * 3
    state = safe_mode(tmp_path / "state")
    assert (state.active, state.reason) == (True, "3 abnormal ends within 15 minutes")


def test_an_app_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """No folder to start it in stands for no file, no process and no memory to be had for a moment."""
    with serving(tmp_path, "raise SystemExit(0)", pause=3.5, folder="later") as process:
        deadline = time.monotonic() + 60
        while not ends(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        (tmp_path / "later").mkdir()
        assert process.wait(timeout=60) == 0
    found = ends(tmp_path)
    assert [end.text("class") for end in found] == ["crash"] * (len(found) - 1) + ["clean stop"]
    assert "could not be started" in str(found[0].facts["evidence"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' prlimit")
def test_it_gives_up_in_order_where_no_process_can_be_had(tmp_path: Path) -> None:
    few = "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (5, 4096)); raise SystemExit(3)"
    with serving(tmp_path, few) as process:
        process.communicate(timeout=60)
        assert process.returncode == os.EX_OSERR


def test_a_stop_during_the_pause(tmp_path: Path) -> None:
    with serving(tmp_path, "print('ready', flush=True); raise SystemExit(3)", pause=25.0) as process:
        until_ready(process)
        deadline = time.monotonic() + 60
        while not ends(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' parent-death signal")
def test_no_orphan_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, WAITS) as process:
        until_ready(process)
        (child,) = psutil.Process(process.pid).children()
        process.kill()
        assert psutil.wait_procs([child], timeout=20)[1] == []
    found = previous_run(tmp_path / "state")
    assert found is not None
    assert (found.class_, found.confidence) == ("unknown", "none")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' child subreaper")
def test_workers_that_an_app_left_are_let_go() -> None:
    """As the first process of a container it inherits them; they must not stay as zombies."""
    code = """
import ctypes, subprocess, sys, psutil
from core.resources.supervisor import reap_orphans
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
leave = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid)"
orphan = psutil.Process(int(subprocess.run([sys.executable, "-c", leave], stdout=subprocess.PIPE, check=True).stdout))
assert orphan.ppid() == psutil.Process().pid
reap_orphans()
assert orphan.is_running()
orphan.kill()
while orphan.status() != psutil.STATUS_ZOMBIE:
    pass
reap_orphans()
assert psutil.Process().children() == []
reap_orphans()
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_a_later_start_counts_what_nobody_saw(tmp_path: Path) -> None:
    """Everything died, twice, in the same step: the third start is in safe mode before the app begins."""
    state = tmp_path / "state"
    for run in ("a" * 12, "b" * 12):
        facts: dict[str, Fact] = {"phase": "engine", "case": "sub-1", "owner": "app", "ram_percent": 95.0}
        append(state / FOLDER, [Event("phase begin", run, 9.0, "app", 1, 1.0, 1, facts)])
    code = "import sys; sys.exit(0)"
    with serving(tmp_path, code) as process:
        process.communicate(timeout=60)
    found = [(end.run, end.text("class"), end.text("confidence")) for end in ends(tmp_path)]
    assert found[:2] == [("a" * 12, "out of memory", "probable"), ("b" * 12, "out of memory", "probable")]
    assert safe_mode(state, None).quarantined == (("engine", "sub-1"),)
    entered = [event for event in read_record(state).events if event.event == "safe mode entered"]
    assert len(entered) == 1


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        with pytest.raises(PortInUse) as caught:
            check_port(taken.getsockname()[1])
    assert "another port" in caught.value.sentence()
    assert "STROKESCOPE_HEALTH_PORT" in caught.value.sentence()
    check_port(free_port())


def test_patience() -> None:
    policy = Policy(max_restarts=3, window_s=100.0, first_pause_s=1.0, max_pause_s=3.0)
    assert policy.pause_s([], 1000.0) == 1.0
    assert policy.pause_s([990.0], 1000.0) == 2.0
    assert policy.pause_s([990.0, 995.0], 1000.0) == 3.0
    assert policy.pause_s([990.0, 995.0, 999.0], 1000.0) is None
    assert policy.pause_s([100.0, 200.0, 300.0], 1000.0) == 1.0


def test_exit_codes_are_a_shells() -> None:
    assert (exit_code(0), exit_code(143), exit_code(-9)) == (0, 143, 137)


def test_what_is_started() -> None:
    command = streamlit_command(8600, Path("/somewhere/Home.py"))
    assert command[1:5] == ["-m", "streamlit", "run", "Home.py"]
    assert command[5:7] == ["--server.port", "8600"]
