"""Report: the benchmark's measurements as tables, as JSON, and held against the targets. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Run:
    """One lane, once. MB are 1e6 bytes: of bodies served, of peak resident memory, of disk that the lane took."""

    line: str
    group: str
    title: str
    repeat: int
    seconds: float
    served_mb: float
    requests: int
    rss_mb: float
    disk_mb: float


@dataclass(frozen=True)
class Row:
    """One lane on one line over all repeats; the ratios are medians of pairs with the floor of the same repeat."""

    line: str
    group: str
    title: str
    seconds: float
    fastest: float
    served_mb: float
    requests: float
    rss_mb: float
    disk_mb: float
    times_floor: float
    bytes_floor: float


@dataclass(frozen=True)
class Target:
    """One promise: a measured number and its limit."""

    what: str
    got: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is kept."""
        return self.got <= self.limit


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """One row for each lane and line, in the order of the first runs."""
    floors = {(run.line, run.group, run.repeat): run for run in reversed(runs) if run.title.startswith("floor")}
    grouped: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.line, run.group, run.title), []).append(run)
    rows = []
    for (line, group, title), mine in grouped.items():
        pairs = [(run, floors[line, group, run.repeat]) for run in mine if (line, group, run.repeat) in floors]
        rows.append(
            Row(
                line, group, title,
                seconds=median(run.seconds for run in mine),
                fastest=min(run.seconds for run in mine),
                served_mb=median(run.served_mb for run in mine),
                requests=median(run.requests for run in mine),
                rss_mb=median(run.rss_mb for run in mine),
                disk_mb=median(run.disk_mb for run in mine),
                times_floor=_ratio(pairs, lambda run: run.seconds),
                bytes_floor=_ratio(pairs, lambda run: run.served_mb),
            )
        )  # fmt: skip
    return rows


def _ratio(pairs: Sequence[tuple[Run, Run]], of: Callable[[Run], float]) -> float:
    return median(of(run) / of(floor) if of(floor) else float("nan") for run, floor in pairs) if pairs else float("nan")


def targets_of(rows: Sequence[Row]) -> list[Target]:
    """The promises that these rows can be held against."""
    by = {(row.line, row.title): row for row in rows}
    found = []
    for line in dict.fromkeys(row.line for row in rows):
        known = by.get((line, "Strokescope, footer known"))
        first = by.get((line, "Strokescope, first list (ids; the pinned dataset is known)"))
        if known:
            found.append(Target(f"case, footer known, {line}: bytes / the floor's", known.bytes_floor, 1.05))
            found.append(Target(f"case, footer known, {line}: seconds / the floor's", known.times_floor, 1.3))
        if first:
            found.append(Target(f"first list, {line}: s", first.seconds, 1.0))
    refresh = by.get(("WAN", "Strokescope, refresh of 149"))
    if refresh:
        found.append(Target("refresh of 149, WAN: s", refresh.seconds, 3.0))
    ours = [row.rss_mb for row in rows if row.title.startswith("Strokescope")]
    if ours:
        found.append(Target("peak RSS of the reader: MB", max(ours), 150.0))
    return found


def detailed(rows: Sequence[Row]) -> str:
    """Everything, one table for each line."""
    parts = []
    for line in dict.fromkeys(row.line for row in rows):
        parts.append(f"### {line}\n")
        parts.append("| way | s, median (fastest) | × floor | MB served | × floor | requests | peak RSS MB | disk MB |")
        parts.append("|---|---|---|---|---|---|---|---|")
        for group, members in _groups([row for row in rows if row.line == line]).items():
            parts.append(f"| **{group}** | | | | | | | |")
            parts += [
                f"| {r.title} | {r.seconds:.2f} ({r.fastest:.2f}) | {r.times_floor:.2f} | {amount(r.served_mb)}"
                f" | {r.bytes_floor:.2f} | {r.requests:.0f} | {r.rss_mb:.0f} | {amount(r.disk_mb)} |"
                for r in members
            ]
        parts.append("")
    return "\n".join(parts)


def brief(rows: Sequence[Row]) -> str:
    """The README's table: both lines side by side, medians."""
    lines = list(dict.fromkeys(row.line for row in rows))
    by = {(row.line, row.title): row for row in rows}
    heads = [f"s, {line} (× floor)" for line in lines]
    parts = [f"| way | MB served | requests | {' | '.join(heads)} | peak RSS MB | disk MB |"]
    parts.append("|---" * (5 + len(lines)) + "|")
    for group, members in _groups(rows).items():
        parts.append(f"| **{group}** " + "| " * (4 + len(lines)) + "|")
        for title in dict.fromkeys(row.title for row in members):
            here = [by.get((line, title)) for line in lines]
            last = next(row for row in reversed(here) if row)
            seconds = [f"{row.seconds:.2f} ({row.times_floor:.1f})" if row else "–" for row in here]
            parts.append(
                f"| {title} | {amount(last.served_mb)} | {last.requests:.0f} | {' | '.join(seconds)}"
                f" | {max(row.rss_mb for row in here if row):.0f} | {amount(last.disk_mb)} |"
            )
    return "\n".join(parts)


def judged(targets: Sequence[Target]) -> str:
    """One line for each promise."""
    return "\n".join(
        f"{'kept  ' if target.met else 'BROKEN'} {target.what} {target.got:.2f} (at most {target.limit:g})"
        for target in targets
    )


def as_json(about: Mapping[str, object], runs: Sequence[Run], rows: Sequence[Row], targets: Sequence[Target]) -> str:
    """All of it, single runs included."""
    judged_targets = [{**asdict(target), "met": target.met} for target in targets]
    found = {**about, "runs": [asdict(r) for r in runs], "rows": [asdict(r) for r in rows], "targets": judged_targets}
    return json.dumps(found, indent=1)


def amount(mb: float) -> str:
    """MB with the digits that matter."""
    return f"{mb:.0f}" if mb >= 100 else f"{mb:.2f}" if mb >= 0.005 else "0"


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    return found
