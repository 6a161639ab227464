"""Running DeepISLES: one at a time on the machine, and never longer than whoever asked for it lives.

A guardian (a few lines of sh in a session of its own) holds the far end of a pipe. When the worker is gone without a
word, however it ended, the guardian ends the container or the process group and clears the folder; it also holds the
lock until that is done. Reads no images (deepisles_files.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import EngineError, WorkerDied
from core.resources.child import ChildEnd, run_child
from core.segmentation.engine import Phase
from core.segmentation.engines.deepisles_ways import Conda, Docker, Setup, Task, ask
from core.segmentation.engines.deepisles_words import diagnose

TURN_S = 0.2  # how often the lock is tried
CLEAR_S = 60.0  # what removing a container may take

GUARDIAN = """
docker=$1 name=$2 image=$3 folder=$4 owner=$5 group=
while read -r word value; do
  case $word in
    group) group=$value ;;
    done) exit 0 ;;
  esac
done
[ -n "$group" ] && kill -s KILL -- "-$group"
if [ -n "$docker" ]; then
  tries=0
  while [ $tries -lt 20 ] && ! "$docker" kill "$name"; do tries=$((tries + 1)); sleep 0.5; done
  "$docker" rm -f "$name"
fi
rm -rf -- "$folder"
if [ -e "$folder" ] && [ -n "$docker" ]; then
  "$docker" run --rm --pull=never -v "$folder:/app/data" --entrypoint chown "$image" -R "$owner" /app/data
  rm -rf -- "$folder"
fi
rmdir -- "${folder%/*}" "${folder%/*/*}"
"""


@dataclass
class Guardian:
    """The process that cleans up if this one cannot."""

    process: subprocess.Popen[bytes]

    def tell(self, line: str) -> None:
        """One line; nothing happens when it is gone."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """All is well: it may go."""
        self.tell("done")
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()


def run(setup: Setup, way: Docker | Conda, task: Task, phase: Phase) -> ChildEnd:
    """Run DeepISLES once, to its end.

    Raises:
        EngineError: it failed, with the reason.
        WorkerDied: it took too long.
    """
    name = f"strokescope-{uuid.uuid4().hex[:16]}"
    with turn(setup, phase) as lock:
        if isinstance(way, Docker):
            sweep(setup, way)
        phase("Starting DeepISLES", 0.05)
        with guarded(setup, way, task, name, lock) as guardian:
            end = _run(setup, way, task, name, guardian, phase)
    if end.timed_out:
        hint = "try the fast mode; if the machine was busy, run it again"
        raise WorkerDied(f"DeepISLES took longer than {setup.timeout_s / 60:.0f} min", hint=hint)
    image = way.image if isinstance(way, Docker) else setup.image
    if end.returncode != 0:
        found = diagnose(end.returncode, end.stderr_tail, image)
        raise EngineError(found.sentence, hint=found.hint)
    return end


def _run(setup: Setup, way: Docker | Conda, task: Task, name: str, guardian: Guardian, phase: Phase) -> ChildEnd:
    if isinstance(way, Docker):
        command: tuple[str, ...] = way.command(task, name)
    else:
        job = task.folder / "job.json"
        job.write_text(json.dumps(way.job(task)), encoding="utf-8")
        command = way.command(job)
    started, told = time.monotonic(), -1

    def tick() -> bool:
        nonlocal told
        minutes = int((time.monotonic() - started) / 60)
        if minutes != told:
            told = minutes
            phase(f"DeepISLES is running, {minutes} min so far" if minutes else "DeepISLES is running", 0.1)
        return False

    try:
        return run_child(
            command,
            lambda line: None,
            tick,
            setup.timeout_s,
            {**setup.environ, "PYTHONUNBUFFERED": "1"},
            on_start=lambda pid: guardian.tell(f"group {pid}"),
        )
    except OSError as error:
        raise EngineError(f"DeepISLES could not be started ({error.strerror})", hint="try again") from None


@contextlib.contextmanager
def turn(setup: Setup, phase: Phase) -> Iterator[int]:
    """This machine's only turn; waits for it. Gives the lock's file descriptor.

    Raises:
        EngineError: the lock cannot be used.
    """
    lock = _open(setup.lock)
    try:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    phase("Waiting for another DeepISLES job", 0.0)
                told = True
                time.sleep(TURN_S)
        yield lock
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    """Open for reading, which is enough to lock and works on a file of another user."""
    try:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        hint = "check the temporary folder of this machine"
        raise EngineError(f"DeepISLES' lock cannot be used ({error.strerror})", hint=hint) from None


def sweep(setup: Setup, way: Docker) -> None:
    """Remove containers that a killed run left behind; whoever holds the lock knows that nobody uses them."""
    status, said = ask(setup, way.program, "ps", "-aq", "--filter", f"label={setup.label}", limit_s=CLEAR_S)
    left = said.split() if status == 0 else []
    if left:
        ask(setup, way.program, "rm", "-f", *left, limit_s=CLEAR_S)


@contextlib.contextmanager
def guarded(setup: Setup, way: Docker | Conda, task: Task, name: str, lock: int) -> Iterator[Guardian]:
    """A guardian for as long as the block runs; after it neither container, process nor foreign file is left."""
    owner = f"{os.getuid()}:{os.getgid()}"
    docker, image = (way.program, way.image) if isinstance(way, Docker) else ("", "")
    process = subprocess.Popen(
        ("/bin/sh", "-c", GUARDIAN, "guardian", docker, name, image, str(task.folder), owner),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(setup.environ),
        start_new_session=True,
        pass_fds=(lock,),
    )
    guardian = Guardian(process)
    clean = False
    try:
        yield guardian
        clean = True
    finally:
        if isinstance(way, Docker):
            if not clean or _alive(setup, way, name):
                ask(setup, way.program, "rm", "-f", name, limit_s=CLEAR_S)
            _own(setup, way, task, owner)
        guardian.dismiss()


def _alive(setup: Setup, way: Docker, name: str) -> bool:
    """Whether the container is still there, e.g. after a deadline that only ended Docker's client."""
    status, said = ask(setup, way.program, "ps", "-aq", "--filter", f"name={name}", limit_s=CLEAR_S)
    return status != 0 or bool(said.strip())


def _own(setup: Setup, way: Docker, task: Task, owner: str) -> None:
    """Give ourselves what the container wrote as root, so that it can be removed."""
    try:
        foreign = any(path.lstat().st_uid != os.getuid() for path in task.folder.rglob("*"))
    except OSError:
        foreign = True
    if foreign:
        mount = f"{task.folder}:/app/data"
        argv = (way.program, "run", "--rm", "--pull=never", "-v", mount, "--entrypoint", "chown", way.image)
        ask(setup, *argv, "-R", owner, "/app/data", limit_s=CLEAR_S)
