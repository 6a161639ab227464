"""Events: the transitions of a run, one line each with a checksum, and one immutable file each on a mounted bucket.

Lines are appended whole and fsynced; a torn or flipped one is skipped and cannot swallow the next. Both places are
bounded. Facts are numbers and short words: what looks like a file, a folder or a token is left out. Judges nothing.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.resources.lane import ask
from core.resources.slots import read_tail

FILE, OLDER, NEXT = "flight.jsonl", "flight.1.jsonl", "flight.next"
MAX_BYTES = 256_000  # about 800 events; then the file becomes the older one
MOST = 4 * MAX_BYTES  # what is read of one file at most
CARRIED, CARRIED_RUNS = ("run start", "run end"), 20  # what outlives both files, of how many runs
MAX_FILES = 200  # on the bucket
READ_S = 5.0  # at most, for the files of a slow bucket
WORD = 300
LAST = 2.5e11  # the year 9999, after which no calendar can say the time
Fact = str | int | float | bool | None | tuple[str, ...]
_PRIVATE = re.compile(
    r"[/\\]|hf_[A-Za-z0-9]{8,}|(?i:bearer)\s|\S\.(?i:nii|gz|dcm|nrrd|mha|mhd|npz|npy|h5|hdf5|parquet|zip|tsv|csv)\b"
)
_LEFT_OUT = "(left out)"


@dataclass(frozen=True)
class Event:
    """One transition.

    Attributes:
        event: what happened, e.g. "run start", "phase begin".
        run: id of the run, 12 letters or digits.
        at: seconds since 1970.
        role, pid, born: the process that wrote it, and when that began.
        number: counts the events of one process; with the process it names the event.
        facts: what else is known.
    """

    event: str
    run: str
    at: float
    role: str = ""
    pid: int = 0
    born: float | None = None
    number: int = 0
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, float | None, int]:
        """The same for every copy of this event."""
        return self.run, self.pid, self.born, self.number

    def text(self, name: str) -> str:
        """A fact that is a word, "" when it is not there."""
        value = self.facts.get(name)
        return value if isinstance(value, str) else ""

    def value(self, name: str) -> float | None:
        """A fact that is a number."""
        value = self.facts.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def clean(facts: Mapping[str, object]) -> dict[str, Fact]:
    """The facts as they may be kept."""
    return {name[:40]: _clean(value) for name, value in list(facts.items())[:24]}


def _clean(value: object) -> Fact:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return tuple(_word(str(item)) for item in value[:8])
    return _word(str(value))


def _word(text: str) -> str:
    return _LEFT_OUT if _PRIVATE.search(text) else " ".join(text.split())[:WORD]


def encode(event: Event) -> bytes:
    """One line without its end: checksum, blank, JSON."""
    said = {
        "event": event.event,
        "run": event.run,
        "at": event.at,
        "role": event.role,
        "pid": event.pid,
        "born": event.born,
        "n": event.number,
        "facts": event.facts,
    }
    body = json.dumps(said, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s" % (zlib.crc32(body), body)


def decode(line: bytes) -> Event | None:
    """The event, or None when the line is torn or strange."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        said = json.loads(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    words = [said.get(name) for name in ("event", "run", "role")]
    born, facts = said.get("born"), said.get("facts")
    if not all(isinstance(word, str) for word in words) or not is_time(said.get("at")) or not isinstance(facts, dict):
        return None
    whole = (said.get("pid"), said.get("n"))
    if any(type(number) is not int for number in whole) or not (born is None or is_time(born)):
        return None
    return Event(said["event"], said["run"], said["at"], said["role"], said["pid"], born, said["n"], clean(facts))


def in_words(event: Event) -> str:
    """One line for the log: the event, then its facts."""
    said = " ".join(f"{name}={_said(value)}" for name, value in event.facts.items() if value not in (None, ""))
    return f"{event.event} [{event.run[:6]} {event.role}] {said}".rstrip()


def _said(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}"
    return "; ".join(value) if isinstance(value, tuple) else str(value)


def is_time(value: object) -> bool:
    """Whether it can be seconds since 1970."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LAST


def append(folder: Path, events: Iterable[Event]) -> None:
    """Add lines to the folder's record and wait until the disk has them.

    Raises:
        OSError: they could not be kept, or not all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(b"\n" + encode(event) + b"\n" for event in events)  # a torn line before ends at our first byte
    _add(folder / FILE, data, os.O_APPEND, lambda fd: _turn(folder, fd))


