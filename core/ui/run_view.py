"""Earlier runs on the Resources page: how the previous one ended, its last minutes, the history, safe mode, quarantine.

The verdicts are verdict.py's, the rules safemode.py's; decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from core.resources.breaker import Breaker
from core.resources.runs import PreviousRun
from core.resources.safemode import SafeMode
from core.ui.charts import last_minutes_chart
from core.ui.gauges import of_limit
from core.ui.live import draw_chart

ENDINGS = {
    "clean stop": "The previous run stopped cleanly.",
    "sleep": "The previous run ended because the Space fell asleep.",
    "watchdog": "The previous run was ended by the watchdog because RAM had nearly run out.",
    "disk full": "The previous run ended because the disk was full.",
    "storage eviction": "The previous run was ended from outside because it used more disk than it may.",
    "out of memory": "The previous run was killed by the kernel because the container ran out of memory.",
    "hung": "The previous run was ended because the app lived but did not answer any more.",
    "killed": "The previous run was killed from outside.",
    "native crash": "The previous run crashed in native code.",
    "crash": "The previous run ended with an error.",
    "unknown": "Nobody knows what ended the previous run.",
}


def previous(runs: Sequence[PreviousRun]) -> None:
    """How the newest of the runs that are over ended, with its evidence."""
    before = runs[0] if runs else None
    calm = before is None or not before.abnormal
    (st.info if calm else st.warning)(previous_in_words(before), icon=":material/history:")
    if before is not None:
        with st.expander("Evidence", icon=":material/search:", key="resources-evidence"):
            st.markdown("\n".join(f"- {sentence}" for sentence in before.evidence) or "There is none.")
            st.caption(times_in_words(before))


def last_minutes(before: PreviousRun) -> None:
    """The chart of the minutes before the end; nothing without a heartbeat."""
    if len(before.chart) < 2:
        return
    draw_chart(last_minutes_chart(before.chart), "resources-last-minutes")
    steps = dict.fromkeys(beat.phase for beat in before.chart if beat.phase)
    if steps:
        st.caption(f"Shaded: a risky step was under way ({', '.join(steps)}).")


def past(runs: Sequence[PreviousRun]) -> None:
    """The runs that are over, newest first; nothing while there is none."""
    if runs:
        st.dataframe(run_rows(runs), key="resources-runs", hide_index=True, height=min(300, 40 + 35 * len(runs)))


def safety(state: SafeMode, breaker: Breaker) -> None:
    """Safe mode and the quarantine, each with its way out; nothing while there is neither."""
    if state.quarantined:
        st.caption("In quarantine: these steps ended abnormally again and again. They are not begun by themselves.")
        st.dataframe(quarantine_rows(state), key="resources-quarantine", hide_index=True)
    if state.active:
        since = "" if state.since is None else f" since {moment(state.since)}"
        st.caption(f"Safe mode is on{since}: {state.reason}. Ten minutes of healthy running end it too.")
    if state.active or state.quarantined:
        label = "Leave safe mode and release all" if state.active else "Release all from quarantine"
        st.button(label, key="resources-release", icon=":material/lock_open:", on_click=_leave, args=(breaker,))


def previous_in_words(before: PreviousRun | None) -> str:
    """One or two sentences for the screen, the evidence apart."""
    if before is None:
        return "No earlier run is recorded here."
    story = ENDINGS.get(before.class_, f"The previous run ended: {before.class_}.")
    sure = "" if before.confidence == "none" else f" ({before.confidence})"
    return f"{story[:-1]}{sure}.{step_in_words(before)}{_last_in_words(before)}"


def step_in_words(run: PreviousRun) -> str:
    """' Under way was "engine" of case c1, a visitor's job.', or nothing."""
    if not run.phase:
        return ""
    case = f" of case {run.case}" if run.case else ""
    return f' Under way was "{run.phase}"{case}' + (f", {run.whom}." if run.whom else ".")


def _last_in_words(run: PreviousRun) -> str:
    """' It ended 2026-08-02 11:42:07 UTC.', and how full RAM was at last where the end was not normal."""
    ended = f" It ended {moment(run.ended_at)}." if run.ended_at else ""
    last = next((b.vitals for b in reversed(run.chart) if b.vitals.ram_used is not None and b.vitals.ram_limit), None)
    if not run.abnormal or last is None:
        return ended
    of = of_limit(last.ram_used or 0.0, last.ram_limit or 0.0, binary=True)
    seen = f", last seen {moment(run.last_sign)}" if not ended and run.last_sign is not None else ""
    return f"{ended} RAM was at {of}{seen}."


def times_in_words(run: PreviousRun) -> str:
    """When it started, and what was seen of it last."""
    if run.ended_at is not None:
        return f"Started {moment(run.started_at)}, ended {moment(run.ended_at)}."
    last = "" if run.last_sign is None else f", last sign {moment(run.last_sign)}"
    return f"Started {moment(run.started_at)}{last}; nobody saw the end."


def run_rows(runs: Sequence[PreviousRun]) -> list[dict[str, object]]:
    """Earlier runs for the table, newest first."""
    return [
        {
            "started": moment(run.started_at),
            "lasted": lasted(run),
            "ended by": run.class_,
            "sure": run.confidence,
            "step": run.phase or "",
            "case": run.case or "",
        }
        for run in runs
    ]


def quarantine_rows(state: SafeMode) -> list[dict[str, object]]:
    """What is held, for the table."""
    return [{"step": phase, "case": case or "any"} for phase, case in state.quarantined]


def lasted(run: PreviousRun) -> str:
    """ "3 h 20 min", as far as anything of the run was seen."""
    end = run.ended_at if run.ended_at is not None else run.last_sign
    return "–" if end is None else span(end - run.started_at)


def span(seconds: float) -> str:
    """A time in the two largest units: "4 s", "12 min", "3 h 20 min", "2 d 5 h"."""
    whole = max(0, round(min(seconds, 1e9)))
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def moment(seconds: float) -> str:
    """ "2026-08-02 11:42:07 UTC"."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "at an unreadable time"


def _leave(breaker: Breaker) -> None:
    breaker.leave()
