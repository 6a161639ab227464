"""Gauges: RAM and disk against their limits, as one line of text, a bar and a word. Pure; draws nothing.

RAM is told in binary units, as limits are set; disk in decimal ones, as disks and Space tiers are sold, unless a person
set the limit.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from core.resources import disk as disk_ladder
from core.resources import memory as memory_ladder
from core.resources.disk import DiskReading
from core.resources.gpu import Gpu
from core.resources.memory import MemoryReading
from core.resources.reading import Reading
from core.ui.style import AMBER, RED

Level = Literal["calm", "high", "critical"]
FAR_S = 3600.0  # a limit that is further away than this is not worth a word
TREND_S, TREND_STEPS = 180.0, 2  # disk grows when it grew so many times lately and shrank never
_UNITS = {True: (1024.0, ("KiB", "MiB", "GiB", "TiB")), False: (1000.0, ("kB", "MB", "GB", "TB"))}

CSS = f"""
<style>
.scope-gauges {{ display: flex; gap: 0.15rem 0.9rem; justify-content: flex-end; font-size: 0.82rem;
  font-variant-numeric: tabular-nums; }}
.scope-gauge {{ display: inline-flex; align-items: center; gap: 0.4rem; white-space: nowrap; min-width: 0; }}
.scope-gauge .scope-percent {{ display: inline-block; min-width: 2.9rem; text-align: right; }}
.scope-bar-track {{ width: 4.5rem; min-width: 1.2rem; flex: 0 1 auto; height: 0.5rem;
  border-radius: 0.25rem; overflow: hidden; background: color-mix(in srgb, currentColor 16%, transparent); }}
.scope-bar-track i {{ display: block; height: 100%; background: color-mix(in srgb, currentColor 55%, transparent); }}
.scope-gauge.high .scope-bar-track i {{ background: {AMBER}; }}
.scope-gauge.critical .scope-bar-track i {{ background: {RED}; }}
.scope-gauge.high b, .scope-gauge.critical b {{ padding: 0 0.35rem; border-radius: 0.25rem; color: #14181b; }}
.scope-gauge.high b {{ background: {AMBER}; }}
.scope-gauge.critical b {{ background: {RED}; }}
.scope-large .scope-gauge {{ display: grid; grid-template-columns: auto 1fr; gap: 0.2rem 0.8rem; font-size: 1rem;
  white-space: normal; }}
.scope-large .scope-bar-track {{ width: 100%; height: 0.8rem; grid-column: 1 / -1; }}
.scope-large .scope-to-limit {{ grid-column: 1 / -1; font-size: 0.85rem; opacity: 0.8; }}
.scope-large .scope-percent {{ min-width: 0; }}
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
    level = _level(disk.danger, disk_ladder.WARN, disk_ladder.REFUSE)
    return Gauge("Disk", text, disk.limit_source, disk.fraction, level)


def gpu_gauge(gpu: Gpu) -> Gauge:
    """Memory of one GPU; NVIDIA sets no ladder for it, so it takes RAM's."""
    fraction = gpu.used_bytes / gpu.limit_bytes if gpu.limit_bytes else None
    level = _level(fraction or 0.0, memory_ladder.WARN, memory_ladder.KILL)
    return Gauge("GPU", of_limit(gpu.used_bytes, gpu.limit_bytes, binary=True), gpu.name, fraction, level)


def gauge_html(gauge: Gauge, *, details: bool = False, below: str = "") -> str:
    """The gauge as HTML; `details` adds the use and whose limit it is. Never colour alone: the word is there too.

    Args:
        below: a line under it, with the details.
    """
    width = 0.0 if gauge.fraction is None else min(100.0, 100.0 * gauge.fraction)
    word = "" if gauge.level == "calm" else f" <b>{gauge.level}</b>"
    full = html.escape(f"{gauge.text} ({gauge.source})")
    percent = f'<span class="scope-percent">{gauge.percent}</span>{word}'
    shown = f"<span>{full} · {percent}</span>" if details else f"<span>{percent}</span>"
    return (
        f'<span class="scope-gauge {gauge.level}" title="{gauge.name} {full}"><span>{gauge.name}</span>'
        + (shown if details else "")
        + f'<span class="scope-bar-track" role="img" aria-label="{gauge.name} {gauge.percent}">'
        + f'<i style="width:{width:.1f}%"></i></span>'
        + (f'<span class="scope-to-limit">{html.escape(below)}</span>' if below else "")
        + ("" if details else shown)
        + "</span>"
    )


def to_limit(seconds: float | None) -> str:
    """ "time to limit: 12 s"; a dash while it does not grow, or the limit is far."""
    if seconds is None or seconds > FAR_S:
        return "time to limit: –"
    return f"time to limit: {seconds:.0f} s" if seconds < 120 else f"time to limit: {seconds / 60:.0f} min"


def disk_to_limit_s(history: Sequence[Reading]) -> float | None:
    """Seconds until the disk is full at the growth of the last minutes; None when it does not grow for sure.

    It is measured now and then, so it grows in steps: one step is no growth yet.
    """
    if not history:
        return None
    recent = [one for one in history if history[-1].ticks - one.ticks <= TREND_S and one.disk.used_bytes is not None]
    steps = [after.disk.free_bytes - before.disk.free_bytes for before, after in pairwise(recent)]
    if sum(step < 0 for step in steps) < TREND_STEPS or any(step > 0 for step in steps):
        return None
    gone = recent[0].disk.free_bytes - recent[-1].disk.free_bytes
    return recent[-1].disk.free_bytes * (recent[-1].ticks - recent[0].ticks) / gone


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
