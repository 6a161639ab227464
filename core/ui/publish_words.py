"""Words of the Publish page: what a publisher does, what it takes, what was checked, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from core.publish.report import Report
from core.ui.gauges import size
from core.workflows.publish_progress import Phase, Progress

DOING: dict[Phase, str] = {
    "plan": "Reading the folder",
    "validate": "Checking every file",
    "build": "Building shards",
    "upload": "Sending to the Hub",
    "card": "Writing the dataset's card",
    "verify": "Verifying the repository",
    "waiting": "Waiting",
    "done": "Done",
    "failed": "Stopped by an error",
    "stopped": "Stopped",
}
STEPS: tuple[Phase, ...] = ("validate", "build", "upload", "card", "verify")
SHORT: dict[Phase, str] = {
    "validate": "check", "build": "build", "upload": "send", "card": "card", "verify": "verify",
}  # fmt: skip
WEEK = 7  # days from which on a name of a day would be that of another week
SILENT_S = 30.0  # without a word from a publisher that lives
CHECKED = (
    "names, numbers, dates and free text in the headers of all images, in what programs left inside them and in the "
    "names that packed files remember; columns of the participants and sidecars that tell who somebody is; faces in "
    "images of the head, by a rule of thumb; a licence freer than the source's"
)
UNCHECKED = (
    "text that is drawn into the voxels; whether somebody can be known by a rare finding, an implant or the shape of "
    "the skull; whether the persons agreed, and whether you may publish at all"
)
Tone = Literal["calm", "good", "warn", "bad"]


def amount(count: float) -> str:
    """ "293 GB", "512 B"; decimal units, as the Hub counts."""
    return f"{count:.0f} B" if count < 1000 else size(count, binary=False)


def clock(at: float, zone: tzinfo | None, now: float) -> str:
    """ "12:31", with the day where it is another one, with "UTC" where the visitor's zone is not known."""
    there = datetime.fromtimestamp(at, UTC).astimezone(zone or UTC)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone or UTC)
    days = abs((today.date() - there.date()).days)
    day = "" if not days else f"{there:%a} " if days < WEEK else f"{there.day} {there:%b %Y}, "
    return f"{day}{there:%H:%M}{'' if zone else ' UTC'}"


