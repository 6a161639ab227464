"""The whole app for tests: the supervisor with the real dashboard below it, in a control group if one is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.resources.test_supervisor import ROOT, free_port
from tests.stress.groups import entering

SERVE = """
import sys
from core.logs import configure_logging
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
from pathlib import Path
configure_logging()
port, root = int(sys.argv[1]), Path(sys.argv[2])
command = [sys.executable, "-m", "uvicorn", "tests.stress.whole_app:app", "--log-level", "warning",
           "--host", "127.0.0.1", "--port", str(port)]
sys.exit(serve(port, load_settings(), root / "Home.py", command=command, policy=Policy(first_pause_s=0.1)))
"""


@dataclass(frozen=True)
class Whole:
    """A running app.

    Attributes:
        process: the supervisor.
        log: what all of them say on stderr.
    """

    process: subprocess.Popen[bytes]
    port: int
    health_port: int
    door_port: int
    state: Path
    log: Path

    @property
    def addresses(self) -> tuple[str, str]:
        """The supervisor's health and the app's own."""
        return f"http://127.0.0.1:{self.health_port}/health", f"http://127.0.0.1:{self.port}/_stcore/health"

    def health(self) -> dict[str, Any]:
        """What the supervisor says."""
        try:
            with urllib.request.urlopen(self.addresses[0], timeout=60) as answer:
                said: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
        return said

    def eat(self, *words: str) -> dict[str, Any]:
        """Run one eater under the app's guard: how it ended. The words are a kind, a pace, a name, a case, "auto"."""
        path = "/".join(quote(word, safe="") for word in words)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.door_port}/{path}", timeout=300) as answer:
            said: dict[str, Any] = json.loads(answer.read())
        return said

    def until_up(self, limit_s: float = 150.0) -> None:
        """Wait until the app answers."""
        deadline = time.monotonic() + limit_s
        while not answers(self.addresses[1]):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether it answers with 200."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def whole_app(
    folder: Path, group: Path | None = None, extra: Mapping[str, str] | None = None, up: bool = True
) -> Iterator[Whole]:
    """Start it with the sample cohort and folders of its own; ends with everything in it.

    Args:
        up: wait until it answers.
    """
    port, health, door = free_port(), free_port(), free_port()
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STROKESCOPE_SOURCE": "sample",
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
        "STROKESCOPE_HEALTH_PORT": str(health),
        "STROKESCOPE_SIDE_DOOR": str(door),
        **(extra or {}),
    }
    argv = [*(entering(group) if group else ()), sys.executable, "-c", SERVE, str(port), str(ROOT)]
    log = folder / "app.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        whole = Whole(process, port, health, door, Path(env["STROKESCOPE_STATE_DIR"]), log)
        if up:
            whole.until_up()
        yield whole
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait(60)


@dataclass
class Pulse:
    """How long each address took to answer, asked every 50 ms in the background."""

    addresses: Sequence[str]
    times: dict[str, list[float]] = field(default_factory=dict)

    def __enter__(self) -> Pulse:
        self._stop = threading.Event()
        self.times = {address: [] for address in self.addresses}
        self._threads = [threading.Thread(target=self._ask, args=(one,), daemon=True) for one in self.addresses]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _ask(self, address: str) -> None:
        while not self._stop.wait(0.05):
            began = time.monotonic()
            found = answers(address)
            self.times[address].append(time.monotonic() - began if found else float("inf"))
