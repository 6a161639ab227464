"""kill -9 of the supervisor, the app and its workers: the record reads whole, the verdict is right or "unknown"."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil
import pytest

from core.resources.record import Record, read_record
from core.resources.runs import history, previous_run
from core.resources.safemode import safe_mode
from core.resources.verdict import Verdict, judge_worker
from tests.resources.test_supervisor import ROOT, free_port
from tests.stress.campaign import play, sizes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' parent-death signal")
SERVE = """
import sys
from pathlib import Path
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
app = [sys.executable, "-m", "tests.stress.recorded_app", *sys.argv[2:]]
sys.exit(serve(int(sys.argv[1]), load_settings(), Path("Home.py").resolve(), command=app,
               policy=Policy(first_pause_s=0.0, max_restarts=10_000)))
"""


@contextmanager
def serving(state: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    own = {"STROKESCOPE_STATE_DIR": str(state), "PYTHONPATH": str(ROOT), "STROKESCOPE_HEALTH_PORT": "off"}
    env = {**os.environ, **own, **more}
    argv = [sys.executable, "-c", SERVE, str(free_port()), str(state), *arguments]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def told(process: subprocess.Popen[str], word: str) -> list[str]:
    """The words of the next line that begins with `word`."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:1] == [word]:
            return line.split()[1:]
    raise AssertionError(f"it ended before it said {word!r}")


def whole_record(state: Path) -> Record:
    """The record, of which nothing may be torn; what another process writes at this moment may look so for a moment."""
    deadline = time.monotonic() + 30
    while (record := read_record(state)).damaged and time.monotonic() < deadline:
        time.sleep(0.05)
    assert record.damaged == 0
    return record


def end_of(state: Path) -> Verdict:
    """The verdict on the newest run that is over."""
    whole_record(state)
    found = previous_run(state)
    assert found is not None
    return found


def check_step(found: Verdict, truth: str) -> None:
    """Compare the step of a verdict with what the app itself wrote down last."""
    word, case = truth.splitlines()[-1].split()
    if word == "in":
        assert (found.phase, found.case) == ("engine", case)
    else:  # the end, and the next beginning, may or may not have been recorded
        following = f"sub-{int(case.removeprefix('sub-')) + 1}"
        assert (found.phase, found.case) in ((None, None), ("engine", case), ("engine", following))
    assert found.whom == ("a visitor's job" if found.phase else None)


@sizes(sample=3, campaign=100)
def test_killed_apps(tmp_path: Path, count: int) -> None:
    state, truth = tmp_path / "state", tmp_path / "truth"
    with serving(state, str(truth)) as process:
        app = psutil.Process(int(told(process, "ready")[0]))
        seen: set[str] = set()

        def one(number: int, random: Random) -> None:
            nonlocal app
            time.sleep(random.uniform(0, 0.1))
            app.suspend()  # so that the truth can be read as it is when it dies
            wrote = truth.read_text()
            app.kill()
            app = psutil.Process(int(told(process, "ready")[0]))
            found = end_of(state)
            assert (found.class_, found.confidence) == ("killed", "confirmed")
            assert found.run not in seen
            seen.add(found.run)
            check_step(found, wrote)
            assert found.chart

        play(count, one)


@sizes(sample=2, campaign=100)
def test_killed_supervisors(tmp_path: Path, count: int) -> None:
    state, truth = tmp_path / "state", tmp_path / "truth"
    seen: set[str] = set()

    def one(number: int, random: Random) -> None:
        with serving(state, str(truth)) as process:
            app = psutil.Process(int(told(process, "ready")[0]))
            time.sleep(random.uniform(0, 0.1))
            process.kill()
            assert psutil.wait_procs([app], timeout=60)[1] == []
        found = end_of(state)
        assert (found.class_, found.confidence) == ("unknown", "none")
        assert found.run not in seen
        seen.add(found.run)
        check_step(found, truth.read_text())

    play(count, one)


@sizes(sample=2, campaign=20)
def test_everything_dies_in_one_fresh_container_after_the_other(tmp_path: Path, count: int) -> None:
    """As the kernel does with oom.group: no survivor, the state folder goes too, a mounted one tells the rest."""
    bucket, truth = tmp_path / "bucket", tmp_path / "truth"
    full = {"STROKESCOPE_PERSIST_DIR": str(bucket), "STROKESCOPE_MEMORY_LIMIT": "10M"}
    for number in range(count):
        with serving(tmp_path / str(number), str(truth), "alone", **full) as process:
            app = psutil.Process(int(told(process, "ready")[0]))
            process.kill()
            app.kill()
            assert psutil.wait_procs([app], timeout=60)[1] == []
        found = history(tmp_path / "fresh", persist_dir=bucket)
        assert len(found) == number + 1
        assert {(one.class_, one.confidence) for one in found} == {("out of memory", "probable")}
        assert {(one.phase, one.case, one.whom) for one in found} == {("engine", "sub-1", "a visitor's job")}
    with serving(tmp_path / "fresh", str(truth), "alone", **full) as process:
        told(process, "ready")
        state = safe_mode(tmp_path / "fresh")
    assert state.quarantined == (("engine", "sub-1"),)


@sizes(sample=2, campaign=100)
def test_killed_workers(tmp_path: Path, count: int) -> None:
    state, ends = tmp_path / "state", list[str]()
    with serving(state, str(tmp_path / "truth"), "workers") as process:

        def one(number: int, random: Random) -> None:
            pid = int(told(process, "worker")[0])
            with suppress(psutil.NoSuchProcess):  # it was done before
                worker = psutil.Process(pid)
                time.sleep(random.uniform(0, 0.25))
                worker.kill()
            case, rc = told(process, "ended")
            ends.append(rc)
            record = whole_record(state)
            (end,) = (e for e in record.events if e.event == "worker end" and e.text("case") == f"sub-{case}")
            assert end.value("rc") == int(rc)
            assert judge_worker(record, end).class_ == {"-9": "killed", "0": "clean stop"}[rc]
            assert previous_run(state) is None  # the app lives

        play(count, one)
    assert "-9" in ends or count < 5
