"""Beats: the heartbeat of a process, one slot each, kept for the last minutes of every run.

A `Beat` says how full RAM and disk are and which risky step is under way. Each process writes a file of its own; three
per role take turns, so that a new run does not write over what the run before left. Judges nothing.
"""

from __future__ import annotations

import math
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.resources.events import is_time
from core.resources.slots import Found, Slots, is_held, read_slots

if TYPE_CHECKING:  # a worker that records need not load what measures
    from core.resources.disk import DiskReading
    from core.resources.memory import MemoryReading
    from core.resources.pressure import Pressure
    from core.resources.reading import Reading

COUNT = 600
NEAR = {"ram": 0.85, "disk": 0.95}  # where a verdict begins to suspect (verdict.py); crossing it is a transition
TURNS = 3  # files per role
_NONE, _WHOLE = -(1 << 31), (1 << 32) - 1
_LAYOUT = struct.Struct("<d I d I 12s 12s 7d q i i 24s 24s 24s 8s 104s")


@dataclass(frozen=True)
class Vitals:
    """RAM and disk of the container at one moment; bytes, None when unknown.

    Attributes:
        ram_used, ram_limit, working_set: as memory.MemoryReading has them.
        disk_used: what is gone of `disk_limit`, whether we used it or the file system has run out.
        psi: share of time, in percent, that some task stalled for memory (10 s average).
        oom_kills: processes that the kernel has killed for memory so far.
    """

    ram_used: float | None = None
    ram_limit: float | None = None
    working_set: float | None = None
    disk_used: float | None = None
    disk_limit: float | None = None
    psi: float | None = None
    oom_kills: int | None = None

    @property
    def ram(self) -> float | None:
        """Used part of the RAM limit."""
        return _part(self.ram_used, self.ram_limit)

    @property
    def disk(self) -> float | None:
        """Used part of the disk limit."""
        return _part(self.disk_used, self.disk_limit)


@dataclass(frozen=True)
class Beat:
    """One heartbeat. `event` and `number` are set when it was written for a transition (events.py); `code` is a return
    code, `errno` the last error of a write not long ago. Words are "" when there is nothing to say."""

    at: float
    run: str
    role: str
    pid: int
    born: float | None
    vitals: Vitals = Vitals()
    phase: str = ""
    case: str = ""
    kind: str = ""
    owner: str = ""
    predicted_mb: float | None = None
    errno: int | None = None
    event: str = ""
    number: int = 0
    code: int | None = None


def vitals_of(reading: Reading) -> Vitals:
    """What a heartbeat keeps of a reading."""
    return vitals(reading.memory, reading.disk, reading.pressure)


def vitals(memory: MemoryReading, disk: DiskReading, pressure: Pressure | None = None) -> Vitals:
    """The same from its parts."""
    return Vitals(
        ram_used=memory.used_bytes,
        ram_limit=memory.limit_bytes,
        working_set=memory.working_set_bytes,
        disk_used=None if disk.used_bytes is None else round(disk.fraction * disk.limit_bytes),
        disk_limit=disk.limit_bytes,
        psi=pressure.some10 if pressure else None,
        oom_kills=memory.oom_kills,
    )


def pack_beat(beat: Beat) -> bytes:
    """A beat as the payload of a slot; words that are too long are cut."""
    v = beat.vitals
    numbers = (v.ram_used, v.ram_limit, v.working_set, v.disk_used, v.disk_limit, v.psi, beat.predicted_mb)
    return _LAYOUT.pack(
        beat.at,
        beat.pid & _WHOLE,
        _float(beat.born),
        beat.number & _WHOLE,
        _bytes(beat.run),
        _bytes(beat.role),
        *map(_float, numbers),
        -1 if v.oom_kills is None else min(v.oom_kills, 1 << 62),
        _small(beat.errno),
        _small(beat.code),
        *map(_bytes, (beat.event, beat.phase, beat.kind, beat.owner, beat.case)),
    )


