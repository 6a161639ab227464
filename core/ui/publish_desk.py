"""Desk: the publications that this app began: what was wished, and the commands that work or worked for each.

Kept in files of the state folder, so that a restarted app and a second tab find them. Draws nothing.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from core.errors import PublishError, StagingForeign
from core.publish.follow import Follower
from core.settings import Settings
from core.ui.publish_key import Lock
from core.ui.publish_process import Place, Processes, read_json, write_json
from core.ui.publish_standing import Proof, proof_in
from core.ui.publish_wish import (
    FOLDERS,
    Wish,
    plan_command,
    run_command,
    validate_command,
    verify_command,
    wish_in,
)
from core.workflows.publish_papers import read_paper
from core.workflows.publish_progress import FILE, Progress, is_at_work, read_progress
from core.workflows.publish_status import Status, ask_to_stop, standing_of, status
from core.workflows.publish_work import beside

MOST = 20  # publications that are remembered
PATIENT = 20.0  # times the cost of a look that lie between two of them, while somebody works
Name = Literal["validate", "plan", "run", "verify"]
_LOOKS: tuple[Name, ...] = ("run", "verify")  # those that end in a verification
_WISH, _HOME = "wish.json", ".desk"


@dataclass(frozen=True)
class Kept:
    """One staging folder that this app knows."""

    wish: Wish
    home: Path

    @property
    def staging(self) -> Path:
        return Path(self.wish.staging)

    def place(self, name: Name) -> Place:
        """Where a command for it leaves its files."""
        return Place(self.home, name)


@dataclass(frozen=True)
class _Look:
    """One look at a staging folder: when, what it cost, the stamp of what was read, what was found."""

    at: float
    cost_s: float
    stamp: object
    status: Status


class Shared:
    """What all sessions share: the processes, the lock on the page, the last look at each staging folder."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.processes, self.lock = Processes(), Lock()
        self._ticks, self._guard = ticks, threading.Lock()
        self._looks: dict[Path, _Look] = {}
        self._followers: dict[Path, Follower] = {}

    def status(self, folder: Path) -> Status | None:
        """How a staging folder stands; None while there is none.

        While a publisher works, its progress is read each time and the record, which is dear, only now and then.

        Raises:
            StagingDamaged: its record cannot be read.
        """
        with self._guard:
            known, now = self._looks.get(folder), self._ticks()
            told = read_progress(folder / FILE)
            lives = is_at_work(told)
            if known is not None and lives and now - known.at < PATIENT * known.cost_s:
                return replace(known.status, progress=told, standing=standing_of(told, True, False), cleanup="")
            stamp = (_stamp(folder), lives)
            if known is None or known.stamp != stamp:
                try:
                    found = status(folder, self._followers.setdefault(folder, Follower(folder)))
                except StagingForeign:
                    self._looks.pop(folder, None)
                    return None
                known = _Look(now, self._ticks() - now, stamp, found)
                self._looks = {**dict(list(self._looks.items())[-MOST:]), folder: known}
            return known.status

    def forget(self) -> None:
        """Look at everything anew."""
        with self._guard:
            self._looks.clear()
            self._followers.clear()


@functools.cache
def shared() -> Shared:
    """One for the app."""
    return Shared()


class Desk:
    """The publications of one state folder."""

    def __init__(self, settings: Settings, common: Shared | None = None) -> None:
        self._settings, self._common = settings, common or shared()
        self.folder = settings.state_dir / FOLDERS / _HOME

    def publications(self) -> tuple[Kept, ...]:
        """Those that are remembered, the newest first."""
        try:
            homes = sorted(self.folder.iterdir(), key=lambda home: -_time(home / _WISH))[:MOST]
        except OSError:
            return ()
        found = ((wish_in(read_json(home / _WISH)), home) for home in homes)
        return tuple(Kept(wish, home) for wish, home in found if wish is not None and wish.key == home.name)

    def find(self, key: str) -> Kept | None:
        """The publication of that key."""
        return next((one for one in self.publications() if one.wish.key == key), None)

    def keep(self, wish: Wish) -> Kept:
        """Remember a wish; it takes the place of another one for the same staging folder.

        Raises:
            PublishError: the state folder cannot be written.
        """
        home = self.folder / wish.key
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(home / _WISH, wish.as_json())
        except OSError as error:
            hint = "look whether its disk is full"
            raise PublishError(f"the app's state folder cannot be written ({error.strerror})", hint=hint) from None
        return Kept(wish, home)

    def forget(self, one: Kept) -> None:
        """Take it off the list, with what was found; the staging folder stays as it is."""
        names: tuple[Name, ...] = ("validate", "plan", "run", "verify")
        for name in names:
            one.place(name).forget()
        (one.home / _WISH).unlink(missing_ok=True)

    def check(self, one: Kept) -> None:
        """Look at every file, and plan. Raises PublishError."""
        place = one.place("validate")
        self.plan(one)
        self._common.processes.start(place, validate_command(one.wish, place.progress), {})

    def plan(self, one: Kept) -> None:
        """Plan alone. Raises PublishError."""
        self._common.processes.start(one.place("plan"), plan_command(one.wish), {})

    def run(self, one: Kept) -> None:
        """Publish, or go on. Raises PublishError."""
        checked = one.place("validate").out
        validated = checked if checked.exists() else None
        self._start(one, "run", run_command(one.wish, one.place("run").progress, validated))

    def verify(self, one: Kept, read_back: str = "") -> None:
        """Look at the repository once more. Raises PublishError."""
        self._start(one, "verify", verify_command(one.staging, read_back))

    def stop(self, one: Kept, name: Name) -> None:
        """Ask a command to stop in order. Raises PublishError."""
        self._common.processes.stop(one.place(name))

    def stop_publisher(self, one: Kept) -> None:
        """Ask whoever works in the staging folder to stop, or who is about to. Raises PublishError."""
        for place in (one.place("run"), one.place("verify")):
            step = place.step()
            if step is not None and step.alive:
                self._common.processes.stop(place)
                return
        ask_to_stop(one.staging)

    def status(self, one: Kept) -> Status | None:
        """How its staging folder stands; None while there is none. Raises StagingDamaged."""
        self._common.processes.poll()
        return self._common.status(one.staging)

    def proof(self, one: Kept) -> Proof | None:
        """What is kept of its last verification, also without a staging folder: beside that, or as it was printed."""
        began = {name: step.began for name in _LOOKS if (step := one.place(name).step()) is not None}
        printed = (one.place(name).answer() for name in sorted(began, key=lambda name: -began[name]))
        told = (read_paper(beside(one.staging)), *printed)
        return next((proof for one_told in told if (proof := proof_in(one_told, one.wish.repo))), None)

    def at_work(self, one: Kept) -> bool:
        """Whether a publisher works for it, or is about to."""
        steps = (one.place("run").step(), one.place("verify").step())
        return any(step is not None and step.alive for step in steps) or is_at_work(read_progress(one.staging / FILE))

    def checking(self, one: Kept, name: Name) -> Progress | None:
        """What a command that has no staging folder yet told last."""
        return read_progress(one.place(name).progress)

    def _start(self, one: Kept, name: Name, command: list[str]) -> None:
        token = self._settings.hf_token
        env = {} if token is None else {"HF_TOKEN": token.get_secret_value()}
        self._common.processes.start(one.place(name), command, env)
        self._common.forget()


def _stamp(folder: Path) -> object:
    """Changes when the files of which a status is made do."""
    return tuple(_signature(path) for path in sorted(folder.glob("*.json*")))


def _signature(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return path.name, found.st_size, found.st_mtime_ns, found.st_ino


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
