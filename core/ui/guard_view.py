"""The guard on the Resources page: the watchdog, what runs and waits, predicted against real, pressure.

Draws from what it is given; decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from statistics import median

import streamlit as st

from core.resources.admission import Place
from core.resources.guard import Guard, ordinal
from core.resources.ledger import Entry, factor_of
from core.resources.reading import Reading
from core.resources.watchdog import Status
from core.resources.watched import killed_error

RUNGS = ("", "RAM is high", "RAM is short: no step may begin", "RAM is nearly gone", "RAM is gone")
DISK_RUNGS = (
    "",
    "the disk is rather full",
    "the disk is nearly full: what can be spared is removed",
    "the disk is full: nothing that writes may begin",
)


@st.fragment(run_every=2.0)
def line_and_watchdog(guard: Guard) -> None:
    """What runs and what waits, and how the watchdog sees it."""
    rows = place_rows(guard.admission.places(), time.monotonic())
    with st.container(key="resources-line-box"):  # as high with a few steps as with none
        st.caption(watchdog_in_words(guard.watchdog.status()))
        if rows:
            st.dataframe(rows, key="resources-line", hide_index=True, height=145)
        else:
            st.caption("No heavy step runs or waits.")


def predicted_and_real(guard: Guard) -> None:
    """What steps were predicted to need and what they took."""
    rows = ledger_rows(guard.ledger.entries())
    if rows:
        st.dataframe(rows, key="resources-ledger", hide_index=True)
    else:
        st.caption("No heavy step has been measured yet.")


def line_in_words(places: Iterable[Place]) -> str:
    """ "1 running, 2 wait", or nothing while nothing is held up."""
    found = list(places)
    running = sum(place.position == 0 for place in found)
    parts = [f"{running} running"] if running else []
    waiting = len(found) - running
    return ", ".join([*parts, *([f"{waiting} wait{'s' if waiting == 1 else ''}"] if waiting else [])])


def place_rows(places: Iterable[Place], now: float) -> list[dict[str, object]]:
    """The steps for the table; nobody's name and no case, as all sessions see it."""
    return [
        {
            "step": place.what,
            "place": "running" if place.position == 0 else f"{ordinal(place.position)} in line",
            "predicted MB": round(place.memory_mb),
            "seconds": round(max(0.0, now - place.since)),
            "waits because": place.why,
        }
        for place in places
    ]


def ledger_rows(entries: Iterable[Entry]) -> list[dict[str, object]]:
    """One row for each kind of step, medians of the last ones."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry)
    return [
        {
            "step": kind,
            "times": len(found),
            "predicted MB": round(median(entry.predicted_mb for entry in found)),
            "used MB": round(median(entry.used_mb for entry in found)),
            "factor": round(factor_of([entry.ratio for entry in found]), 2),
        }
        for kind, found in sorted(kinds.items())
    ]


def watchdog_in_words(status: Status) -> str:
    """How things stand, and what the watchdog last did."""
    rungs = (RUNGS[min(status.ram, len(RUNGS) - 1)], DISK_RUNGS[min(status.disk, len(DISK_RUNGS) - 1)])
    parts = [f"Watchdog: {', '.join(rung for rung in rungs if rung) or 'calm'}"]
    if not status.sees:
        parts.append("RAM cannot be read now, so nothing is watched")
    if status.to_limit_s is not None:
        parts.append(f"RAM runs out in {status.to_limit_s:.0f} s at this rate")
    if status.workers:
        parts.append(f"watches {', '.join(status.workers)}")
    if status.last_kill is not None:
        parts.append(f"last kill: {killed_error('a job', status.last_kill)}")
    return " · ".join(parts)


def pressure_in_words(reading: Reading) -> str:
    """How hard the container is pressed, beyond its gauges."""
    parts: list[str] = []
    if reading.pressure is not None:
        some, full = reading.pressure.some10, reading.pressure.full10
        parts.append(f"waited for memory in the last 10 s: {some:.0f} % (all at once {full:.0f} %)")
    if reading.cpu.throttled_percent is not None:
        parts.append(f"CPU throttled in {reading.cpu.throttled_percent:.0f} % of its periods")
    return " · ".join(parts)
