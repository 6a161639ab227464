"""Pressure: how long work had to wait for memory, as the kernel's stall information (PSI) says.

From this process's own v2 group where it has one, otherwise from the whole machine. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.resources.cgroup import innermost_v2, read_text


@dataclass(frozen=True)
class Pressure:
    """Share of the time, in percent, in which work waited for memory.

    Attributes:
        some10, some60: at least one task waited, over the last 10 and 60 seconds.
        full10, full60: all of them did.
        source: "cgroup v2" or "host".
    """

    some10: float
    some60: float
    full10: float
    full60: float
    source: str


def read_pressure(root: Path, proc_root: Path = Path("/proc")) -> Pressure | None:
    """Memory pressure now; None where the kernel does not count it."""
    own = innermost_v2(root, proc_root)
    # A group without the memory controller shows the file too, but at the root of a hybrid mount it is the machine's.
    if own is not None and (own / "memory.current").exists():
        found = parse_pressure(read_text(own / "memory.pressure") or "", "cgroup v2")
        if found is not None:
            return found
    return parse_pressure(read_text(proc_root / "pressure" / "memory") or "", "host")


def parse_pressure(text: str, source: str) -> Pressure | None:
    """The lines `some avg10=… avg60=… …` and `full …`; None without the first."""
    rows: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        kind, *words = line.split()[:5] or [""]
        rows[kind] = {name: number for name, number in map(_pair, words) if number is not None}
    some, full = rows.get("some", {}), rows.get("full", {})
    if "avg10" not in some:
        return None
    return Pressure(some["avg10"], some.get("avg60", 0.0), full.get("avg10", 0.0), full.get("avg60", 0.0), source)


def _pair(word: str) -> tuple[str, float | None]:
    name, _, text = word.partition("=")
    number = float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None
    return name, number
