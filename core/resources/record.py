"""Record: everything that was written about the runs so far, from all its places, as one value.

Merges the local record, the heartbeat files (which also hold transitions that a full disk refused) and, on request, the
persistent folder. Reads what earlier versions wrote. Never raises: what is torn is counted and left out. Judges not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.resources.beats import Beat, read_beats
from core.resources.ending import CLASSES
from core.resources.events import Event, Fact, clean, is_time, read_files, read_lines
from core.resources.recorder import FOLDER

EARLIER = "runs.jsonl"  # one line per start and end, without checksums


@dataclass(frozen=True)
class Record:
    """Events and heartbeats, both oldest first.

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
        """Ids of every run that left a trace, in the order in which they began."""
        first: dict[str, float] = {}
        for trace in self.traces:
            first[trace.run] = min(trace.at, first.get(trace.run, trace.at))
        return tuple(sorted(first, key=first.__getitem__))

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


def read_record(state_dir: Path, persist_dir: Path | None = None) -> Record:
    """All that can be read; the persistent folder only where it is given (it may be slow)."""
    folder = state_dir / FOLDER
    lines, torn = read_lines(folder)
    beats, damaged = read_beats(folder)
    files, strange = read_files(persist_dir / FOLDER) if persist_dir is not None else ((), 0)
    known: dict[object, Event] = {}
    for event in (*read_earlier(state_dir), *lines, *files):
        known.setdefault(event.key, event)
    for event in _from_beats(beats):
        known.setdefault(event.key, event)
    events = sorted(known.values(), key=lambda event: (event.at, event.number))
    return Record(tuple(events), beats, torn + damaged + strange)


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
    try:
        lines = (state_dir / EARLIER).read_bytes().splitlines()
    except OSError:
        return ()
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
