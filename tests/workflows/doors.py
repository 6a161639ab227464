"""A door in a container of any size, and what the record tells of who came through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.resources.admission import Admission
from core.resources.breaker import Breaker
from core.resources.disk import DiskReading
from core.resources.guard import Guard, make_guard
from core.resources.line import Room
from core.resources.record import read_record
from core.resources.recorder import Recorder
from core.settings import Settings

AMPLE = Room(100.0, 16_000.0, 50_000.0, 50_000.0)


@contextmanager
def door(folder: Path, room: Room = AMPLE) -> Iterator[Guard]:
    """The app's guard, in a container that is always like this; its watchdog does not run."""
    settings = Settings(cache_dir=folder / "cache", state_dir=folder / "state")
    with Recorder(settings.state_dir, role="app") as recorder:
        ample = DiskReading(10**11, "test", 0, 0, 10**11)
        made = make_guard(settings, recorder, lambda: ample, breaker=Breaker(recorder))
        yield replace(made, admission=Admission(lambda: room, made.ledger, record=recorder.note))
        made.watchdog.stop()


def steps(guard: Guard) -> list[tuple[str, str, str, str, str]]:
    """(event, phase, kind, owner, case or outcome) of what the record tells of steps, in their order."""
    found = read_record(guard.settings.state_dir).events
    return [
        (e.event, e.text("phase"), e.text("kind"), e.text("owner"), e.text("outcome") or e.text("case"))
        for e in found
        if e.event.startswith("phase")
    ]


def refusals(guard: Guard) -> int:
    """How many refusals the record tells of."""
    return sum(event.event == "refused" for event in read_record(guard.settings.state_dir).events)
