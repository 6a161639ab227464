"""One child process: started in its own session, listened to line by line, and always reaped.

`run_child` blocks until the child is gone. It knows nothing of jobs: it hands JSON lines on and reports how the child
ended. Does not decide how much memory a child may use (budget.py) and does not restart anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

TICK_S = 0.05  # how often cancel, the deadline and memory are looked at
GRACE_S = 1.0  # between SIGTERM and SIGKILL; cancelling stays well under 2 s
DRAIN_S = 0.5  # what a dead child's pipes may still need, e.g. while a grandchild holds them
TAIL_BYTES = 8192
LINE_BYTES = 1 << 20
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS")
PARENT = "STROKESCOPE_PARENT"  # pid of the process that started us; says whether it died before we could ask
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "STROKESCOPE_PUBLISH_KEY")


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended.

    Attributes:
        returncode: exit status, or minus the signal.
        signal: number of the signal that ended it, None if it exited.
        stderr_tail: its last 8 KB of stderr; may name files, so it is for a person, not for logs.
        peak_rss_mb: largest resident memory seen, MB (1e6 bytes); 0 when it could not be seen.
        cancelled, timed_out: we ended it, and why.
        seconds: from start to end.
        address_space_mb: the backstop it ran under, None for none.
    """

    returncode: int
    signal: int | None
    stderr_tail: str
    peak_rss_mb: float
    cancelled: bool
    timed_out: bool
    seconds: float
    address_space_mb: float | None = None

    @property
    def hit_backstop(self) -> bool:
        """Whether it failed because it asked for more address space than its backstop."""
        words = ("MemoryError", "bad_alloc", "Cannot allocate memory", "can't allocate memory")
        return bool(self.address_space_mb and self.returncode and any(word in self.stderr_tail for word in words))


class Handle(Protocol):
    """A running child, for whoever may have to kill it."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> bool:
        """End it and its group at once; False when it was over. Never hits another process that has got its number."""


def child_env(threads: int = 1, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process' environment for a child: threads of numeric libraries limited, tokens of the Hub left out."""
    env = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return env | {PARENT: str(os.getpid())} | dict.fromkeys(THREADS, str(threads)) | dict(extra or {})


def peak_rss_mb(pid: int | str = "self") -> float:
    """Peak resident memory of a living process in MB (1e6 bytes), 0 where /proc does not tell.

    VmHWM starts anew with exec; ru_maxrss does not: it would report the peak of a large parent as the child's.
    """
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        pass
    return 0.0


@dataclass
class _Listener:
    """Splits stdout into JSON objects and keeps the end of stderr; bounded whatever the child writes."""

    on_line: Callable[[dict[str, object]], None]
    buffer: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)

    def out(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\n")) >= 0:
            line = bytes(self.buffer[:end])
            del self.buffer[: end + 1]
            self.line(line)
        if len(self.buffer) > LINE_BYTES:
            self.buffer.clear()

    def line(self, line: bytes) -> None:
        try:
            value = json.loads(line)
        except ValueError:
            return  # a library's own print; not for us
        if isinstance(value, dict):
            self.on_line(value)

    def err(self, data: bytes) -> None:
        self.tail += data
        del self.tail[:-TAIL_BYTES]


@dataclass
class _Watch:
    """What is known of a running child."""

    process: subprocess.Popen[bytes]
    started: float
    peak_mb: float = 0.0
    asked_to_end: float | None = None
    cancelled: bool = False
    timed_out: bool = False
    status: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> bool:
        return self.send(signal.SIGKILL)

    def look(self, cancelled: Callable[[], bool], timeout_s: float | None) -> None:
        """Measure, and end the child if it is time to."""
        now = time.monotonic()
        self.peak_mb = max(self.peak_mb, peak_rss_mb(self.process.pid))
        if self.asked_to_end is None:
            self.cancelled = cancelled()
            self.timed_out = not self.cancelled and timeout_s is not None and now - self.started > timeout_s
            if self.cancelled or self.timed_out:
                self.asked_to_end = now
                self.send(signal.SIGTERM)
        elif now - self.asked_to_end > GRACE_S:
            self.send(signal.SIGKILL)

    def send(self, number: int) -> bool:
        """Signal the whole group; it bears the child's pid, which stays ours until the child is reaped."""
        with self.lock:
            if self.status is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, number)
                    return True
        return False

    def reap(self, *, wait: bool) -> bool:
        """Collect the child if it has ended; its descendants die with it."""
        if self.status is None:
            if hasattr(os, "waitid"):  # leaves the child a zombie, so that its group's number cannot be reused yet
                seen = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG))
                if seen is None:
                    return False
                self.send(signal.SIGKILL)
                with self.lock:
                    self.status = self.process.wait()
            elif not wait and self.process.poll() is None:
                return False
            else:
                self.status = self.process.wait()
        return True