def unpack_beat(payload: bytes) -> Beat | None:
    """The beat, or None when the bytes are not one."""
    if len(payload) != _LAYOUT.size:
        return None
    at, pid, born, number, run, role, *numbers = _LAYOUT.unpack(payload)
    used, limit, working, gone, room, psi, predicted = (None if math.isnan(value) else value for value in numbers[:7])
    kills, errno, code = numbers[7:10]
    event, phase, kind, owner, case = map(_text, numbers[10:])
    if not is_time(at):
        return None
    return Beat(
        at=at,
        run=_text(run),
        role=_text(role),
        pid=pid,
        born=None if math.isnan(born) else born,
        vitals=Vitals(used, limit, working, gone, room, psi, None if kills < 0 else kills),
        phase=phase,
        case=case,
        kind=kind,
        owner=owner,
        predicted_mb=predicted,
        errno=None if errno == _NONE else errno,
        event=event,
        number=number,
        code=None if code == _NONE else code,
    )


def open_beats(folder: Path, role: str) -> Slots:
    """This process's own file: of those nobody holds, the one that was written longest ago.

    Raises:
        OSError: none can be had.
    """
    paths = [folder / f"beats-{role}-{turn}.ring" for turn in range(TURNS)]
    trouble: OSError | None = None
    for path in sorted(paths, key=_age):
        try:
            return Slots(path, COUNT, alone=True)
        except OSError as error:
            trouble = error
    raise trouble or OSError("no file for the heartbeat")


def read_beats(folder: Path) -> tuple[tuple[Beat, ...], int]:
    """Every whole beat of every process, oldest first, and how many slots were damaged."""
    found: list[Found] = []
    with suppress(OSError):
        found = [read_slots(path) for path in sorted(folder.glob("beats-*.ring"))]
    beats = [unpack_beat(payload) for one in found for _, payload in one.slots]
    whole = sorted((beat for beat in beats if beat is not None), key=lambda beat: beat.at)
    return tuple(whole), sum(one.damaged for one in found) + len(beats) - len(whole)


def held_runs(folder: Path) -> frozenset[str]:
    """Runs of which a process writes its heartbeat now: it holds the file, whatever number or clock it has."""
    held = (read_slots(path) for path in sorted(folder.glob("beats-*.ring")) if is_held(path))
    newest = (unpack_beat(found.slots[-1][1]) for found in held if found.slots)
    return frozenset(beat.run for beat in newest if beat is not None)


def worth_keeping(beat: Beat, last: Beat | None) -> bool:
    """Whether a beat says something that the last one did not: frequent beats would shorten the history to seconds."""
    if last is None or beat.event or beat.at - last.at >= 1.0 or beat.at < last.at:
        return True
    if (beat.phase, beat.case, beat.errno) != (last.phase, last.case, last.errno):
        return True
    return any(
        now is not None and (before is None or abs(now - before) >= step)
        for now, before, step in (
            (beat.vitals.ram, last.vitals.ram, 0.01),
            (beat.vitals.disk, last.vitals.disk, 0.005),
        )
    )


def crossings(vitals: Vitals, near: set[str]) -> list[tuple[str, str, float]]:
    """What has come near its limit or is well below it again, as (event, what, how full); `near` remembers it."""
    crossed = []
    for what, part in (("ram", vitals.ram), ("disk", vitals.disk)):
        if part is not None and part >= NEAR[what] and what not in near:
            near.add(what)
            crossed.append(("near limit", what, part))
        elif part is not None and part < NEAR[what] - 0.05 and what in near:
            near.discard(what)
            crossed.append(("limit eased", what, part))
    return crossed


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _part(used: float | None, limit: float | None) -> float | None:
    return None if used is None or not limit or limit <= 0 else used / limit


def _float(value: float | None) -> float:
    return math.nan if value is None or abs(value) > sys.float_info.max else float(value)


def _small(number: int | None) -> int:
    return number if number is not None and _NONE < number < -_NONE else _NONE


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "replace")


def _text(word: bytes) -> str:
    return word.rstrip(b"\0").decode("utf-8", "replace")