def _add(path: Path, data: bytes, how: int, before: Callable[[int], None] = lambda fd: None) -> None:
    """Write all of it and wait until the disk has it. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o644)
    try:
        before(fd)
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, "no space left for the whole line")
        os.fsync(fd)
    finally:
        os.close(fd)


def _turn(folder: Path, fd: int) -> None:
    """Make a full file the older one; of several processes that see it full, one does.

    The next one begins with how the last runs began and ended, or else a verdict would be lost before its run is. Where
    there is no room for that the file may become twice as large first.
    """
    if os.fstat(fd).st_size <= MAX_BYTES:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    path, fresh = folder / FILE, folder / NEXT
    if not path.exists() or path.stat().st_ino != os.fstat(fd).st_ino:
        return
    carried = _carried(_lines(folder))
    try:
        _add(fresh, carried, os.O_TRUNC)
    except OSError:
        if os.fstat(fd).st_size <= 2 * MAX_BYTES:
            return
    path.replace(folder / OLDER)
    try:
        os.link(fresh, path)
    except OSError:  # another process was quicker, or there are no links here
        with suppress(OSError):
            _add(path, carried, os.O_APPEND)
    with suppress(OSError):
        fresh.unlink()


def _carried(lines: Iterable[bytes]) -> bytes:
    """Those of the lines that say how the last runs began and ended."""
    found = [(event.run, line) for line in lines if (event := decode(line)) is not None and event.event in CARRIED]
    last = list(dict.fromkeys(run for run, _ in found))[-CARRIED_RUNS:]
    return b"".join(b"\n" + line + b"\n" for run, line in found[-4 * CARRIED_RUNS :] if run in last)


def _lines(folder: Path) -> list[bytes]:
    """Every line once, as written."""
    newer = read_tail(folder / FILE, MOST)  # first: when it becomes the older one meanwhile, it is read twice
    lines = [*read_tail(folder / OLDER, MOST).split(b"\n"), *newer.split(b"\n")]
    return [line for line in dict.fromkeys(lines) if line]


def read_lines(folder: Path) -> tuple[tuple[Event, ...], int]:
    """Every whole event of the record, as written, and how many lines were damaged."""
    found = [decode(line) for line in _lines(folder)]
    return tuple(event for event in found if event is not None), found.count(None)


def put_file(folder: Path, event: Event) -> None:
    """One immutable file: opened, written, closed; a bucket has it after close.

    Raises:
        OSError: it could not be kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{round(1000 * event.at):015d}-{event.run}-{event.pid}-{event.number:09d}.json"
    fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    data = encode(event) + b"\n"
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, "no space left for the whole event")
    finally:
        os.close(fd)


def prune(folder: Path, keep: int = MAX_FILES, now: float | None = None) -> None:
    """Remove the oldest files of a bucket; their names sort by time.

    Args:
        now: what claims to be of a later day was written under a wrong clock, and counts as the oldest.
    """
    tomorrow = f"{round(1000 * (time.time() if now is None else now)) + 86_400_000:015d}"
    for path in sorted(folder.glob("*.json"), key=lambda path: (path.name < tomorrow, path.name))[:-keep]:
        with suppress(OSError):
            path.unlink()


def read_files(
    folder: Path,
    limit_s: float = READ_S,
    ticks: Callable[[], float] = time.monotonic,
    read: Callable[[Path], bytes] = Path.read_bytes,
) -> tuple[tuple[Event, ...], int]:
    """Every whole event of a bucket, oldest first, and how many were damaged; the newest first while time lasts.

    A mount that hangs costs `limit_s` once; while it hangs on, nothing is read.
    """
    found: list[Event | None] = []
    deadline = ticks() + limit_s

    def work() -> None:
        try:
            paths = sorted(folder.glob("*.json"), reverse=True)
        except OSError:
            return
        for path in paths[: 2 * MAX_FILES]:
            if ticks() > deadline:
                return
            try:
                found.append(decode(read(path).strip(b"\n")))
            except OSError:
                found.append(None)

    ask(str(folder), work, limit_s)
    told = tuple(found)
    return tuple(event for event in reversed(told) if event is not None), told.count(None)
