"""Supervisor: starts the dashboard, passes signals on, starts it again when it dies or hangs, and records how it ended.

It stays small: no streamlit, no torch, nothing that can fail with the app. What it looks at is heart.py,
whether the app answers pulse.py, what it answers itself endpoint.py; it kills no worker (watchdog.py).
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from core.errors import PortInUse
from core.resources.breaker import Breaker
from core.resources.ending import CLEAN_CODES, Ending, judge
from core.resources.endpoint import Address, Endpoint, address_of
from core.resources.heart import Heart
from core.resources.processes import SUPERVISED
from core.resources.pulse import Patience, Pulse
from core.resources.record import read_record
from core.resources.recorder import Recorder, new_run
from core.resources.runs import RunLog
from core.resources.verdict import Verdict
from core.resources.verdict import judge as judge_record
from core.settings import Settings

LOG = logging.getLogger("strokescope.supervisor")
KILLS_EVERY = 5  # looks at the app for one at the kernel's count
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A program of its own, as nothing may run between fork and exec in a process with threads. 1 is PR_SET_PDEATHSIG.
_LEASH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Policy:
    """How patient the supervisor is.

    Attributes:
        grace_s: seconds an app has to stop before it is killed.
        max_restarts: restarts allowed within `window_s` seconds; then it gives up.
        first_pause_s, max_pause_s: the pause before a restart doubles from the first to the largest.
        patience: how long an app may live without an answer.
    """

    grace_s: float = 10.0
    max_restarts: int = 5
    window_s: float = 600.0
    first_pause_s: float = 1.0
    max_pause_s: float = 30.0
    patience: Patience = field(default_factory=Patience)

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
    hub_message: Callable[[], str | None] = lambda: None,
) -> int:
    """Run the dashboard until it stops cleanly, is asked to stop, or dies too often. Call it in the main thread.

    Args:
        app: Home.py; its folder is the working directory.
        command: what to run instead of Streamlit (tests).
        announce: where the line with the address goes; stdout by default.
        hub_message: asks the Hub why the container failed last, when the record does not say.

    Returns the app's return code, 128 + signal when a signal ended it.

    Raises:
        PortInUse: something else listens on the port.
        BadSettings: the health port is not one.
    """
    check_port(port)
    address = address_of(settings.health_port, port)
    recorder = Recorder(settings.state_dir, settings.persist_dir, role="supervisor", run=new_run())
    breaker, policy = Breaker(recorder), policy or Policy()
    heart = Heart(settings, recorder, breaker, pulse=Pulse(port, recorder.note, policy.patience))
    log = RunLog(settings.state_dir, recorder=recorder, hub_message=hub_message)
    argv = list(command or streamlit_command(port, app))
    lives = _Lives(argv, app.parent, log, breaker, heart, bool(settings.space_id))
    with _stop_requests() as stop:
        (announce or _to_stdout)(f"Strokescope: http://localhost:{port}")
        lives.look_back()
        with _watching(heart, address):
            code = lives.all(stop, policy)
    breaker.close()
    recorder.close()
    return code


@contextmanager
def _watching(heart: Heart, address: Address | None) -> Iterator[None]:
    """The heart beats and the endpoint answers while the block runs."""
    endpoint = Endpoint(heart.health, heart.metrics)
    heart.start()
    if address is not None:
        endpoint.start(address)
    try:
        yield
    finally:
        endpoint.stop()
        heart.stop()


@dataclass
class _Lives:
    """The app's lives under this supervisor, each recorded before it starts and after it ends."""

    argv: Sequence[str]
    folder: Path
    log: RunLog
    breaker: Breaker
    heart: Heart
    on_space: bool
    kills: int | None = None  # kernel kills for memory, counted when the app was last seen alive

    def look_back(self) -> None:
        """Judge what an earlier supervisor could not; what ended abnormally counts."""
        self.breaker.prepare()
        for verdict in self.log.settle():
            self.breaker.note_run(verdict)

    def all(self, stop: threading.Event, patience: Policy) -> int:
        """Start the app again until it is enough; returns the last exit code."""
        restarts: list[float] = []
        while True:
            code, verdict = self._one(stop, patience.grace_s)
            reap_orphans()
            if stop.is_set() or (code in CLEAN_CODES and not verdict.abnormal):
                return exit_code(code)
            self.breaker.note_run(verdict)
            pause = patience.pause_s(restarts, now := time.monotonic())
            if pause is None:
                LOG.error("the app died %d times in a row; not started again", len(restarts) + 1)
                return exit_code(code)
            restarts.append(now)
            LOG.warning("starting the app again in %.0f s", pause)
            if stop.wait(pause):
                return exit_code(code)

    def _one(self, stop: threading.Event, grace_s: float) -> tuple[int, Verdict]:
        run = self.log.start(space=self.on_space)
        self.kills = self.heart.oom_kills
        try:
            child = self._begin()
        except OSError as error:  # no process can be had, or no file: perhaps a moment later
            return os.EX_OSERR, self._ended(run, unstarted(error), None)
        self.heart.began(child.pid)
        asked, hung_s = self._wait(child, stop)
        self.heart.leaving()
        forced = asked and not _stop(child, grace_s)
        code = child.wait()
        kills_after = self.heart.oom_kills
        kills = None if self.kills is None or kills_after is None else max(0, kills_after - self.kills)
        ending = judge(code, asked=stop.is_set(), forced=forced, oom_kills=kills, hung_s=hung_s)
        return code, self._ended(run, ending, code, oom_kills=kills)

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            leashed(self.argv),
            cwd=self.folder,
            env={**os.environ, SUPERVISED: "1", **self.log.recorder.environment()},
            start_new_session=True,  # Ctrl-C reaches us alone; we pass it on once
        )

    def _ended(self, run: str, ending: Ending, code: int | None, **facts: object) -> Verdict:
        """Record the end, and what the whole record says of it."""
        self.log.end(run, ending, code, **facts)
        own = read_record(self.log.recorder.state_dir).of(run)
        verdict = judge_record(own, run)
        if not own.ended:  # no disk took it; we know all the same
            verdict = replace(verdict, class_=ending.class_, confidence=ending.confidence, evidence=ending.evidence)
        if verdict.class_ != ending.class_:
            LOG.info("its record says more: %s (%s)", verdict.class_, "; ".join(verdict.evidence))
        self.heart.ended(verdict)
        return verdict

    def _wait(self, child: subprocess.Popen[bytes], stop: threading.Event) -> tuple[bool, float | None]:
        """Wait for the app to end, or for a reason to end it: whether there is one, and how long it has been silent
        where that is the reason. The reason is on disk then."""
        for turn in itertools.count():
            kills = self.heart.oom_kills if turn % KILLS_EVERY == 0 else self.kills
            if child.poll() is not None:
                break
            self.kills = kills  # those of before are none of the app's own
            if stop.is_set():
                self.log.recorder.note("stop asked", phase="")
                return True, None
            if (hung_s := self.heart.hung_s()) is not None:
                self.log.recorder.note("kill intent", target="app", reason="hung", silent_s=hung_s, phase="")
                return True, hung_s
            stop.wait(0.2)
        return False, None


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
            hint = "stop the other program or choose another port (--port, or make run PORT=8600); it may be where "
            hint += "another Strokescope answers /health, the port after its own (STROKESCOPE_HEALTH_PORT moves that)"
            raise PortInUse(f"port {port} cannot be used", hint=hint) from None


def unstarted(error: OSError) -> Ending:
    """The end of a run that could not begin."""
    return Ending("crash", "confirmed", (f"it could not be started: {error.strerror or 'no process could be had'}",))


def exit_code(returncode: int) -> int:
    """A subprocess's return code as a shell would give it."""
    return returncode if returncode >= 0 else 128 - returncode


def _stop(child: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Ask the app to stop; False when it had to be killed."""
    child.terminate()
    try:
        child.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return False
    return True


def reap_orphans() -> None:
    """Let go of processes that lost their parent and became ours, as they do with the first process of a container.

    Only while no child of our own runs: it would take its return code away.
    """
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


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


def leashed(argv: Sequence[str]) -> list[str]:
    """The command, begun so that on Linux it gets SIGTERM when this process is gone and no orphan holds the port."""
    if not sys.platform.startswith("linux"):
        return list(argv)
    return [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *argv]


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
