"""Locks: one holder at a time among threads and processes, freed however the holder ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import FetchCancelled
from core.hub.growth import Growth
from core.hub.locks import lock, trying

ROOT = Path(__file__).parents[2]
LONG_S = 60.0
HOLDER = """
import sys, time
from pathlib import Path
from core.hub.locks import lock
with lock(Path(sys.argv[1]), lambda: False) as locked:
    print(locked, flush=True)
    sys.stdin.read()
"""


def never() -> bool:
    return False


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "-c", HOLDER, str(path)],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    return process


def test_one_at_a_time_among_threads_also_while_lock_files_come_and_go(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "locks" / "a.lock", list[int](), list[int]()

    def one(number: int) -> None:
        for _ in range(20):
            with lock(path, never) as locked:
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
            assert locked

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(one, number) for number in range(4)]:
            future.result()
    assert len(most) == 80 and max(most) == 1
    assert list((tmp_path / "locks").iterdir()) == []


def test_another_process_keeps_us_out_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with holder(path) as other:
        with trying(path) as mine:
            assert not mine
        waited = list[bool]()

        def waiting() -> None:
            if not waited:
                assert other.stdin is not None
                other.stdin.close()
            waited.append(True)

        with lock(path, never, waiting) as locked:
            assert locked and waited
        other.wait(LONG_S)
    with trying(path) as mine:
        assert mine


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with holder(path) as other:
        other.send_signal(signal.SIGKILL)
        with lock(path, never) as locked:
            assert locked
    assert not path.exists()


def test_who_cancels_while_waiting_gets_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    path, stop = tmp_path / "a.lock", threading.Event()
    with lock(path, never):
        begun = time.monotonic()
        with pytest.raises(FetchCancelled), lock(path, stop.is_set, stop.set):
            pytest.fail("two hold it")
        assert time.monotonic() - begun < 10  # noticed within a moment
        with trying(path) as mine:
            assert not mine
    with trying(path) as mine:
        assert mine


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(tmp_path / "a.lock", never):
        raise ZeroDivisionError
    with trying(tmp_path / "a.lock") as mine:
        assert mine


def test_where_no_lock_can_be_made_nobody_is_kept_out_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a folder should be")
    with lock(tmp_path / "locks" / "a.lock", never) as locked, trying(tmp_path / "locks" / "a.lock") as mine:
        assert not locked and mine


def test_a_holder_of_whom_nothing_moves_is_passed_by_and_keeps_its_lock(tmp_path: Path) -> None:
    path, asked = tmp_path / "a.lock", list[bool]()

    def hopeless() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    with lock(path, never):
        with lock(path, never, hopeless=hopeless) as locked:
            assert not locked and len(asked) == 4
        with trying(path) as mine:
            assert not mine
    assert not path.exists()


def test_growth_is_whatever_changes_in_the_folders(tmp_path: Path) -> None:
    now = [0.0]
    growth, path = Growth([tmp_path / "a", tmp_path / "b"], lambda: now[0]), tmp_path / "b" / ".part-dwi"

    def after(seconds: float) -> float:
        now[0] += seconds
        return growth.still_for()

    assert (after(2), after(3)) == (2, 5)
    path.parent.mkdir()
    path.write_bytes(b"x")
    assert (after(4), after(1)) == (0, 1)
    path.write_bytes(b"xx")
    assert (after(4), after(1)) == (0, 1)
    path.unlink()
    assert (after(4), after(1)) == (0, 1)
