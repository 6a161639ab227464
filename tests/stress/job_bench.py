"""A bench for the app's jobs: starts the app as a process, talks with it, and knows every process that came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.resources.test_supervisor import ROOT

MARK = "STROKESCOPE_TEST_BENCH"  # in the environment of everything that a bench started, and of what that started
PATIENCE_S = 120.0


class Refused(Exception):
    """What the app answered instead: the error's class, then its message."""


class App:
    """One life of the app on the bench's folders.

    Args:
        folder: its cache and its records.
        mark: tells its processes from all others.
        more: added to the environment.
    """

    def __init__(self, folder: Path, mark: str, **more: str) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "STROKESCOPE_SOURCE": "sample",
            "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
            "STROKESCOPE_STATE_DIR": str(folder / "state"),
            MARK: mark,
            **more,
        }
        self._log = (folder / "app.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.job_app"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        self._asked: dict[int, Future[Any]] = {0: Future()}
        self._lock, self._number = threading.Lock(), 0
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        self._asked[0].result(PATIENCE_S)

    @property
    def pid(self) -> int:
        """The app's process."""
        return self.process.pid

    def call(self, do: str, **words: Any) -> Future[Any]:
        """Ask and go on; ends with Refused, or with EOFError when the app died before it answered."""
        answer: Future[Any] = Future()
        with self._lock:
            self._number += 1
            self._asked[self._number] = answer
            line = json.dumps({"n": self._number, "do": do, **words}) + "\n"
            assert self.process.stdin is not None
            try:
                self.process.stdin.write(line.encode())
                self.process.stdin.flush()
            except OSError:
                self._asked.pop(self._number).set_exception(EOFError("the app is gone"))
        return answer

    def ask(self, do: str, **words: Any) -> Any:
        """Ask and wait."""
        return self.call(do, **words).result(PATIENCE_S)

    def end(self, sign: int) -> None:
        """Send the signal and wait until the process is gone."""
        self.process.send_signal(sign)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            self.process.send_signal(signal.SIGUSR1)  # where it hangs
            time.sleep(1)
            self.process.kill()
            error.add_note(Path(self._log.name).read_text(errors="replace")[-6000:])
            raise
        self._ear.join(PATIENCE_S)
        self._log.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def workers(self) -> list[psutil.Process]:
        """Processes that segment for it now."""
        with suppress(psutil.Error):
            return [one for one in psutil.Process(self.pid).children() if _is_worker(one)]
        return []

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            answer = self._asked.pop(said["n"])
            if "error" in said:
                answer.set_exception(Refused(said["error"], said["message"]))
            else:
                answer.set_result(said["said"])
        with self._lock:
            left, self._asked = list(self._asked.values()), {}
        for answer in left:
            answer.set_exception(EOFError("the app is gone"))


class Bench:
    """Folders for one app after the other, and every process that ever came of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.book, self.results = folder / "state" / "jobs", folder / "cache" / "results"

    def start(self, **more: str) -> App:
        """One life of the app."""
        return App(self.folder, self.mark, **more)

    def left(self) -> list[psutil.Process]:
        """Every living process that bears the bench's mark, wherever it hangs in the tree."""
        return [one for one in psutil.process_iter() if _marked(one, self.mark)]

    def clear(self) -> None:
        """End what a failure left."""
        for one in self.left():
            with suppress(psutil.Error):
                one.kill()


def until(seen: Callable[[], object], what: str, limit_s: float = PATIENCE_S) -> float:
    """Wait until something is so: how many seconds it took."""
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < limit_s, f"not in {limit_s:g} s: {what}"
        time.sleep(0.01)
    return time.monotonic() - began


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "core.segmentation.worker" in process.cmdline()
    except psutil.Error:
        return False


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and bool(process.environ().get(MARK) == mark)
    except psutil.Error:
        return False
