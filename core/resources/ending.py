"""Ending: what the return code of a process says about how it ended. Pure; knows no record."""

from __future__ import annotations

import signal
from dataclasses import dataclass

CLEAN_CODES = frozenset({0, 130, 143})  # exit, SIGINT and SIGTERM as Streamlit answers them (facts, spaces)
CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
CLASSES = (
    "clean stop", "sleep", "out of memory", "watchdog", "disk full", "storage eviction", "native crash", "crash",
    "hung", "killed", "unknown",
)  # fmt: skip
NORMAL = frozenset({"clean stop", "sleep"})  # every other end counts against the run (safemode.py)


@dataclass(frozen=True)
class Ending:
    """How a run ended: one of CLASSES, "confirmed", "probable" or "none" as confidence, and what says so."""

    class_: str
    confidence: str
    evidence: tuple[str, ...]


def judge(
    returncode: int,
    *,
    asked: bool = False,
    forced: bool = False,
    oom_kills: int | None = None,
    hung_s: float | None = None,
) -> Ending:
    """What a return code says.

    Args:
        returncode: as subprocess gives it, negative for a signal.
        asked: we told the process to stop.
        forced: it did not, and was killed by us.
        oom_kills: kernel kills for memory seen in the container during the run; None when nobody could count.
        hung_s: so long it had not answered when we ended it for that; None when we did not.
    """
    by = f"return code {returncode}" if returncode >= 0 else f"ended by {signal_name(-returncode)}"
    if hung_s is not None:
        return Ending("hung", "confirmed", (f"it lived but had not answered for {hung_s:.0f} s", by))
    if forced:
        return Ending("clean stop", "confirmed", ("asked to stop", "it took too long and the supervisor killed it"))
    if returncode in CLEAN_CODES or (asked and returncode in (-signal.SIGTERM, -signal.SIGINT)):
        return Ending("clean stop", "confirmed", (by,))
    if returncode == -signal.SIGKILL and oom_kills:
        return Ending("out of memory", "confirmed", (by, f"the kernel counted {oom_kills} kill(s) for memory"))
    if returncode == -signal.SIGKILL:
        counted = "no kill for memory was counted" if oom_kills == 0 else "kills for memory could not be counted"
        return Ending("killed", "confirmed", (by, counted))
    if -returncode in CRASHES:
        return Ending("native crash", "confirmed", (by,))
    return Ending("killed" if returncode < 0 else "crash", "confirmed", (by,))


def signal_name(number: int) -> str:
    """ "SIGKILL" for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
