"""Interruption: why a job of a process that is gone has no result, in words. Pure; the flight record has judged."""

from __future__ import annotations

from collections.abc import Sequence

from core.resources.verdict import Verdict

_SAID = {
    "clean stop": "the app was stopped in order",
    "sleep": "the app fell asleep",
    "out of memory": "the app ended: out of memory",
    "watchdog": "the app ended: the watchdog ended it, as RAM had nearly run out",
    "disk full": "the app ended: the disk was full",
    "storage eviction": "the app ended: it was ended from outside for too much disk",
    "hung": "the app ended: it did not answer any more",
    "killed": "the app ended: it was killed from outside",
    "native crash": "the app ended: it crashed in native code",
    "crash": "the app ended with an error",
}
UNKNOWN = "the app ended, nobody knows why"
STOPPED = "the app was stopped in order while it {did}"


def did(state: str) -> str:
    """What the job did when it was cut off: "ran" or "waited"."""
    return "ran" if state == "running" else "waited"


def verdict_of(run: str, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict on that run, if there is one."""
    return next((verdict for verdict in verdicts if run and verdict.run == run), None)


def reason(verdict: Verdict | None, state: str) -> str:
    """ "the app ended while it ran: out of memory (probable), 14.6 of 15.0 GB of RAM in use"."""
    said = UNKNOWN if verdict is None else _SAID.get(verdict.class_, UNKNOWN)
    before, colon, why = said.partition(": ")
    if not colon:
        before, colon, why = said.partition(", ")
    words = f"{before} while it {did(state)}{colon}{why}"
    if verdict is None:
        return words
    sure = " (probable)" if verdict.confidence == "probable" else ""
    memory = f", {_ram(verdict)}" if verdict.class_ in ("out of memory", "watchdog") and _ram(verdict) else ""
    return f"{words}{sure}{memory}"


def _ram(verdict: Verdict) -> str:
    last = verdict.chart[-1].vitals if verdict.chart else None
    if last is None or not last.ram_limit or last.ram_used is None:
        return ""
    return f"{last.ram_used / 1e9:.1f} of {last.ram_limit / 1e9:.1f} GB of RAM in use"
