"""Gauges: RAM and disk against their limits, as one line of text, a bar and a word. Pure; draws nothing.

RAM is told in binary units, as limits are set; disk in decimal ones, as disks and Space tiers are sold, unless a person
set the limit.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

from core.resources import disk as disk_ladder
from core.resources import memory as memory_ladder
from core.resources.disk import DiskReading
from core.resources.memory import MemoryReading
from core.ui.style import AMBER, RED

Level = Literal["calm", "high", "critical"]
_UNITS = {True: (1024.0, ("KiB", "MiB", "GiB", "TiB")), False: (1000.0, ("kB", "MB", "GB", "TB"))}

CSS = f"""
<style>
.scope-gauges {{ display: flex; flex-wrap: wrap; gap: 0.15rem 1.1rem; justify-content: flex-end; font-size: 0.82rem;
  font-variant-numeric: tabular-nums; }}
.scope-gauge {{ display: inline-flex; align-items: center; gap: 0.45rem; white-space: nowrap; }}
.scope-bar-track {{ width: 4.5rem; height: 0.5rem; border-radius: 0.25rem; overflow: hidden;
  background: color-mix(in srgb, currentColor 16%, transparent); }}
.scope-bar-track i {{ display: block; height: 100%; background: color-mix(in srgb, currentColor 55%, transparent); }}
.scope-gauge.high .scope-bar-track i {{ background: {AMBER}; }}
.scope-gauge.critical .scope-bar-track i {{ background: {RED}; }}
.scope-gauge.high b, .scope-gauge.critical b {{ padding: 0 0.35rem; border-radius: 0.25rem; color: #14181b; }}
.scope-gauge.high b {{ background: {AMBER}; }}
.scope-gauge.critical b {{ background: {RED}; }}
.scope-large .scope-gauge {{ display: grid; grid-template-columns: auto 1fr; gap: 0.2rem 0.8rem; font-size: 1rem;
  white-space: normal; }}
.scope-large .scope-bar-track {{ width: 100%; height: 0.8rem; grid-column: 1 / -1; }}
</style>
"""


@dataclass(frozen=True)
class Gauge:
    """One limit on screen.

    Attributes:
        name: "RAM" or "Disk".
        text: e.g. "2.10 of 15.0 GiB".
        source: whose limit it is.
        fraction: of the limit; None while it is being measured.
        level: which step of the ladder it has reached.
    """

    name: str
    text: str
    source: str
    fraction: float | None
    level: Level

    @property
    def percent(self) -> str:
        return "–" if self.fraction is None else f"{100 * self.fraction:.0f} %"


def memory_gauge(memory: MemoryReading) -> Gauge:
    """RAM that cannot be given back, of the container's limit."""
    level = _level(memory.fraction, memory_ladder.WARN, memory_ladder.KILL)
    text = of_limit(memory.used_bytes, memory.limit_bytes, binary=True)
    return Gauge("RAM", text, memory.limit_source, memory.fraction, level)


def disk_gauge(disk: DiskReading) -> Gauge:
    """Disk that is gone, of the container's limit; says so when the file system itself has less left than the limit."""
    binary = disk.limit_source.startswith("STROKESCOPE")
    if disk.used_bytes is None:
        text = f"measuring, of {size(disk.limit_bytes, binary=binary)}"
        return Gauge("Disk", text, disk.limit_source, None, "calm")
    text = of_limit(disk.used_bytes, disk.limit_bytes, binary=binary)
    if disk.free_bytes < 0.95 * (disk.limit_bytes - disk.used_bytes):
        text += f", only {size(disk.free_bytes, binary=binary)} free"
    level = _level(disk.fraction, disk_ladder.WARN, disk_ladder.REFUSE)
    return Gauge("Disk", text, disk.limit_source, disk.fraction, level)


def gauge_html(gauge: Gauge, *, details: bool = False) -> str:
    """The gauge as HTML; `details` adds the use and whose limit it is. Never colour alone: the word is there too."""
    width = 0.0 if gauge.fraction is None else min(100.0, 100.0 * gauge.fraction)
    word = "" if gauge.level == "calm" else f" <b>{gauge.level}</b>"
    full = html.escape(f"{gauge.text} ({gauge.source})")
    shown = f"<span>{full} · {gauge.percent}{word}</span>" if details else f"<span>{gauge.percent}{word}</span>"
    return (
        f'<span class="scope-gauge {gauge.level}" title="{gauge.name} {full}"><span>{gauge.name}</span>'
        + (shown if details else "")
        + f'<span class="scope-bar-track" role="img" aria-label="{gauge.name} {gauge.percent}">'
        + f'<i style="width:{width:.1f}%"></i></span>'
        + ("" if details else shown)
        + "</span>"
    )


def size(count: float, *, binary: bool) -> str:
    """ "2.10 GiB" or "61.0 MB"."""
    value, unit = _scaled(count, binary)
    return f"{_digits(value)} {unit}"


def of_limit(used: float, limit: float, *, binary: bool) -> str:
    """ "2.10 of 15.0 GiB"; the limit's unit serves both unless that would hide the use."""
    step, _ = _UNITS[binary]
    value, unit = _scaled(limit, binary)
    if used * 100 < limit and used > 0:
        return f"{size(used, binary=binary)} of {_digits(value)} {unit}"
    divisor = step ** (1 + _UNITS[binary][1].index(unit))
    return f"{_digits(used / divisor)} of {_digits(value)} {unit}"


def _scaled(count: float, binary: bool) -> tuple[float, str]:
    step, names = _UNITS[binary]
    value = count / step
    for name in names[:-1]:
        if value < step:
            return value, name
        value /= step
    return value, names[-1]


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _level(fraction: float, high: float, critical: float) -> Level:
    return "critical" if fraction >= critical else "high" if fraction >= high else "calm"
