"""Real child processes: what they say is heard, they can be ended, and none stays behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.resources.child import SECRETS, TAIL_BYTES, ChildEnd, child_env, peak_rss_mb, run_child


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *arguments]


def never() -> bool:
    return False


def run(
    code: str,
    *arguments: str,
    cancelled: Callable[[], bool] = never,
    timeout_s: float | None = 60,
) -> tuple[ChildEnd, list[dict[str, object]]]:
    lines: list[dict[str, object]] = []
    return run_child(python(code, *arguments), lines.append, cancelled, timeout_s), lines


def gone(pid: int) -> bool:
    """Whether a process that is not our child has ended; a kill takes a moment to arrive."""
    for _ in range(3000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_json_objects_are_heard_and_other_lines_are_not() -> None:
    code = 'print(\'{"a": 1}\'); print("chatter"); print("[1]"); print(\'{"b": "é"}\', end="")'
    end, lines = run(code)
    assert lines == [{"a": 1}, {"b": "é"}]
    assert (end.returncode, end.signal, end.cancelled, end.timed_out) == (0, None, False, False)


def test_the_exit_status_and_the_end_of_stderr_come_back() -> None:
    end, _ = run("import sys; sys.stderr.write('x' * 50000 + 'the last words'); sys.exit(7)")
    assert end.returncode == 7 and end.signal is None
    assert end.stderr_tail.endswith("the last words") and len(end.stderr_tail) == TAIL_BYTES


def test_a_flood_on_both_pipes_neither_blocks_nor_grows() -> None:
    code = (
        "import sys\n"
        "for i in range(200):\n"
        "    sys.stdout.write('y' * 20000); sys.stderr.write('z' * 20000)\n"
        "sys.stdout.write('\\n{\"done\": true}\\n')"
    )
    end, lines = run(code)
    assert end.returncode == 0 and lines == [{"done": True}]


def test_a_killed_child_tells_its_signal() -> None:
    end, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert end.returncode == -signal.SIGKILL and end.signal == signal.SIGKILL


@pytest.mark.parametrize("deaf", [False, True])
def test_cancel_ends_the_whole_group_even_if_it_is_deaf(deaf: bool) -> None:
    code = (
        "import signal, subprocess, sys, time, json\n"
        "if sys.argv[1] == 'True': signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "grandchild = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(60)'])\n"
        "print(json.dumps({'pid': grandchild.pid}), flush=True)\n"
        "time.sleep(60)"
    )
    pids: list[int] = []
    started: list[int] = []
    end = run_child(
        python(code, str(deaf)), lambda line: pids.append(int(str(line["pid"]))), lambda: bool(pids), 60,
        on_start=started.append,
    )  # fmt: skip
    assert end.cancelled and end.signal == (signal.SIGKILL if deaf else signal.SIGTERM)
    assert len(pids) == 1 and gone(pids[0])
    with pytest.raises(ProcessLookupError):  # reaped: not even a zombie
        os.kill(started[0], 0)


def test_a_grandchild_that_holds_the_pipe_does_not_hold_us() -> None:
    code = (
        "import subprocess, sys, json\n"
        "g = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(60)'])\n"
        "print(json.dumps({'pid': g.pid}), flush=True)"
    )
    end, lines = run(code)
    assert end.returncode == 0 and not end.timed_out
    assert gone(int(str(lines[0]["pid"])))


def test_a_child_that_takes_too_long_is_ended() -> None:
    end, _ = run("import time; time.sleep(60)", timeout_s=0.3)
    assert end.timed_out and not end.cancelled and end.signal == signal.SIGTERM


def test_a_child_that_closes_its_pipes_and_goes_on_is_waited_for() -> None:
    end, _ = run("import os, time; os.close(1); os.close(2); time.sleep(0.4); os._exit(5)")
    assert end.returncode == 5 and end.seconds > 0.4


def test_an_error_in_the_listener_ends_the_child_and_comes_through() -> None:
    started: list[int] = []

    def refuse(line: dict[str, object]) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        run_child(
            python("import time; print('{}', flush=True); time.sleep(60)"), refuse, never, 60, on_start=started.append
        )
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_a_program_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        run_child(["/no/such/program"], lambda _line: None, never, 1)


def test_the_peak_is_the_childs_own_and_not_its_parents() -> None:
    ballast = bytearray(os.urandom(1 << 20) * 150)  # a large parent, as a dashboard with open images is
    end, lines = run(
        "import json, time\n"
        "held = bytearray(b'x' * 60_000_000)\n"
        "print(json.dumps({'n': len(held)}), flush=True); time.sleep(0.3)"
    )
    assert lines and len(ballast) > 1.5e8
    if Path("/proc/self/status").exists():
        assert 60 < end.peak_rss_mb < 150 < peak_rss_mb()


def test_the_childs_environment_has_few_threads_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "hf_secret")
    env = child_env(2, {"EXTRA": "1"})
    assert env["OMP_NUM_THREADS"] == env["OPENBLAS_NUM_THREADS"] == "2" and env["EXTRA"] == "1"
    assert "hf_secret" not in env.values()


def test_many_children_leave_no_open_files() -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("open files are only counted on Linux")
    before = len(list(folder.iterdir()))
    for _ in range(5):
        run("pass")
    assert len(list(folder.iterdir())) < before + 5  # one leak a run would show; others may open one of their own
