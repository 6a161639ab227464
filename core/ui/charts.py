"""Charts: the last minutes as Vega-Lite charts. Pure: a history in, a `Chart` out.

The specification says nothing of the data: it stays the same from tick to tick, so the browser keeps what it has drawn.
Neutral on light and dark, the accent for what counts, amber and red only for the ladder's lines. Draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core.resources import disk, memory
from core.resources.beats import Beat
from core.resources.reading import Reading, network_rates
from core.ui.style import ACCENT, AMBER, RED

MINUTES = 10.0
HIGH, LOW = 230, 170  # pixels, legend included: RAM and disk, and what is only looked at in trouble
STEP_S = 2.0  # moments are told on this grid: a point that is pointed at is there again after the next tick
ROLES = ("app", "worker", "supervisor", "other")
PARTS = ("cache", "results", "uploads", "state", "logs", "tmp", "libraries")
CONTAINER, THE_REST = "container, used", "not ours"
WAITED, STALLED, CPU, THROTTLED = "waited for RAM", "all waited for RAM", "CPU", "CPU held back"
RECEIVED, SENT = "in", "out"
_AREAS = ("#5f9bc4", "#9a83c2", "#6f7f88", "#b3aa94", "#c08fae", "#86a9a5", "#7d8fb3", "#a9b4ba")
_LINES = (ACCENT, "#9a83c2", "#5f9bc4", "#c2a26a")
_GREY = "#8a969e"
_GIB, _MIB, _GB, _MB = float(1 << 30), float(1 << 20), 1e9, 1e6
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
_KNOWN = {"filter": "isValid(datum.value)"}  # an area cannot have gaps
_ONE = {"sequence": {"start": 0, "stop": 1, "as": "one"}}  # data of one row, for what is drawn once
_LEGEND = {"orient": "bottom", "columns": 3, "labelFontSize": 11, "rowPadding": 1, "symbolSize": 60, "offset": 4,
           "padding": 0}  # fmt: skip
Column = Sequence[float | str | None]
Rule = tuple[float, str, str]  # share of the limit, colour, words


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        spec: Vega-Lite without data. columns: the data, one list of the same length each; "ago" is minutes before now.
        alt: what it shows, for screen readers; the same from tick to tick, as the specification.
    """

    spec: Mapping[str, Any]
    columns: Mapping[str, Column]
    alt: str


def memory_chart(history: Sequence[Reading], *, zoom: bool = False) -> Chart:
    """RAM by process, stacked, what the container counts as used, and the lines at 70, 80 and 88 % of the limit.

    Args:
        history: oldest first; may be empty.
        zoom: the axis ends above what is used, not at the limit.
    """
    history = on_grid(history)
    limit = float(history[-1].memory.limit_bytes) if history else _GIB
    unit, name = (_GIB, "GiB") if limit >= _GIB else (_MIB, "MiB")
    columns: dict[str, Column] = {"ago": _ago([reading.ticks for reading in history])}
    roles = [_bytes_by_role(reading) for reading in history]
    columns |= {role: [sizes.get(role, 0) / unit for sizes in roles] for role in ROLES}
    columns[CONTAINER] = [reading.memory.used_bytes / unit for reading in history]
    rules = () if zoom else _rules((memory.WARN, memory.STOP_ADMITTING, memory.KILL))
    spec = _spec(f"RAM by process, {name}", ROLES, (CONTAINER,), None if zoom else limit / unit, rules)
    return Chart(spec, columns, "RAM of each process over the last ten minutes, against the container's limit")


def disk_chart(history: Sequence[Reading], *, zoom: bool = False) -> Chart:
    """Disk by what it is for, stacked, and the lines at 70, 80 and 90 % of the limit.

    Args:
        zoom: only what is ours, without the limit and what others wrote on the same disk.
    """
    history = on_grid(history)
    limit = float(history[-1].disk.limit_bytes) if history else _GB
    unit, name = (_MB, "MB") if zoom or limit < _GB else (_GB, "GB")
    columns: dict[str, Column] = {"ago": _ago([reading.ticks for reading in history])}
    parts = [None if reading.disk.used_bytes is None else dict(reading.disk.parts) for reading in history]
    for part in PARTS:
        columns[part] = [None if known is None else known.get(part, 0) / unit for known in parts]
    if not zoom:
        columns[THE_REST] = [_not_ours(reading, unit) for reading in history]
    shown = tuple(part for part in columns if part != "ago")
    rules = () if zoom else _rules((disk.WARN, disk.EVICT, disk.REFUSE))
    spec = _spec(f"Disk by use, {name}", shown, (), None if zoom else limit / unit, rules)
    return Chart(spec, columns, "Disk by what it is for over the last ten minutes, against the limit")