def run_child(
    argv: Sequence[str],
    on_line: Callable[[dict[str, object]], None],
    cancelled: Callable[[], bool],
    timeout_s: float | None,
    env: Mapping[str, str] | None = None,
    on_start: Callable[[int], None] | None = None,
    *,
    on_handle: Callable[[Handle], None] | None = None,
    address_space_mb: float | None = None,
) -> ChildEnd:
    """Run a program to its end, in the calling thread.

    The thread matters: a child that asked to die with its parent dies with the *thread* that started it.

    Args:
        argv: program and arguments.
        on_line: called with each JSON object the child prints on a line of its stdout; other lines are ignored.
        cancelled: asked every TICK_S; true ends the child and its group, SIGTERM first, SIGKILL after GRACE_S.
        timeout_s: wall seconds the child may take, None for no limit.
        env: the whole environment; None for `child_env()`.
        on_start, on_handle: called with the pid, and with the means to kill it, e.g. for a watchdog.
        address_space_mb: the most address space it may have (RLIMIT_AS), a backstop; None for no limit. Linux only.

    Raises:
        OSError: the program could not be started. Whatever a callback raises ends the child and comes through.
    """
    process = _start(argv, child_env() if env is None else env)
    watch, listener = _Watch(process, time.monotonic()), _Listener(on_line)
    try:
        _bound(process.pid, address_space_mb)
        if on_handle is not None:
            on_handle(watch)
        if on_start is not None:
            on_start(process.pid)
        _listen(watch, listener, cancelled, timeout_s)
        listener.line(bytes(listener.buffer))
    finally:
        _finish(watch)
    return _end(watch, listener, address_space_mb)


def _finish(watch: _Watch) -> None:
    """Whatever happened: nothing of the child is left."""
    watch.send(signal.SIGKILL)
    watch.reap(wait=True)
    for pipe in (watch.process.stdout, watch.process.stderr):
        if pipe is not None:
            pipe.close()


def _end(watch: _Watch, listener: _Listener, address_space_mb: float | None) -> ChildEnd:
    code = watch.status if watch.status is not None else -signal.SIGKILL
    return ChildEnd(
        returncode=code,
        signal=-code if code < 0 else None,
        stderr_tail=listener.tail.decode("utf-8", "replace"),
        peak_rss_mb=watch.peak_mb,
        cancelled=watch.cancelled,
        timed_out=watch.timed_out,
        seconds=time.monotonic() - watch.started,
        address_space_mb=address_space_mb,
    )


def _start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(list(argv), stdin=nothing, stdout=pipe, stderr=pipe, env=dict(env), start_new_session=True)


def _bound(pid: int, address_space_mb: float | None) -> None:
    """Offer the child to the OOM killer and set its backstop, before it has imported anything; where Linux lets us."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    if address_space_mb is not None and sys.platform == "linux":
        limit = int(address_space_mb * 1e6)
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


def _listen(watch: _Watch, listener: _Listener, cancelled: Callable[[], bool], timeout_s: float | None) -> None:
    """Read both pipes until the child is gone and they are empty."""
    process = watch.process
    assert process.stdout is not None and process.stderr is not None
    ended: float | None = None
    with selectors.DefaultSelector() as selector:
        for pipe, take in ((process.stdout, listener.out), (process.stderr, listener.err)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, take)
        while True:
            for key, _ in selector.select(TICK_S) if selector.get_map() else ():
                data = os.read(key.fd, 1 << 16)
                key.data(data) if data else selector.unregister(key.fileobj)
            if not selector.get_map() and ended is None:
                time.sleep(TICK_S)
            if ended is None:
                watch.look(cancelled, timeout_s)
                ended = time.monotonic() if watch.reap(wait=False) else None
            if ended is not None and (not selector.get_map() or time.monotonic() - ended > DRAIN_S):
                return


def expendable() -> None:
    """Be the first the OOM killer takes, and die with the thread that started us. Linux only; elsewhere nothing."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = os.environ.get(PARENT, "")
    if parent.isdigit() and os.getppid() != int(parent):
        sys.exit(1)
