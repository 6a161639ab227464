"""Record: everything that was written about the runs so far, from all its places, as one value.

Merges the local record, the heartbeat files (which also hold transitions that a full disk refused) and, on request, the
persistent folder. Reads what earlier versions wrote. Never raises: what is torn is counted and left out. Judges not.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from core.resources.beats import Beat, read_beats
from core.resources.ending import CLASSES
from core.resources.events import MOST, READ_S, Event, Fact, clean, is_time, read_files, read_lines
from core.resources.recorder import FOLDER
from core.resources.slots import read_tail

EARLIER = "runs.jsonl"  # one line per start and end, without checksums


@dataclass(frozen=True)
class Record:
    """Events in the order in which they were written, and heartbeats, oldest first.

    Attributes:
        damaged: lines, slots and files that could not be understood.
    """

    events: tuple[Event, ...]
    beats: tuple[Beat, ...]
    damaged: int = 0

    @property
    def traces(self) -> tuple[Event | Beat, ...]:
        """Both; the order is not that of time."""
        return (*self.events, *self.beats)

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """Ids of every run that left a trace, in the order in which they began: as written, whatever the clock said;
        those of which only heartbeats are left by their time."""
        order: dict[str, float] = {}
        for event in self.events:
            order.setdefault(event.run, event.at)
        first: dict[str, float] = {}
        for beat in self.beats:
            if beat.run not in order:
                first[beat.run] = min(beat.at, first.get(beat.run, beat.at))
        runs = list(order)
        for run in sorted(first, key=first.__getitem__):
            before = [place for place, other in enumerate(runs) if order.get(other, first[run]) <= first[run]]
            runs.insert(before[-1] + 1 if before else 0, run)
        return tuple(runs)

    def of(self, run: str) -> Record:
        """What belongs to one run."""
        return self._parts.get(run) or Record((), ())

    @cached_property
    def _parts(self) -> Mapping[str, Record]:
        events: dict[str, list[Event]] = defaultdict(list)
        beats: dict[str, list[Beat]] = defaultdict(list)
        for event in self.events:
            events[event.run].append(event)
        for beat in self.beats:
            beats[beat.run].append(beat)
        return {run: Record(tuple(events[run]), tuple(beats[run])) for run in {*events, *beats}}

    @property
    def ended(self) -> bool:
        """Whether an end is recorded (of one run's record)."""
        return any(event.event == "run end" for event in self.events)

    @property
    def of_app(self) -> bool:
        """Whether the app or its supervisor wrote any of it; commands record for themselves."""
        return any(trace.role in ("app", "supervisor") for trace in self.traces)

    @cached_property
    def last_sign(self) -> float | None:
        """When anything of it was written last, apart from what was found out later."""
        signs = [beat.at for beat in self.beats]
        signs += [event.at for event in self.events if not event.facts.get("found_later")]
        return max(signs, default=None)

    def writers(self) -> frozenset[tuple[int, float | None]]:
        """The processes that wrote about these runs while they lasted: number and birth."""
        told = [trace for trace in self.traces if isinstance(trace, Beat) or not trace.facts.get("found_later")]
        return frozenset((trace.pid, trace.born) for trace in told if trace.pid > 0)


def read_record(state_dir: Path, persist_dir: Path | None = None, patience_s: float = READ_S) -> Record:
    """All that can be read; the persistent folder only where it is given, and no longer than `patience_s`."""
    folder = state_dir / FOLDER
    lines, torn = read_lines(folder)
    beats, damaged = read_beats(folder)
    files, strange = read_files(persist_dir / FOLDER, patience_s) if persist_dir is not None else ((), 0)
    written = tuple({event.key: event for event in (*read_earlier(state_dir), *lines)}.values())
    events = merged(written or files, (*files, *_from_beats(beats)))
    return Record(events, beats, torn + damaged + strange)


def merged(written: Sequence[Event], others: Iterable[Event]) -> tuple[Event, ...]:
    """Events in the order in which they were written, which is not that of a clock that was set.

    Args:
        written: in that order.
        others: those of them that are missing find their place by the numbers of their process, or else by their time.
    """
    known = {event.key for event in written}
    places: dict[tuple[int, float | None], list[tuple[int, int]]] = defaultdict(list)
    for place, event in enumerate(written):
        places[event.pid, event.born].append((event.number, place))
    for own in places.values():
        own.sort()
    soonest = list(accumulate((event.at for event in reversed(written)), min))[::-1]
    found = [(float(place), event.at, event.number, event) for place, event in enumerate(written)]
    for event in others:
        if event.key in known:
            continue
        known.add(event.key)
        own = places.get((event.pid, event.born), [])
        after = bisect_left(own, (event.number, 0))
        by_time = bisect_right(soonest, event.at) - 1
        place = own[after - 1][1] if after else min(by_time, own[0][1] - 1) if own else by_time
        found.append((place + 0.5, event.at, event.number, event))
    return tuple(event for *_, event in sorted(found, key=lambda one: one[:3]))


def _from_beats(beats: Iterable[Beat]) -> Iterable[Event]:
    """Transitions as far as a heartbeat has room for them."""
    for beat in beats:
        if beat.event:
            said = {"phase": beat.phase, "case": beat.case, "owner": beat.owner, "predicted_mb": beat.predicted_mb}
            facts: dict[str, object] = {name: value for name, value in said.items() if value not in ("", None)}
            if beat.code is not None:
                facts["rc"] = beat.code
            yield Event(beat.event, beat.run, beat.at, beat.role, beat.pid, beat.born, beat.number, clean(facts))


def read_earlier(state_dir: Path) -> tuple[Event, ...]:
    """Runs that earlier versions recorded. Their lines have no checksum, so what they say is only probable."""
    lines = read_tail(state_dir / EARLIER, MOST).splitlines()
    found: dict[str, list[Event]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        event = _earlier(said, number) if isinstance(said, dict) else None
        if event is not None:
            found[event.run].append(event)
    return tuple(event for events in found.values() for event in events)


def _earlier(said: Mapping[str, object], number: int) -> Event | None:
    run, at, pid, born = (said.get(name) for name in ("run", "at", "pid", "born"))
    if not isinstance(run, str) or not isinstance(at, int | float) or not is_time(at):
        return None
    if said.get("event") == "start":
        if type(pid) is not int or not 0 < pid < 1 << 31:
            return None
        begun = float(born) if isinstance(born, int | float) and is_time(born) else None
        return Event("run start", run, at, "supervisor", pid, begun, number)
    evidence = said.get("evidence")
    if said.get("event") != "end" or said.get("class") not in CLASSES or not isinstance(evidence, list):
        return None
    facts: dict[str, Fact] = {"class": str(said["class"]), "evidence": tuple(str(item) for item in evidence)}
    sure = "none" if said.get("confidence") == "none" else "probable"
    return Event("run end", run, at, "supervisor", 0, None, number, clean({**facts, "confidence": sure}))
