"""Metrics: the container and the app as OpenMetrics text, for scrapers. Pure; asks nobody.

Sizes are bytes. Labels are words of ours: no case, no folder, no person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.resources.beats import Vitals
from core.resources.processes import ProcessRow

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PREFIX = "strokescope_"


@dataclass(frozen=True)
class Metric:
    """One family: `kind` is "gauge" or "counter"; samples are (labels, value), a value of None is left out."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[Mapping[str, str], float | None], ...]


def gauge(name: str, help_: str, value: float | None) -> Metric:
    """A single value that goes up and down."""
    return Metric(name, "gauge", help_, (({}, value),))


def counter(name: str, help_: str, value: float | None) -> Metric:
    """A single value that only grows; its name without "_total"."""
    return Metric(name, "counter", help_, (({}, value),))


def of_container(vitals: Vitals) -> tuple[Metric, ...]:
    """RAM, disk and pressure."""
    return (
        gauge("memory_used_bytes", "RAM that the kernel cannot take back.", vitals.ram_used),
        gauge("memory_limit_bytes", "Smallest RAM limit that holds here.", vitals.ram_limit),
        gauge("memory_working_set_bytes", "RAM in use, with active page cache.", vitals.working_set),
        gauge("memory_pressure_percent", "Time that work waited for RAM, ten seconds' average.", vitals.psi),
        gauge("disk_used_bytes", "Disk that is gone of the limit.", vitals.disk_used),
        gauge("disk_limit_bytes", "Smallest disk limit that holds here.", vitals.disk_limit),
        counter("oom_kills", "Processes that the kernel has killed for memory.", vitals.oom_kills),
    )


def of_processes(rows: Sequence[ProcessRow]) -> tuple[Metric, ...]:
    """How many processes of each role there are, and their resident memory."""
    roles = sorted({row.role for row in rows if row.role in ("supervisor", "app", "worker", "command")})
    counts = tuple(({"role": role}, float(sum(row.role == role for row in rows))) for role in roles)
    sizes = tuple(({"role": role}, float(sum(row.rss_bytes for row in rows if row.role == role))) for role in roles)
    return (
        Metric("processes", "gauge", "Processes of this app by role.", counts),
        Metric("process_resident_bytes", "gauge", "Resident memory by role; shared pages in each.", sizes),
        gauge("workers", "Worker processes.", float(sum(row.role == "worker" for row in rows))),
    )


def of_guard(positions: Sequence[int], ram: int, disk: int, to_limit_s: float | None) -> tuple[Metric, ...]:
    """The queue and the watchdog.

    Args:
        positions: of every step in the queue; 0 runs.
        ram, disk: rungs of the watchdog's ladder.
    """
    running = sum(position == 0 for position in positions)
    return (
        gauge("steps_running", "Expensive steps that run.", float(running)),
        gauge("steps_waiting", "Expensive steps that wait their turn.", float(len(positions) - running)),
        Metric(
            "watchdog_rung",
            "gauge",
            "Rung of the watchdog's ladder, 0 is calm.",
            (({"of": "ram"}, float(ram)), ({"of": "disk"}, float(disk))),
        ),
        gauge("memory_runs_out_seconds", "Until RAM runs out at the present rate.", to_limit_s),
    )


def render(metrics: Iterable[Metric]) -> str:
    """The text of an answer, with its end mark."""
    lines = []
    for metric in metrics:
        name, suffix = PREFIX + metric.name, "_total" if metric.kind == "counter" else ""
        known = [(labels, value) for labels, value in metric.samples if value is not None and math.isfinite(value)]
        if known:
            lines += [f"# TYPE {name} {metric.kind}", f"# HELP {name} {_escaped(metric.help)}"]
            lines += [f"{name}{suffix}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
