"""Words for jobs: what one does, waits for or has come to, in a line each. Pure; draws nothing."""

from __future__ import annotations

from collections.abc import Iterable

from core.resources.guard import ordinal
from core.ui.run_view import span
from core.workflows.job_book import JobRecord, LogLine
from core.workflows.job_run import Load


def under_way(record: JobRecord, place: int | None, left: float | None) -> str:
    """ "Segmenting: 61 % · about 2 s left", or what it waits for and where it stands.

    Args:
        place: as Desk.place; left: as Desk.seconds_left.
    """
    rest = f" · about {seconds(left)} left" if left is not None else ""
    if record.state == "running":
        return f"{record.phase or 'Starting'}: {100 * record.fraction:.0f} %{rest}"
    note = f": {record.note}" if record.note else ""
    if place:
        return f"Waiting: you are {ordinal(place)} in line{note}{rest}"
    far = f": {100 * record.fraction:.0f} % of all" if record.fraction > 0 else ""
    return f"{record.phase or 'Waiting'}{far}{note}"


def outcome(record: JobRecord, now: float) -> str:
    """What has become of a job that is over: one sentence, and when."""
    ago = "" if record.ended is None else f" · {span(max(0.0, now - record.ended))} ago"
    if record.state == "done":
        took = "" if record.seconds is None else f" in {record.seconds:.1f} s"
        peak = f", at most {record.peak_rss_mb:.0f} MB of RAM" if record.peak_rss_mb else ""
        return f"Done{took}{peak}{ago}"
    said = record.reason or record.state
    if record.state == "cancelled":
        return f"{said[:1].upper()}{said[1:]}{ago}"
    return f"{record.state.capitalize()}: {said}{ago}"


def others(load: Load) -> str:
    """ "2 jobs of other sessions: 1 runs, 1 waits"; "" for none. Numbers only."""
    count = load.running + load.waiting
    return f"{count} job{'' if count == 1 else 's'} of other sessions: {_counted(load)}" if count else ""


def own(records: Iterable[JobRecord]) -> str:
    """ "2 jobs of yours: 1 runs, 1 waits"; "" for none that is under way."""
    states = [record.state for record in records]
    load = Load(states.count("running"), states.count("waiting"))
    count = load.running + load.waiting
    return f"{count} job{'' if count == 1 else 's'} of yours: {_counted(load)}" if count else ""


def _counted(load: Load) -> str:
    runs = f"{load.running} run{'s' if load.running == 1 else ''}" if load.running else ""
    waits = f"{load.waiting} wait{'s' if load.waiting == 1 else ''}" if load.waiting else ""
    return ", ".join(part for part in (runs, waits) if part)


def title(records: Iterable[JobRecord]) -> str:
    """The button's label: "Jobs", and how many of them are under way."""
    count = sum(not record.over for record in records)
    return f"Jobs ({count})" if count else "Jobs"


def seconds(count: float) -> str:
    """ "2 s", "3 min"."""
    return f"{max(1.0, count):.0f} s" if count < 100 else f"{count / 60:.0f} min"


def log_text(lines: Iterable[LogLine], created: float) -> str:
    """The log, each line with the seconds since the job was handed in."""
    return "\n".join(f"{line.at - created:8.1f} s  {line.text}" for line in lines)
