"""Commands that outlive the app: started once, found again, stopped by their number only while it is theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.resources.pids import born_of
from core.ui.publish_process import Place, Processes, write_json

PATIENCE_S = 60.0
WAITS = "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(3))\n"
SAYS = """
import json, os, sys
print(json.dumps({"token": os.environ.get("HF_TOKEN"), "key": os.environ.get("STROKESCOPE_PUBLISH_KEY"),
                  "session": os.getsid(0) == os.getpid(), "stdin": sys.stdin.read()}))
print("error: it went wrong; try again", file=sys.stderr)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def until(seen: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def over(place: Place) -> bool:
    step = place.step()
    return step is not None and not step.alive


def waiting(place: Place, processes: Processes, ready: Path) -> None:
    """A command that waits for its end, and is ready for it."""
    code = f"{WAITS}open({str(ready)!r}, 'w').close()\nwhile True: time.sleep(0.05)"
    processes.start(place, command(code), {})
    until(ready.exists)


def test_a_command_has_a_session_of_its_own_and_no_secret_but_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_fromtheenvironment")
    monkeypatch.setenv("STROKESCOPE_PUBLISH_KEY", "a long passphrase")
    for env, token in (({}, None), ({"HF_TOKEN": "hf_given"}, "hf_given")):
        place, processes = Place(tmp_path / "desk", "run"), Processes()
        processes.start(place, command(SAYS), env)
        until(lambda: over(place))  # noqa: B023
        assert place.answer() == {"token": token, "key": None, "session": True, "stdin": ""}
        assert place.trouble() == ("it went wrong", "try again")
        processes.poll()
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "desk").iterdir())
    assert "hf_given" not in place.record.read_text()


def test_it_runs_once_however_often_it_is_started_and_another_app_finds_and_stops_it(tmp_path: Path) -> None:
    place, first = Place(tmp_path, "run"), Processes()
    waiting(place, first, tmp_path / "ready")
    begun = place.step()
    assert begun is not None and begun.alive
    second = Processes()
    assert second.start(place, command("raise SystemExit(9)"), {}) == begun
    second.stop(place)
    until(lambda: over(place))
    stopped = place.step()
    assert stopped is not None and stopped.asked > 0
    until(lambda: first.poll() == 0)


def test_one_that_does_not_listen_is_stopped_more_firmly_the_second_time(tmp_path: Path) -> None:
    place, processes = Place(tmp_path, "run"), Processes()
    ready = tmp_path / "ready"
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    processes.start(place, command(f"{deaf}open({str(ready)!r}, 'w').close()\nwhile True: time.sleep(0.05)"), {})
    until(ready.exists)
    processes.stop(place)
    assert not over(place)
    processes.stop(place)
    until(lambda: over(place))
    until(lambda: processes.poll() == 0)


def test_a_number_that_another_process_has_now_is_never_signalled(tmp_path: Path) -> None:
    place, processes = Place(tmp_path, "run"), Processes()
    other = subprocess.Popen(command("import time\nwhile True: time.sleep(0.05)"))
    try:
        told = {"name": "run", "pid": other.pid, "born": (born_of(other.pid) or 0) - 1000, "began": 1.0, "asked": 0.0}
        write_json(place.record, told)
        assert over(place)
        processes.stop(place)
        processes.stop(place)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_rubbish_in_its_files_is_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, "plan")
    for rubbish in (b"", b"{", b"[1]", b"\xff", json.dumps({"pid": 1}).encode()):
        place.record.write_bytes(rubbish)
        place.out.write_bytes(rubbish)
        assert place.step() is None
        assert place.answer() in (None, {"pid": 1})
    assert place.trouble() == ("", "")
    processes = Processes()
    assert processes.start(place, command(""), {}).pid != os.getpid()
    until(lambda: processes.poll() == 0)
    assert over(place)
