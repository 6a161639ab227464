"""Steps: which risky steps were under way when a run's record stops, and which kills were announced for which step.

Goes by the numbers that each process gives its events, not by their clock, which may have been set. Where lines are
missing, a step that may have ended is not named. Pure; judges no run (verdict.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from core.resources.beats import Beat
from core.resources.events import Event
from core.resources.record import Record

LATELY_S = 10.0  # an intent this near to an end explains it, where the step's begin is not in the record
Writer = tuple[int, float | None]


def open_steps(own: Record) -> tuple[Event, ...]:
    """The "phase begin" of each risky step that was under way when one run's record stops, in the order written."""
    places = {event.key: place for place, event in enumerate(own.events)}
    found: list[Event] = []
    for writer, events in _by_writer(own.events).items():
        pulses = [beat for beat in own.beats if (beat.pid, beat.born) == writer and not beat.event]
        last = max(pulses, key=lambda beat: beat.at, default=None)
        numbers = {event.number for event in events}
        found += [one for one in _without_end(events) if _under_way(one, numbers, last)]
    return tuple(sorted(found, key=lambda event: places[event.key]))


def open_step(own: Record) -> Event | None:
    """The newest of them."""
    steps = open_steps(own)
    return steps[-1] if steps else None


def failed_step(own: Record, end: Event) -> Event | None:
    """The step that an error had left just before the run crashed, if nothing was begun or done since."""
    steps = [event for event in own.events if event.event in ("phase begin", "phase end")]
    last = steps[-1] if steps else None
    if last is None or last.text("outcome") in ("", "done", "JobCancelled") or not 0 <= end.at - last.at < LATELY_S:
        return None
    return last


def heaviest(steps: Iterable[Event]) -> Event | None:
    """The one that was predicted to need most RAM; of equals the newest."""
    return max(reversed(tuple(steps)), key=lambda event: event.value("predicted_mb") or 0.0, default=None)


def beside(steps: Sequence[Event], named: Event | None) -> tuple[str, ...]:
    """A sentence about the steps that were under way beside the one that is named."""
    others = [step for step in steps if named is not None and step.key != named.key]
    told = [step.text("phase") + (f" of {step.text('case')}" if step.text("case") else "") for step in others[-3:]]
    return (f"under way beside it: {', '.join(told)}",) if told else ()


def intents(own: Record, end: Event) -> list[Event]:
    """Kills that the watchdog announced for the worker of this "worker end", newest last."""
    same = [event for event in own.events if (event.pid, event.born) == (end.pid, end.born)]
    begun = [e for e in same if e.event == "phase begin" and e.number < end.number and _step(e) == _step(end)]
    since = max((event.number for event in begun), default=None)
    return [
        event
        for event in same
        if event.event == "kill intent"
        and event.text("target") != "app"
        and event.text("case") in ("", end.text("case"))
        and event.number < end.number
        and (0 <= end.at - event.at < LATELY_S if since is None else event.number > since)
    ]


def _by_writer(events: Iterable[Event]) -> dict[Writer, list[Event]]:
    found: dict[Writer, list[Event]] = defaultdict(list)
    for event in events:
        found[event.pid, event.born].append(event)
    return {writer: sorted(told, key=lambda event: event.number) for writer, told in found.items()}


def _without_end(events: Sequence[Event]) -> list[Event]:
    """One process's steps that were begun and not ended, by what is there of its events."""
    begun: list[Event] = []
    for event in events:
        if event.event == "phase begin":
            begun.append(event)
        elif event.event == "phase end":
            same = [one for one in reversed(begun) if _step(one) == _step(event)]
            if same:
                begun.remove(same[0])
    return begun


def _under_way(begin: Event, numbers: set[int], last: Beat | None) -> bool:
    """Whether the step can be named.

    Args:
        numbers: of all events of its process that are left.
        last: the newest heartbeat of its process that is not a transition.
    """
    told = last if last is not None and last.at > begin.at else None
    if told is not None and not told.phase:
        return False  # whatever was lost, no step was under way any more
    complete = all(number in numbers for number in range(begin.number + 1, max(numbers)))
    return complete or (told is not None and (told.phase, told.case) == _cut(begin))


def _step(event: Event) -> tuple[str, str]:
    return event.text("phase"), event.text("case")


def _cut(event: Event) -> tuple[str, str]:
    """The step as a heartbeat has room for it."""
    phase, case = _step(event)
    return phase[:24], case[:104]