def pressure_chart(history: Sequence[Reading]) -> Chart:
    """Shares of time, percent: work that waited for RAM, CPU, and CPU that the quota held back; gaps where unknown."""
    history = on_grid(history)
    columns: dict[str, Column] = {
        "ago": _ago([reading.ticks for reading in history]),
        CPU: [reading.cpu.load_percent for reading in history],
        THROTTLED: [reading.cpu.throttled_percent for reading in history],
        WAITED: [None if reading.pressure is None else reading.pressure.some10 for reading in history],
        STALLED: [None if reading.pressure is None else reading.pressure.full10 for reading in history],
    }
    spec = _spec("Pressure, % of the time", (), (CPU, THROTTLED, WAITED, STALLED), 100.0, height=LOW)
    return Chart(spec, columns, "CPU, and the time that work waited for RAM, over the last ten minutes")


def network_chart(history: Sequence[Reading]) -> Chart:
    """Bytes per second in and out, MB/s; gaps where they are not counted."""
    history = on_grid(history)
    rates = [None, *(network_rates(now, before) for before, now in pairwise(history))][: len(history)]
    columns: dict[str, Column] = {
        "ago": _ago([reading.ticks for reading in history]),
        RECEIVED: [None if rate is None else rate[0] / _MB for rate in rates],
        SENT: [None if rate is None else rate[1] / _MB for rate in rates],
    }
    spec = _spec("Network, MB/s", (), (RECEIVED, SENT), None, least=0.1, height=LOW)
    return Chart(spec, columns, "Network in and out over the last ten minutes")


def last_minutes_chart(beats: Sequence[Beat]) -> Chart:
    """RAM and disk before a run's end, % of their limits; the time in which a risky step was under way is shaded."""
    told = sorted((b for b in beats if b.vitals.ram is not None or b.vitals.disk is not None), key=lambda beat: beat.at)
    end = told[-1].at if told else 0.0
    ago: Column = [(beat.at - end) / 60.0 for beat in told]
    columns: dict[str, Column] = {
        "ago": ago,
        "until": [*ago[1:], 0.0][: len(ago)],
        "step": [beat.phase for beat in told],
        "RAM": [_percent(beat.vitals.ram) for beat in told],
        "disk": [_percent(beat.vitals.disk) for beat in told],
    }
    rules = ((memory.WARN, AMBER, "70 %"), (memory.KILL, RED, "88 %"))
    spec = _spec("RAM and disk before the end, % of their limits", (), ("RAM", "disk"), 100.0, rules, now="end")
    spec["layer"] = [_shade(), *spec["layer"]]
    return Chart(spec, columns, "RAM and disk in the last minutes of the previous run")


def _spec(
    title: str,
    areas: Sequence[str],
    lines: Sequence[str],
    top: float | None,
    rules: Sequence[Rule] = (),
    *,
    least: float = 0.0,
    now: str = "now",
    height: int = HIGH,
) -> dict[str, Any]:
    """Fixed axes and margins, so that nothing moves when data arrives; without `top` the axis follows the data."""
    layers = _series(areas, lines, top, now)
    for number, (share, colour, words) in enumerate(rules):
        layers += _rule_layers(share * (top or 1.0), colour, words, 2 + 38 * number)
    if least:
        layers.append({"data": _ONE, "mark": {"type": "rule", "opacity": 0}, "encoding": {"y": {"datum": least}}})
    return {
        "height": height,
        "title": {"text": title, "anchor": "start", "fontSize": 13, "fontWeight": 600, "offset": 8},
        "layer": [*layers, _pointer((*areas, *lines), now)],
        "config": {"view": {"stroke": None}, "legend": _LEGEND},
    }


def _series(areas: Sequence[str], lines: Sequence[str], top: float | None, now: str) -> list[dict[str, Any]]:
    """What is drawn of the data: areas on each other, lines over them."""
    named = (*areas, *lines)
    scale: dict[str, Any] = {"zero": True} if top is None else {"domain": [0, top], "nice": False}
    series = {"field": "series", "type": "nominal", "title": None}
    colours = {"domain": named, "range": [*_AREAS[: len(areas)], *_LINES[: len(lines)]]}
    dashes = {"domain": named, "range": [*[[1, 0]] * len(areas), *_DASHES[: len(lines)]]}
    axis = {"tickCount": 4, "minExtent": 30, "maxExtent": 30}
    y = {"field": "value", "type": "quantitative", "title": None, "scale": scale, "axis": axis}
    drawn = {"x": _time_axis(now), "y": y | {"stack": None}, "color": series | {"scale": colours}}
    layers: list[dict[str, Any]] = []
    if areas:
        stacked = drawn | {"y": y | {"stack": "zero"}, "order": {"field": "series"}}
        mark = {"type": "area", "opacity": 0.75, "clip": True}
        layers.append(_folded(areas, known=True) | {"mark": mark, "encoding": stacked})
    if lines:
        dashed = drawn | {"strokeDash": series | {"scale": dashes}}
        layers.append(_folded(lines) | {"mark": {"type": "line", "strokeWidth": 2, "clip": True}, "encoding": dashed})
    return layers


