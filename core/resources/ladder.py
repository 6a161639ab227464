"""Ladder: what has to be done at which level of RAM and disk. Pure, with hysteresis; acts on nothing (watchdog.py).

Up a rung at its threshold, down only SLACK below it, so that a value that trembles there does not repeat itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Literal

from core.resources import disk, memory

Action = Literal[
    "warn",
    "calm",
    "trim",
    "hold",
    "resume",
    "kill",
    "drain",
    "disk-warn",
    "disk-calm",
    "evict",
    "refuse",
    "accept",
    "trim again",
    "evict again",
]
Reason = Literal["level", "projection", "drain"]

RAM = (memory.WARN, memory.STOP_ADMITTING, memory.KILL, memory.DRAIN)
DISK = (disk.WARN, disk.EVICT, disk.REFUSE)
WARN, HOLD, KILL, DRAIN = 1, 2, 3, 4  # rungs of RAM; 0 is calm
DISK_WARN, EVICT, REFUSE = 1, 2, 3
SLACK = 0.03
HORIZON_S = 2.0  # a limit nearer than this is as good as reached
AGAIN_S = 10.0  # between two trims or evictions while nothing changes
AFTER_KILL_S, DYING_S = 0.5, 5.0  # a killed process needs a moment to give its memory back; longer while it is there
NOISE = 0.03  # of the limit: a rise that is smaller does not say that anything is near
TREND_SAMPLES, TREND_S = 6, 1.5


@dataclass(frozen=True)
class Sample:
    """RAM at one moment: monotonic seconds, bytes that cannot be given back, bytes of the limit."""

    at: float
    used: int
    limit: int


@dataclass(frozen=True)
class State:
    """What the ladder remembers: the rungs, and when it last acted (monotonic seconds)."""

    ram: int = 0
    disk: int = 0
    trimmed_at: float | None = None
    evicted_at: float | None = None
    killed_at: float | None = None
    reason: Reason = "level"


@dataclass(frozen=True)
class Moment:
    """Everything a decision needs.

    Attributes:
        at: monotonic seconds.
        ram, disk: fractions of the limits; `disk` None while it is not known.
        to_limit_s: seconds until RAM surely reaches its limit at the present rate (`sure_time`); None when it does not.
        expected: fraction that RAM will reach if the running workers keep within what they were admitted with; infinite
            when one of them does not.
        workers: how many could be killed.
        dying: one that was killed has not gone yet.
    """

    at: float
    ram: float
    disk: float | None
    to_limit_s: float | None
    expected: float
    workers: int
    dying: bool = False


def rung_of(value: float, before: int, steps: Sequence[float]) -> int:
    """The rung for a value, coming from rung `before`."""
    reached = sum(value >= step for step in steps)
    if reached >= before:
        return reached
    return max(reached, sum(value >= step - SLACK for step in steps[:before]))


def growth(samples: Sequence[Sample]) -> float:
    """Bytes per second, 0 unless it is sure: a median of all slopes that the newest samples confirm.

    One jump, however high, is not growth; neither is noise around a level.
    """
    recent = _recent(samples)
    if len(recent) < 4:
        return 0.0
    slopes = [
        (later.used - earlier.used) / (later.at - earlier.at)
        for number, earlier in enumerate(recent)
        for later in recent[number + 1 :]
        if later.at > earlier.at
    ]
    steps = [b.used - a.used for a, b in pairwise(recent)]
    if not slopes or min(steps[-2:]) <= 0:
        return 0.0
    return max(0.0, median(slopes))


def time_to_limit(samples: Sequence[Sample]) -> float | None:
    """Seconds until the limit at the present growth; None when there is none."""
    rate = growth(samples)
    return max(0.0, samples[-1].limit - samples[-1].used) / rate if rate > 0 else None


def sure_time(samples: Sequence[Sample]) -> float | None:
    """`time_to_limit` where the growth is worth a kill: more than NOISE, and to where RAM has not been lately.

    A level that trembles, and memory that is taken and given back again and again, are neither.
    """
    recent = _recent(samples)
    if not recent or recent[-1].used - recent[0].used < NOISE * recent[-1].limit:
        return None
    highest = max((one.used for one in samples if one.at < recent[0].at), default=0)
    return time_to_limit(samples) if recent[-1].used > highest else None


def decide(now: Moment, state: State) -> tuple[State, tuple[Action, ...]]:
    """The next state and what to do, in this order."""
    after, ram = _ram(now, state)
    after, kill = _kill(now, after)
    after, storage = _disk(now, after)
    return after, (*kill, *ram, *storage)


def _ram(now: Moment, state: State) -> tuple[State, list[Action]]:
    rung = rung_of(now.ram, state.ram, RAM)
    actions: list[Action] = []
    if rung >= WARN > state.ram:
        actions.append("warn")
    if rung < WARN <= state.ram:
        actions.append("calm")
    if rung >= HOLD > state.ram:
        actions.append("hold")
    if rung < HOLD <= state.ram:
        actions.append("resume")
    after = replace(state, ram=rung)
    if rung >= WARN and (rung > state.ram or _due(now.at, state.trimmed_at, AGAIN_S)):
        actions.append("trim" if rung > state.ram else "trim again")
        after = replace(after, trimmed_at=now.at)
    return after, actions


def _kill(now: Moment, state: State) -> tuple[State, list[Action]]:
    """Kill by level, or because the limit is near; spare a worker that keeps to what it was admitted with."""
    if now.workers == 0:
        return state, []
    honest = now.expected < memory.KILL
    near = now.to_limit_s is not None and now.to_limit_s < HORIZON_S and state.ram >= WARN and not honest
    if now.ram >= memory.DRAIN:
        return replace(state, killed_at=now.at, reason="drain"), ["drain"]
    pause = DYING_S if now.dying else AFTER_KILL_S
    if (now.ram >= memory.KILL or near) and _due(now.at, state.killed_at, pause):
        return replace(state, killed_at=now.at, reason="level" if now.ram >= memory.KILL else "projection"), ["kill"]
    return state, []


def _disk(now: Moment, state: State) -> tuple[State, list[Action]]:
    if now.disk is None:
        return state, []
    rung = rung_of(now.disk, state.disk, DISK)
    actions: list[Action] = []
    if rung >= DISK_WARN > state.disk:
        actions.append("disk-warn")
    if rung < DISK_WARN <= state.disk:
        actions.append("disk-calm")
    if rung >= REFUSE > state.disk:
        actions.append("refuse")
    if rung < REFUSE <= state.disk:
        actions.append("accept")
    after = replace(state, disk=rung)
    if rung >= EVICT and (rung > state.disk or _due(now.at, state.evicted_at, AGAIN_S)):
        actions.append("evict" if rung > state.disk else "evict again")
        after = replace(after, evicted_at=now.at)
    return after, actions


def _recent(samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if samples[-1].at - one.at <= TREND_S][-TREND_SAMPLES:]


def _due(now: float, last: float | None, pause: float) -> bool:
    return last is None or now - last >= pause
