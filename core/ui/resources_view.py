"""Resources: what the container has and uses, live; how the previous run ended; cache, settings and a download.

Draws from what it is given; measures and decides nothing. The live parts are fragments of their own, so that a tick
neither reruns the page nor moves anything on it.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import streamlit as st

from core.hub.cache import Cache
from core.resources.guard import Guard
from core.resources.probe import Sampler
from core.resources.processes import supervised
from core.resources.reading import Reading
from core.resources.runs import PreviousRun, history, previous_run
from core.segmentation.kept import Results
from core.settings import Settings
from core.ui import cache_view, guard_view
from core.ui.charts import cpu_chart, memory_chart
from core.ui.diagnostics import diagnostics, settings_in_force
from core.ui.gauges import CSS, disk_gauge, gauge_html, memory_gauge, size

STALE_S = 10.0
_PLOTLY = {"displayModeBar": False}

_ENDINGS = {
    "clean stop": "The previous run stopped cleanly.",
    "sleep": "The previous run ended because the Space fell asleep.",
    "watchdog": "The previous run was ended by the watchdog because RAM had nearly run out.",
    "disk full": "The previous run ended because the disk was full.",
    "storage eviction": "The previous run was ended from outside because it used more disk than it may.",
    "out of memory": "The previous run was killed by the kernel because the container ran out of memory.",
    "killed": "The previous run was killed from outside.",
    "native crash": "The previous run crashed in native code.",
    "crash": "The previous run ended with an error.",
    "unknown": "Nobody knows what ended the previous run.",
}


def draw(settings: Settings, sampler: Sampler, cache: Cache, results: Results, guard: Guard | None = None) -> None:
    """Draw the whole page body; what the guard knows only where there is one."""
    gauges(sampler)
    chart, table = st.columns([3, 2], gap="large")
    with chart:
        charts(sampler)
    with table:
        processes(sampler)
    if guard is not None:
        _guard(guard)
    before = previous_run(settings.state_dir, persist_dir=settings.persist_dir)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Previous run")
        _previous(before)
        _history(settings)
        _supervisor()
        _settings(settings)
    with right:
        st.subheader("Cache")
        cache_view.draw(cache, results, sampler)
    _download(settings, sampler, before)


@st.fragment(run_every=2.0)
def gauges(sampler: Sampler) -> None:
    """RAM, disk and CPU against their limits."""
    reading = sampler.latest()
    age = time.time() - reading.at
    st.html(CSS)
    for column, gauge in zip(
        st.columns(2, gap="large"), (memory_gauge(reading.memory), disk_gauge(reading.disk)), strict=True
    ):
        column.html(f'<div class="scope-large">{gauge_html(gauge, details=True)}</div>')
    st.caption(_below_gauges(reading) + (f" · the readings stopped {age:.0f} s ago" if age > STALE_S else ""))
    if pressed := guard_view.pressure_in_words(reading):
        st.caption(pressed)


@st.fragment(run_every=6.0)
def charts(sampler: Sampler) -> None:
    """The last minutes. Streamlit mounts a changed plotly figure anew, so this renews itself more seldom: ten minutes
    wide, six seconds are 1 % of it, and a tooltip lives long enough to be read."""
    history = sampler.snapshot()
    zoom = st.toggle("Zoom to what is used", key="resources-zoom")
    st.plotly_chart(memory_chart(history, zoom=zoom), key="resources-memory", config=_PLOTLY)
    st.plotly_chart(cpu_chart(history), key="resources-cpu", config=_PLOTLY)


@st.fragment(run_every=2.0)
def processes(sampler: Sampler) -> None:
    """This app's processes and the GPUs."""
    reading = sampler.latest()
    st.dataframe(process_rows(reading), key="resources-processes", hide_index=True, height=180)
    for gpu in reading.gpu:
        load = "–" if gpu.load_percent is None else f"{gpu.load_percent:.0f} %"
        used, limit = size(gpu.used_bytes, binary=True), size(gpu.limit_bytes, binary=True)
        st.caption(f"GPU {gpu.name}: {used} of {limit}, load {load}")
    if not reading.gpu:
        st.caption("No NVIDIA GPU is visible.")
    st.caption("RSS counts shared pages in every process; the container's own sum is the line in the chart.")


