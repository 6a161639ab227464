"""Past: what the flight record on this machine tells, as pages show it: earlier runs and the last transitions.

Never asks the persistent folder, which may hang: what it holds is copied here when the app starts (runs.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.resources.events import Event
from core.resources.record import Record, read_record
from core.resources.runs import PreviousRun, history_of
from core.resources.verdict import judge_worker

EVENTS = 50


@dataclass(frozen=True)
class Past:
    """How the last runs ended, newest first, and the last transitions, oldest first."""

    runs: tuple[PreviousRun, ...] = ()
    events: tuple[Event, ...] = ()


def read_past(state_dir: Path) -> Past:
    """Read it; a full record takes about half a second."""
    record = read_record(state_dir)
    return Past(history_of(record, state_dir), tuple(with_verdict(record, event) for event in record.events[-EVENTS:]))


def with_verdict(record: Record, event: Event) -> Event:
    """The event, with what ended the worker where it tells of a worker's end."""
    if event.event != "worker end":
        return event
    found = judge_worker(record, event)
    facts = {**event.facts, "class": found.class_, "confidence": found.confidence, "evidence": found.evidence}
    return replace(event, facts=facts)
