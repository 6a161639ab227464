"""Supervisor: starts the dashboard, passes signals on, starts it again when it dies, and records how each run ended.

It stays small: no streamlit, no torch, nothing that can fail with the app. Does not watch memory (the guard's work) and
does not answer health checks.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from core.errors import PortInUse
from core.resources.memory import read_memory
from core.resources.processes import SUPERVISED
from core.resources.runs import CLEAN_CODES, Ending, RunLog, judge
from core.settings import Settings

LOG = logging.getLogger("strokescope.supervisor")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Policy:
    """How patient the supervisor is.

    Attributes:
        grace_s: seconds an app has to stop before it is killed.
        max_restarts: restarts allowed within `window_s` seconds; then it gives up.
        first_pause_s, max_pause_s: the pause before a restart doubles from the first to the largest.
    """

    grace_s: float = 10.0
    max_restarts: int = 5
    window_s: float = 600.0
    first_pause_s: float = 1.0
    max_pause_s: float = 30.0

    def pause_s(self, restarts: Sequence[float], now: float) -> float | None:
        """Seconds to wait before the next restart, None to give up. `restarts`: when earlier ones were."""
        recent = sum(1 for at in restarts if now - at < self.window_s)
        if recent >= self.max_restarts:
            return None
        return min(self.max_pause_s, self.first_pause_s * 2.0**recent)


def serve(
    port: int,
    settings: Settings,
    app: Path,
    *,
    command: Sequence[str] | None = None,
    policy: Policy | None = None,
    announce: Callable[[str], None] | None = None,
) -> int:
    """Run the dashboard until it stops cleanly, is asked to stop, or dies too often. Call it in the main thread.

    Args:
        app: Home.py; its folder is the working directory.
        command: what to run instead of Streamlit (tests).
        announce: where the line with the address goes; stdout by default.

    Returns the app's return code, 128 + signal when a signal ended it.

    Raises:
        PortInUse: something else listens on the port.
    """
    check_port(port)
    argv = list(command) if command is not None else streamlit_command(port, app)
    log, patience = RunLog(settings.state_dir), policy or Policy()
    restarts: list[float] = []
    with _stop_requests() as stop:
        (announce or _to_stdout)(f"Strokescope: http://localhost:{port}")
        while True:
            code, ending = _run_once(argv, app.parent, settings, log, stop, patience.grace_s)
            LOG.info("the app ended: %s (%s)", ending.class_, ", ".join(ending.evidence))
            if stop.is_set() or code in CLEAN_CODES:
                return exit_code(code)
            pause = patience.pause_s(restarts, now := time.monotonic())
            if pause is None:
                LOG.error("the app died %d times in a row; not started again", len(restarts) + 1)
                return exit_code(code)
            restarts.append(now)
            LOG.warning("starting the app again in %.0f s", pause)
            if stop.wait(pause):
                return exit_code(code)


def streamlit_command(port: int, app: Path) -> list[str]:
    """How the dashboard is started. Without an address of its own Streamlit would ask the internet for one."""
    options = ["--server.port", str(port), "--server.headless", "true", "--browser.serverAddress", "localhost"]
    return [sys.executable, "-m", "streamlit", "run", app.name, *options]


def check_port(port: int) -> None:
    """Raises PortInUse when something listens on the port already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(("0.0.0.0", port))
        except (OSError, OverflowError):
            hint = "stop the other program or choose another port (--port, or make run PORT=8600)"
            raise PortInUse(f"port {port} cannot be used", hint=hint) from None


def exit_code(returncode: int) -> int:
    """A subprocess's return code as a shell would give it."""
    return returncode if returncode >= 0 else 128 - returncode


def _run_once(
    argv: Sequence[str], folder: Path, settings: Settings, log: RunLog, stop: threading.Event, grace_s: float
) -> tuple[int, Ending]:
    """One life of the app, recorded before it starts and after it ends."""
    run = log.start()
    kills_before = read_memory(settings).oom_kills
    child = subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, SUPERVISED: "1"},
        start_new_session=True,  # Ctrl-C reaches us alone; we pass it on once
        preexec_fn=_die_with_parent(),
    )
    while child.poll() is None and not stop.is_set():
        stop.wait(0.2)
    forced = child.poll() is None and not _stop(child, grace_s)
    code = child.wait()
    kills_after = read_memory(settings).oom_kills
    kills = None if kills_before is None or kills_after is None else max(0, kills_after - kills_before)
    ending = judge(code, asked=stop.is_set(), forced=forced, oom_kills=kills)
    log.end(run, ending, code)
    return code, ending


def _stop(child: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Ask the app to stop; False when it had to be killed."""
    child.terminate()
    try:
        child.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return False
    return True


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set, while the block runs."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, asked) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel sends SIGTERM to the app when the supervisor is gone, so that no orphan holds the port."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