def process_rows(reading: Reading) -> list[dict[str, object]]:
    """The processes for the table."""
    return [
        {
            "process": row.role,
            "pid": row.pid,
            "RSS MiB": round(row.rss_bytes / (1 << 20), 1),
            "CPU % of a core": None if row.cpu_percent is None else round(row.cpu_percent, 1),
        }
        for row in reading.processes
    ]


def _below_gauges(reading: Reading) -> str:
    memory, cpu = reading.memory, reading.cpu
    parts = []
    if memory.working_set_bytes is not None:
        parts.append(f"with active page cache {size(memory.working_set_bytes, binary=True)}")
    if memory.oom_group:
        parts.append("at the limit the kernel would kill everything at once (oom.group)")
    load = "–" if cpu.load_percent is None else f"{cpu.load_percent:.0f} %"
    parts.append(f"CPU {load} of {cpu.allowed:g} core{'' if cpu.allowed == 1 else 's'}")
    if reading.disk.cache_bytes is not None:
        parts.append(f"cache folder {size(reading.disk.cache_bytes, binary=False)}")
    return " · ".join(parts)


def previous_in_words(before: PreviousRun | None) -> str:
    """One or two sentences for the screen."""
    if before is None:
        return "No earlier run is recorded here."
    story = _ENDINGS.get(before.class_, f"The previous run ended: {before.class_}.")
    started = _moment(before.started_at)
    times = f"Started {started}, ended {_moment(before.ended_at)}." if before.ended_at else f"Started {started}."
    sure = "" if before.confidence == "none" else f" ({before.confidence})"
    step = (
        "" if not before.phase else f' Under way: "{before.phase}"' + (f" of case {before.case}" if before.case else "")
    )
    step += f", {before.whom}." if step and before.whom else "." if step else ""
    return f"{story[:-1]}{sure}.{step} {times} Evidence: {'; '.join(before.evidence)}."


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "at an unreadable time"


def _previous(before: PreviousRun | None) -> None:
    calm = before is None or before.class_ in ("clean stop", "sleep", "unknown")
    (st.info if calm else st.warning)(previous_in_words(before))


def _history(settings: Settings) -> None:
    runs = history(settings.state_dir, persist_dir=settings.persist_dir)
    if len(runs) > 1:
        with st.expander(f"The last {len(runs)} runs"):
            st.dataframe(guard_view.run_rows(runs, _moment), key="resources-runs", hide_index=True)


def _guard(guard: Guard) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Heavy steps")
        guard_view.line_and_watchdog(guard)
    with right:
        st.subheader("Predicted and real")
        guard_view.predicted_and_real(guard)


def _supervisor() -> None:
    if supervised():
        st.caption("The supervisor is there: it records how each run ends and starts the app again.")
    else:
        st.caption(
            "There is no supervisor: the app was started alone, so nobody records how this run ends. "
            "`python -m core serve` starts it with one."
        )


def _settings(settings: Settings) -> None:
    with st.expander("Settings in force"):
        rows = [{"variable": name, "value": value} for name, value in settings_in_force(settings).items()]
        st.dataframe(rows, key="resources-settings", hide_index=True)


def _download(settings: Settings, sampler: Sampler, before: PreviousRun | None) -> None:
    def content() -> str:
        return json.dumps(diagnostics(settings, sampler.snapshot(), before, supervised=supervised()), indent=1)

    st.download_button(
        "Download diagnostics (JSON)",
        content,
        file_name="strokescope-diagnostics.json",
        mime="application/json",
        help="RAM, disk, CPU and processes of the last ten minutes, versions, settings; no token, no case, no folder.",
        key="resources-diagnostics",
        on_click="ignore",
        icon=":material/download:",
    )