def _folded(names: Sequence[str], *, known: bool = False) -> dict[str, Any]:
    return {"transform": [{"fold": list(names), "as": ["series", "value"]}, *([_KNOWN] if known else [])]}


def _time_axis(now: str) -> dict[str, Any]:
    words = f"datum.value == 0 ? '{now}' : format(datum.value, '~r') + ' min'"
    return {
        "field": "ago",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [-MINUTES, 0], "nice": False},
        "axis": {"labelExpr": words, "tickCount": 5, "grid": False, "labelFlush": True},
    }


def _rule_layers(at: float, colour: str, words: str, left: int) -> list[dict[str, Any]]:
    """One of the ladder's lines with its per cent, so many pixels from the left."""
    line = {"type": "rule", "strokeDash": [4, 3], "color": colour}
    text = {"type": "text", "align": "left", "baseline": "bottom", "dx": left, "fontSize": 10, "color": colour}
    across = {"x": {"value": 0}, "y": {"datum": at}}
    return [
        {"data": _ONE, "mark": line, "encoding": across | {"x2": {"value": "width"}}},
        {"data": _ONE, "mark": text, "encoding": across | {"text": {"value": words}}},
    ]


def _shade() -> dict[str, Any]:
    """The time of risky steps, each named when pointed at."""
    at = {"field": "ago", "type": "quantitative"}
    return {
        "transform": [{"filter": "datum.step != ''"}],
        "mark": {"type": "rect", "color": _GREY, "opacity": 0.3, "clip": True},
        "encoding": {"x": at, "x2": {"field": "until"}, "tooltip": [{"field": "step", "title": "step"}]},
    }


def _pointer(named: Sequence[str], now: str) -> dict[str, Any]:
    """A line at the moment that is pointed at, with all its numbers; Shift and the wheel zoom into the time."""
    shown = [{"field": name, "type": "quantitative", "format": ".3~r", "title": name} for name in named]
    ago = {"field": "ago", "type": "quantitative", "format": ".2f", "title": "minutes"}
    seen = {"condition": {"param": "pointed", "value": 0.6, "empty": False}, "value": 0}
    moment = {"type": "point", "fields": ["ago"], "nearest": True, "on": "pointerover", "clear": "pointerout"}
    span = {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]", "translate": False}
    return {
        "params": [{"name": "pointed", "select": moment}, {"name": "span", "select": span, "bind": "scales"}],
        "mark": {"type": "rule", "color": _GREY},
        "encoding": {"x": _time_axis(now), "opacity": seen, "tooltip": [ago, *shown]},
    }


def _rules(shares: tuple[float, float, float]) -> tuple[Rule, ...]:
    return tuple((s, c, f"{s:.0%}".replace("%", " %")) for s, c in zip(shares, (AMBER, AMBER, RED), strict=True))


def on_grid(history: Sequence[Reading]) -> list[Reading]:
    """The history with one reading a moment at most: areas of two would stand on each other."""
    at = {round((reading.ticks - history[-1].ticks) / STEP_S): reading for reading in history}
    return [at[moment] for moment in sorted(at)]


def _ago(ticks: Sequence[float]) -> Column:
    """Minutes before the newest moment, on the grid: 0 is now."""
    return [round((tick - ticks[-1]) / STEP_S) * STEP_S / 60.0 for tick in ticks]


def _bytes_by_role(reading: Reading) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for row in reading.processes:
        role = row.role if row.role in ROLES else "other"
        sizes[role] = sizes.get(role, 0) + row.rss_bytes
    return sizes


def _not_ours(reading: Reading, unit: float) -> float | None:
    used = reading.disk.used_bytes
    return None if used is None else max(0, used - sum(size for _, size in reading.disk.parts)) / unit


def _percent(part: float | None) -> float | None:
    return None if part is None or not math.isfinite(part) else 100.0 * part
