"""Live: the gauges, the charts and the processes on the Resources page, renewed every two seconds.

Fragments of their own: a tick neither reruns the page nor moves anything on it, and the drawing of a chart stays.
Measures and decides nothing.
"""

from __future__ import annotations

import time

import pyarrow as pa
import streamlit as st

from core.resources.guard import Guard
from core.resources.probe import Sampler
from core.resources.reading import Reading
from core.ui import guard_view
from core.ui.charts import Chart, disk_chart, memory_chart, network_chart, pressure_chart
from core.ui.gauges import (
    CSS,
    disk_gauge,
    disk_to_limit_s,
    gauge_html,
    gpu_gauge,
    memory_gauge,
    size,
    to_limit,
)

EVERY_S = 2.0
STALE_S = 10.0


@st.fragment(run_every=EVERY_S)
def gauges(sampler: Sampler, guard: Guard | None) -> None:
    """RAM, disk and GPUs against their limits, each with the time until it is reached."""
    reading = sampler.latest()
    ram_s = None if guard is None else guard.watchdog.status().to_limit_s
    drawn = [
        gauge_html(memory_gauge(reading.memory), details=True, below=to_limit(ram_s)),
        gauge_html(disk_gauge(reading.disk), details=True, below=to_limit(disk_to_limit_s(sampler.snapshot()))),
        *(gauge_html(gpu_gauge(gpu), details=True, below=_gpu_load(gpu.load_percent)) for gpu in reading.gpu),
    ]
    st.html(CSS)
    for column, one in zip(st.columns(len(drawn), gap="medium"), drawn, strict=True):
        column.html(f'<div class="scope-large">{one}</div>')
    age = time.time() - reading.at
    with st.container(key="resources-words"):
        st.caption(below_gauges(reading) + (f" · the readings stopped {age:.0f} s ago" if age > STALE_S else ""))


@st.fragment(run_every=EVERY_S)
def charts(sampler: Sampler) -> None:
    """The last ten minutes: RAM, disk, pressure, network."""
    history = sampler.snapshot()
    zoom = st.toggle(
        "Zoom to what is used",
        key="resources-zoom",
        help="The axes end above what is used, not at the limit. Shift and the wheel zoom into the time; "
        "a double click gives it back.",
    )
    drawn = {
        "memory": memory_chart(history, zoom=zoom),
        "disk": disk_chart(history, zoom=zoom),
        "pressure": pressure_chart(history),
        "network": network_chart(history),
    }
    names = list(drawn)
    with st.container(key="resources-charts"):
        for pair in (names[:2], names[2:]):
            for column, name in zip(st.columns(2, gap="medium"), pair, strict=True):
                with column:
                    draw_chart(drawn[name], f"resources-{name}")


def draw_chart(chart: Chart, key: str) -> None:
    """One chart; the browser keeps its drawing while its specification stays the same."""
    table = pa.table({name: list(column) for name, column in chart.columns.items()}, schema=_schema(chart))
    st.vega_lite_chart(table, dict(chart.spec), key=key, alt=chart.alt, width="stretch")


def _schema(chart: Chart) -> pa.Schema:
    """The same types from tick to tick, also where nothing is known."""
    return pa.schema([(name, pa.string() if name == "step" else pa.float64()) for name in chart.columns])


@st.fragment(run_every=EVERY_S)
def processes(sampler: Sampler) -> None:
    """This app's processes, and what they hold open."""
    reading = sampler.latest()
    st.dataframe(process_rows(reading), key="resources-processes", hide_index=True, height=180)
    if told := handles_in_words(reading):
        st.caption(told)
    st.caption("RSS counts shared pages in every process; the container’s own sum is the line in the chart.")


def process_rows(reading: Reading) -> list[dict[str, object]]:
    """The processes for the table."""
    return [
        {
            "process": row.role,
            "doing": row.doing or "–",
            "RSS MiB": round(row.rss_bytes / (1 << 20), 1),
            "CPU % of a core": None if row.cpu_percent is None else round(row.cpu_percent, 1),
            "pid": row.pid,
        }
        for row in reading.processes
    ]


def handles_in_words(reading: Reading) -> str:
    """Open files, threads, /dev/shm and files that are deleted but open."""
    parts = []
    if reading.handles is not None:
        most, limit = reading.handles.most_open, reading.handles.limit
        of = "" if most is None or limit is None else f" (at most {most} of {limit} in one process)"
        parts.append(f"{reading.handles.open_files} open files{of}, {reading.handles.threads} threads")
    if reading.shared is not None:
        parts.append(f"/dev/shm {size(reading.shared.used_bytes, binary=True)}, which is RAM")
    if reading.disk.deleted_bytes:
        parts.append(f"deleted but open: {size(reading.disk.deleted_bytes, binary=False)}")
    return " · ".join(parts)


def below_gauges(reading: Reading) -> str:
    """What else there is to know of RAM, CPU and disk."""
    memory, cpu = reading.memory, reading.cpu
    parts = []
    if memory.working_set_bytes is not None:
        parts.append(f"with active page cache {size(memory.working_set_bytes, binary=True)}")
    if memory.oom_kills:
        parts.append(f"the kernel has killed {memory.oom_kills} for memory so far")
    if memory.oom_group:
        parts.append("at the limit the kernel would kill everything at once (oom.group)")
    load = "–" if cpu.load_percent is None else f"{cpu.load_percent:.0f} %"
    parts.append(f"CPU {load} of {cpu.allowed:g} core{'' if cpu.allowed == 1 else 's'}")
    if reading.disk.cache_bytes is not None:
        parts.append(f"cache folder {size(reading.disk.cache_bytes, binary=False)}")
    if not reading.gpu:
        parts.append("no NVIDIA GPU")
    if pressed := guard_view.pressure_in_words(reading):
        parts.append(pressed)
    return " · ".join(parts)


def _gpu_load(percent: float | None) -> str:
    return "load –" if percent is None else f"load {percent:.0f} %"