def span(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds < 100:
        return f"{max(1.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, more = divmod(hours, 24)
    return f"{days} d {more} h" if more else f"{days} d"


def bar_line(told: Progress, now: float, zone: tzinfo | None) -> str:
    """How far it is, in one line: step, counts, bytes, rate, time left; or what it waits for and until when."""
    parts = [DOING[told.step]]
    if told.total:
        parts.append(f"{told.done} of {told.total} {told.unit}".strip())
    if told.total_bytes:
        parts.append(f"{amount(told.bytes)} of {amount(told.total_bytes)}")
    if told.phase == "waiting":
        return " · ".join([*parts, _waits(told, now, zone)])
    if told.rate > 0:
        parts.append(f"{amount(told.rate)}/s")
    if told.seconds_left is not None and not told.ended:
        parts.append(f"about {span(told.seconds_left)} left")
    return " · ".join(parts)


def at_rest(told: Progress) -> Progress:
    """What it told last, of a publisher that does nothing any more: without a rate, and without waiting."""
    phase: Phase = told.phase if told.ended else "stopped"
    return replace(told, phase=phase, rate=0.0, seconds_left=None, until=None)


def below_bar(told: Progress, now: float) -> str:
    """What it does at this moment; says so when it has been silent for long."""
    silent = now - told.updated
    said = told.message[:1].upper() + told.message[1:]
    if silent > SILENT_S:
        return f"{said} · no word from it for {span(silent)}; it lives, and may wait for the disk or the network"
    return said


def stepper(told: Progress | None, over: bool, unbuilt: int = 0) -> tuple[tuple[str, str], ...]:
    """The steps of the work, each with its mark: "✓" done, "●" at hand, "○" to come.

    Args:
        over: all of it is done.
        unbuilt: shards that are still to be built: with rolling they are built and sent by turns.
    """
    step = None if told is None else told.step
    at = STEPS.index(step) if step in STEPS else -1
    behind = [one for i, one in enumerate(STEPS) if i < at and not (one == "build" and unbuilt)]
    at_hand = [one for i, one in enumerate(STEPS) if i <= at]
    marks = ("✓" if over or one in behind else "●" if one in at_hand else "○" for one in STEPS)
    return tuple((SHORT[one], mark) for one, mark in zip(STEPS, marks, strict=True))


def verdict(report: Report, despite: Collection[str] = ()) -> tuple[Tone, str]:
    """The report in one sentence, and how good it is.

    Args:
        despite: codes of errors that a person overrode.
    """
    errors, warnings = report.of("error"), len(report.of("warning"))
    left = sum(finding.code not in despite for finding in errors)
    over = len(errors) - left
    size_told = f"{report.subjects} subjects, {report.rows} rows, {report.images} images, {amount(report.bytes)}"
    by_you = f", {over} overridden by you" if over else ""
    if left:
        what = f"{left} kind{_s(left)} of error must be mended before this can be published"
        return "bad", f"{what}{by_you} ({size_told})"
    found = f"{warnings} kind{_s(warnings)} of warning to look at" if warnings else "no warnings"
    if over or warnings:
        return "warn", f"No errors{' left' * bool(over)}{by_you}; {found} ({size_told})"
    return "good", f"No errors and no warnings ({size_told})"


def plan_lines(plan: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """What it will make and take: name, figure, definition."""
    needs = plan["needs"]
    shards = int(plan["shards"])
    return (
        ("Rows", f"{plan['rows']}", f"{plan['images']} images; a row is a subject or a session"),
        ("Shards", f"{shards}", f"{plan['first']} … {plan['last']}"),
        (
            "Dataset",
            amount(plan["bytes"]),
            f"all shards, a little more rather than less; the largest has {amount(plan['largest'])}",
        ),
        ("To build", amount(needs["build_bytes"]), "what is not built yet"),
        ("To send", amount(needs["send_bytes"]), "what the repository does not hold yet, as far as this folder knows"),
        ("Disk", amount(needs["disk_bytes"]), "that the staging folder grows to at most, beyond what lies there"),
        ("RAM", amount(needs["memory_mb"] * 1e6), "of the process that builds, whatever the dataset's size"),
        ("Time", f"about {span(needs['seconds'])}", "at 100 Mbit/s up; building at 100 MB/s"),
    )


def fit_lines(plan: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
    """Whether RAM and disk are there, each with its numbers."""
    lines = []
    for what, name in (("memory", "RAM"), ("disk", "Disk")):
        one = plan[what]
        asked = amount(one["needed_mb"] * 1e6)
        if what == "memory":
            asked = f"{amount(plan['needs']['memory_mb'] * 1e6)} needed, {asked} with a margin"
        else:
            asked += " needed"
        numbers = f"{asked}, {amount(one['free_mb'] * 1e6)} may be used"
        lines.append((bool(one["admitted"]), f"{name}: {numbers} of {amount(one['limit_mb'] * 1e6)}"))
    return tuple(lines)


def begun_line(plan: Mapping[str, Any]) -> str:
    """What lies in the staging folder already; "" for nothing."""
    states = plan.get("states")
    if not isinstance(states, Mapping):
        return ""
    shards = int(plan["shards"])
    there = sum(int(states.get(name, 0)) for name in ("proven", "freed"))
    made = shards - int(states.get("planned", 0))
    return (
        f"The staging folder was begun before: {made} of {shards} shards are built, {there} proven. It goes on there."
    )


def _waits(told: Progress, now: float, zone: tzinfo | None) -> str:
    if told.until is None:
        return "waiting"
    if told.until <= now:
        return "trying again now"
    return f"waiting until {clock(told.until, zone, now)} ({span(told.until - now)})"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
