"""Resources: what the container has and uses, live; how the runs before ended; the line, cache, settings, a download.

Lays out what other modules draw, what matters first at the top: gauges, an abnormal end, charts, then the rest.
Measures and decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from core.hub.cache import Cache
from core.resources.breaker import Breaker
from core.resources.guard import Guard
from core.resources.probe import Sampler
from core.resources.processes import supervised
from core.resources.record import read_record
from core.resources.runs import PreviousRun
from core.resources.safemode import OFF
from core.segmentation.kept import Results
from core.settings import Settings
from core.ui import cache_view, guard_view, live, record_view, run_view
from core.ui.diagnostics import diagnostics, facts_of, settings_in_force
from core.ui.past import Past, read_past


@dataclass(frozen=True)
class World:
    """What the page shows beside the readings; each part only where there is one.

    Attributes:
        sessions: how many are open.
        calculator: draws "what would this cost?".
        past: how the last runs ended and the last transitions; read from the record where nobody gives them.
        jobs: draws what segmentations run and wait.
    """

    guard: Guard | None = None
    breaker: Breaker | None = None
    sessions: Callable[[], int] | None = None
    calculator: Callable[[], None] | None = None
    past: Callable[[], Past] | None = None
    jobs: Callable[[], None] | None = None


NOTHING = World()


def draw(settings: Settings, sampler: Sampler, cache: Cache, results: Results, world: World = NOTHING) -> None:
    """Draw the whole page body."""
    past = world.past() if world.past is not None else read_past(settings.state_dir)
    runs = past.runs
    abnormal = bool(runs) and runs[0].abnormal
    with st.container(key="resources-page"):
        live.gauges(sampler, world.guard)
        _trouble(runs, abnormal, world.breaker)
        live.charts(sampler)
        left, right = st.columns(2, gap="large")
        with left:
            if world.guard is not None:
                _work(world.guard, world.jobs)
            _runs(past, abnormal, world)
        with right:
            st.subheader("Processes")
            live.processes(sampler)
            if world.calculator is not None:
                st.subheader("What would this cost?")
                world.calculator()
            st.subheader("Cache")
            cache_view.draw(cache, results, sampler)
        _settings(settings)
        _download(settings, sampler, runs, world)


def _trouble(runs: Sequence[PreviousRun], abnormal: bool, breaker: Breaker | None) -> None:
    """An abnormal end beside its last minutes, safe mode and the quarantine; nothing when all is well."""
    left, right = st.columns([2, 3], gap="medium") if abnormal else (st.container(), st.container())
    with left:
        if abnormal:
            run_view.previous(runs)
        if breaker is not None:
            run_view.safety(breaker.state(), breaker)
    with right:
        if abnormal:
            run_view.last_minutes(runs[0])


def _work(guard: Guard, jobs: Callable[[], None] | None) -> None:
    """What runs and waits, and what was predicted."""
    st.subheader("Heavy steps")
    guard_view.line_and_watchdog(guard)
    if jobs is not None:
        jobs()
    with st.expander("Predicted and real", icon=":material/compare_arrows:", key="resources-predicted"):
        guard_view.predicted_and_real(guard)


def _runs(past: Past, abnormal: bool, world: World) -> None:
    """The runs before this one and the record; the newest is told at the top when it ended abnormally."""
    st.subheader("Earlier runs" if abnormal else "Previous run")
    if not abnormal:
        run_view.previous(past.runs)
    run_view.past(past.runs)
    with st.expander("Flight record", icon=":material/flight:", key="resources-record-box"):
        record_view.table(past.events)
    _this_run(world)


def _this_run(world: World) -> None:
    parts = []
    if world.sessions is not None:
        count = world.sessions()
        parts.append(f"{count} session{'' if count == 1 else 's'} open now")
    if supervised():
        parts.append("the supervisor is there: it records how each run ends and starts the app again")
    else:
        parts.append(
            "there is no supervisor: the app was started alone, so nobody starts it again. "
            "`python -m core serve` starts it with one"
        )
    told = ". ".join(part[:1].upper() + part[1:] for part in parts)
    st.caption(f"{told}.")


def _settings(settings: Settings) -> None:
    with st.expander("Settings in force", icon=":material/tune:", key="resources-settings-box"):
        rows = [{"variable": name, "value": value} for name, value in settings_in_force(settings).items()]
        st.dataframe(rows, key="resources-settings", hide_index=True)


def report(settings: Settings, sampler: Sampler, runs: Sequence[PreviousRun], world: World) -> str:
    """The diagnostics file as it is now."""
    found = diagnostics(
        settings,
        sampler.snapshot(),
        runs,
        supervised=supervised(),
        sessions=world.sessions() if world.sessions is not None else None,
        safe=world.breaker.state() if world.breaker is not None else OFF,
        guard=facts_of(world.guard) if world.guard is not None else None,
        events=read_record(settings.state_dir).events,
    )
    return json.dumps(found, indent=1, allow_nan=False)


def _download(settings: Settings, sampler: Sampler, runs: Sequence[PreviousRun], world: World) -> None:
    st.download_button(
        "Download diagnostics (JSON)",
        lambda: report(settings, sampler, runs, world),
        file_name="strokescope-diagnostics.json",
        mime="application/json",
        help="RAM, disk, CPU and processes of the last ten minutes, the queue, the flight record, versions, settings; "
        "no token, no folder, no file name; cases that are not public by a word that hides them.",
        key="resources-diagnostics",
        on_click="ignore",
        icon=":material/download:",
    )
