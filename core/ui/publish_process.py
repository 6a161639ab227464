"""Process: one command of ours as a process that outlives the app, and how it is found again, and stopped.

It has a session of its own, no stdin, and files for what it prints; its number is kept with the time it began, so that
no other process that got the same number is ever signalled. Knows nothing of what the command does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import PublishError
from core.resources.child import PARENT, child_env
from core.resources.pids import born_of, is_alive

ROOT = Path(__file__).resolve().parents[2]
MOST_OUT = 64 * 2**20  # bytes of what it printed that are read
MOST_SAID = 8192  # bytes of the end of stderr
_LETTERS = 1000  # of a sentence


@dataclass(frozen=True)
class Step:
    """A command that was started, as a file tells.

    Attributes:
        name: e.g. "validate".
        pid, born: the process, and when it began (seconds since 1970).
        began: when we asked for it.
        asked: when somebody asked it to stop; 0 for never.
    """

    name: str
    pid: int
    born: float
    began: float
    asked: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return is_alive(self.pid, self.born)


class Place:
    """Where one command leaves its files: a folder of this app, for nobody else to read."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @property
    def out(self) -> Path:
        return self.folder / f"{self.name}.out.json"

    @property
    def said(self) -> Path:
        return self.folder / f"{self.name}.err.txt"

    @property
    def progress(self) -> Path:
        return self.folder / f"{self.name}.progress.json"

    @property
    def record(self) -> Path:
        return self.folder / f"{self.name}.process.json"

    def step(self) -> Step | None:
        """The command that was started last; None for none."""
        told = read_json(self.record)
        try:
            return None if told is None else Step(**told)  # type: ignore[arg-type]
        except TypeError:
            return None

    def answer(self) -> Mapping[str, object] | None:
        """The JSON object that it printed; None while there is none."""
        return read_json(self.out)

    def trouble(self) -> tuple[str, str]:
        """What it said last of its failing: a sentence and the next step; two empty texts for nothing."""
        return trouble_in(_end_of(self.said))

    def forget(self) -> None:
        """Remove its files."""
        for path in (self.out, self.said, self.progress, self.record):
            path.unlink(missing_ok=True)


class Processes:
    """Starts and stops commands. Safe to use from several threads; one for the app."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, place: Place, command: Sequence[str], env: Mapping[str, str]) -> Step:
        """Start the command unless it runs.

        Args:
            env: added to this process's environment, from which secrets are taken out.

        Raises:
            PublishError: it cannot be started.
        """
        with self._lock:
            known = place.step()
            if known is not None and known.alive:
                return known
            self._reap()
            try:
                place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                place.forget()
                with _private(place.out) as out, _private(place.said) as said:
                    child = subprocess.Popen(
                        list(command), cwd=ROOT, env=_environment(env), stdin=subprocess.DEVNULL, stdout=out,
                        stderr=said, start_new_session=True,
                    )  # fmt: skip
                self._children.append(child)
                step = Step(place.name, child.pid, born_of(child.pid) or time.time(), time.time())
                write_json(place.record, vars(step))
            except OSError as error:
                hint = "look whether the disk is full"
                raise PublishError(f"the publisher cannot be started ({error.strerror})", hint=hint) from None
            return step

    def stop(self, place: Place) -> None:
        """Ask it to stop in order; a second time, more firmly. Nothing is lost by it. Harmless when it is over."""
        with self._lock:
            step = place.step()
            if step is None or not step.alive:
                return
            try:
                os.kill(step.pid, signal.SIGTERM if step.asked else signal.SIGINT)
            except ProcessLookupError:
                return
            except PermissionError:
                raise PublishError(
                    "the publisher belongs to another user of this machine", hint="stop it where it was started"
                ) from None
            write_json(place.record, vars(step) | {"asked": time.time()})

    def poll(self) -> int:
        """Let go of those that have ended; how many of ours live."""
        with self._lock:
            self._reap()
            return len(self._children)

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]


def read_json(path: Path) -> dict[str, object] | None:
    """The object in a file; None for none, a torn one or one that is far too long."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_OUT + 1)
        found = json.loads(data) if len(data) <= MOST_OUT else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write beside, then rename; for the owner alone. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    with _private(part) as file:
        file.write(json.dumps(value).encode())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def trouble_in(said: str) -> tuple[str, str]:
    """The sentence and the next step of the last line that begins with "error: "."""
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    if not lines:
        return "", ""
    sentence, _, step = lines[-1].removeprefix("error: ")[:_LETTERS].partition("; ")
    return sentence.strip(), step.strip()


def _private(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "wb")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    env = child_env()
    for name in (PARENT, "STROKESCOPE_PUBLISH_KEY"):
        env.pop(name, None)
    return env | dict(more)


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_SAID))
            return file.read(MOST_SAID).decode("utf-8", "replace")
    except OSError:
        return ""
