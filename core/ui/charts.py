"""Charts: the last minutes as plotly figures. Pure: a history of readings in, a figure out.

Neutral on light and dark (transparent, greys), the accent for what counts, amber and red only for the ladder's lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core.resources.memory import KILL, STOP_ADMITTING, WARN
from core.resources.reading import Reading
from core.ui.style import ACCENT, AMBER, RED

MINUTES = 10.0
ROLES = ("supervisor", "app", "worker", "other")
_GREYS = {"supervisor": 0.65, "app": 0.45, "worker": 0.30, "other": 0.18}  # opacity of one grey that suits both themes
_GREY = "138, 150, 158"
_GIB, _MIB = float(1 << 30), float(1 << 20)


def memory_chart(history: Sequence[Reading], *, zoom: bool = False) -> go.Figure:
    """RAM by process, stacked, what the container counts as used, and the lines at 70, 80 and 88 % of the limit.

    Args:
        history: oldest first; may be empty.
        zoom: the axis ends a little above what is used, not at the limit.
    """
    minutes = _minutes(history)
    limit = float(history[-1].memory.limit_bytes) if history else _GIB
    unit, name = (_GIB, "GiB") if limit >= _GIB else (_MIB, "MiB")
    figure = go.Figure()
    stacks = {role: [_role_bytes(reading, role) / unit for reading in history] for role in ROLES}
    for role, values in stacks.items():
        if any(values):
            figure.add_trace(_area(role, minutes, values, name))
    used = [reading.memory.used_bytes / unit for reading in history]
    figure.add_trace(_line("container, used", minutes, used, name, ACCENT))
    for share, colour, dash in ((WARN, AMBER, "dot"), (STOP_ADMITTING, AMBER, "dash"), (KILL, RED, "solid")):
        figure.add_hline(
            y=share * limit / unit,
            line={"color": colour, "dash": dash, "width": 1},
            annotation={"text": f"{share:.0%}", "font": {"size": 11}},
            annotation_position="right",
        )
    highest = max([sum(column) for column in zip(*stacks.values(), strict=True)] + used, default=0.0)
    top = 1.25 * highest if zoom and highest > 0 else max(limit / unit, 1.02 * highest)
    return _dressed(figure, f"RAM, {name}", top)


def cpu_chart(history: Sequence[Reading]) -> go.Figure:
    """CPU of the container, percent of what it may use; gaps where it is not known."""
    loads = [reading.cpu.load_percent for reading in history]
    figure = go.Figure(_line("CPU", _minutes(history), loads, "%", ACCENT))
    return _dressed(figure, "CPU, %", 100.0, height=150)


def _minutes(history: Sequence[Reading]) -> list[float]:
    """Minutes before the newest reading: 0 is now."""
    return [(reading.ticks - history[-1].ticks) / 60.0 for reading in history]


def _role_bytes(reading: Reading, role: str) -> int:
    named = ROLES[:-1]
    rows = (row for row in reading.processes if (row.role if row.role in named else "other") == role)
    return sum(row.rss_bytes for row in rows)


def _area(role: str, x: Sequence[float], y: Sequence[float], unit: str) -> go.Scatter:
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=role,
        mode="lines",
        stackgroup="processes",
        line={"width": 0.5, "color": f"rgba({_GREY}, 0.9)"},
        fillcolor=f"rgba({_GREY}, {_GREYS[role]})",
        hovertemplate=f"{role} %{{y:.2f}} {unit}<extra></extra>",
    )


def _line(name: str, x: Sequence[float], y: Sequence[float | None], unit: str, colour: str) -> go.Scatter:
    line = {"width": 2, "color": colour}
    hover = f"{name} %{{y:.2f}} {unit}<extra></extra>"
    return go.Scatter(x=list(x), y=list(y), name=name, mode="lines", line=line, hovertemplate=hover)


def _dressed(figure: go.Figure, title: str, top: float, height: int = 320) -> go.Figure:
    """Fixed axes and margins, so that nothing moves when data arrives."""
    grid = {"gridcolor": f"rgba({_GREY}, 0.22)", "zeroline": False}
    figure.update_layout(
        height=height,
        margin={"l": 55, "r": 45, "t": 10, "b": 25},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        uirevision="keep",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"range": [-MINUTES, 0], "ticksuffix": " min", "fixedrange": True, **grid},
        yaxis={"range": [0, top], "title": title, "fixedrange": True, "rangemode": "tozero", **grid},
    )
    return figure
