"""Safe mode: after repeated abnormal ends nothing is loaded by itself, and what ended the app is in quarantine.

`decide` is pure. The ends are kept in a preallocated file of the state folder, which a full disk cannot refuse, and one
file each in the persistent folder. Two ends in the same phase and case, or three within 15 minutes, begin safe mode; a
person or ten minutes of healthy running end it. A pair that has ended twice stays in quarantine until it succeeds or a
person says so. Ends no process and starts none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.resources.events import Event, clean, decode, encode, prune, put_file, read_files
from core.resources.recorder import FOLDER
from core.resources.slots import Slots, read_slots

FILE, BUCKET = "safe.slots", "safe"
COUNT = 64
WORD = 60  # letters of a phase, case, class or key: four of them fit a slot
SAME, MANY, WINDOW_S, HEALTHY_S = 2, 3, 15 * 60.0, 10 * 60.0  # facts, spaces
BUSY_S = 0.5  # how long a writer waits for another
END, DONE, HEALTHY, LEFT = "abnormal end", "done", "healthy", "left"
Pair = tuple[str, str]


@dataclass(frozen=True)
class SafeMode:
    """Whether safe mode is on.

    Attributes:
        reason: one sentence, "" when it is off.
        quarantined: (phase, case) pairs that are not begun by themselves; a case may be "".
        since: seconds since 1970.
    """

    active: bool
    reason: str
    quarantined: tuple[Pair, ...]
    since: float | None

    def allows(self, phase: str, case: str = "") -> bool:
        """Whether the app may begin this step by itself."""
        return not self.active and (phase, case) not in self.quarantined


OFF = SafeMode(False, "", (), None)


def decide(entries: Sequence[Event]) -> SafeMode:
    """The state after these entries: END (facts phase, case, class, key), DONE, HEALTHY and LEFT. A key counts once."""
    recent: list[Event] = []
    counts: dict[Pair, int] = {}
    held: dict[Pair, None] = {}
    seen: set[str] = set()
    state = OFF
    for entry in sorted(entries, key=lambda entry: entry.at):
        pair = entry.text("phase"), entry.text("case")
        if entry.event == LEFT:
            recent, counts, held, state = [], {}, {}, OFF
        elif entry.event == HEALTHY:
            recent, state = [], OFF
        elif entry.event == DONE:
            counts.pop(pair, None)
            held.pop(pair, None)
        elif entry.event == END and not (entry.text("key") and entry.text("key") in seen):
            seen.add(entry.text("key"))
            recent = [one for one in recent if 0 <= entry.at - one.at <= WINDOW_S] + [entry]
            counts[pair] = counts.get(pair, 0) + 1
            reason = _reason(pair, counts[pair], len(recent))
            guilty = [pair] if pair[0] and counts[pair] >= SAME else []
            if len(recent) >= MANY:
                guilty += [p for one in recent if all(p := (one.text("phase"), one.text("case")))]
            held |= dict.fromkeys(guilty)
            if reason:
                state = SafeMode(True, reason, (), state.since if state.active else entry.at)
    return SafeMode(state.active, state.reason, tuple(held), state.since)


def _reason(pair: Pair, count: int, recent: int) -> str:
    where = f'in the step "{pair[0]}"' + (f" of case {pair[1]}" if pair[1] else "")
    if pair[0] and count >= SAME:
        return f"{count} abnormal ends {where}"
    return f"{recent} abnormal ends within 15 minutes" if recent >= MANY else ""


def pending(entries: Sequence[Event]) -> bool:
    """Whether ends count that healthy running would clear."""
    last = max((entry.at for entry in entries if entry.event in (HEALTHY, LEFT)), default=float("-inf"))
    return any(entry.event == END and entry.at > last for entry in entries)


def is_healthy(entries: Sequence[Event], quiet_since: float, now: float) -> bool:
    """Whether ten minutes have passed without an abnormal end and without a risky step under way.

    Args:
        quiet_since: when the app began to run, or its last risky step ended.
    """
    ends = [entry.at for entry in entries if entry.event == END]
    return pending(entries) and now - max(quiet_since, *ends) >= HEALTHY_S


def safe_mode(state_dir: Path, persist_dir: Path | None, now: float) -> SafeMode:
    """The state now; entries from the future (the clock was set back) count as now."""
    entries = read_entries(state_dir, persist_dir)
    return decide([entry for entry in entries if entry.at <= now + WINDOW_S])


def note_end(
    state_dir: Path, persist_dir: Path | None, phase: str, case: str, class_: str, now: float, key: str = ""
) -> SafeMode:
    """Count an abnormal end of the app or a worker; the same `key` counts once. Returns the state after it.

    Raises:
        OSError: it could not be kept in one of the folders.
    """
    _put(state_dir, persist_dir, END, now, {"phase": phase, "case": case, "class": class_, "key": key})
    return safe_mode(state_dir, persist_dir, now)


def note_done(state_dir: Path, persist_dir: Path | None, phase: str, case: str, now: float) -> None:
    """The step succeeded: it is no longer in quarantine. Writes only where ends of it count.

    Raises:
        OSError: it could not be kept.
    """
    entries = read_entries(state_dir, persist_dir)
    if any(entry.event == END and (entry.text("phase"), entry.text("case")) == (phase, case) for entry in entries):
        last = [e for e in entries if (e.text("phase"), e.text("case")) == (phase, case)][-1]
        if last.event == END:
            _put(state_dir, persist_dir, DONE, now, {"phase": phase, "case": case})


def note_health(state_dir: Path, persist_dir: Path | None, quiet_since: float, now: float) -> bool:
    """Leave safe mode if the app has been healthy for ten minutes; True when it was left or the count was cleared.

    Raises:
        OSError: it could not be kept.
    """
    if not is_healthy(read_entries(state_dir, persist_dir), quiet_since, now):
        return False
    _put(state_dir, persist_dir, HEALTHY, now, {})
    return True


def leave(state_dir: Path, persist_dir: Path | None, now: float) -> SafeMode:
    """A person ends safe mode and every quarantine.

    Raises:
        OSError: it could not be kept.
    """
    _put(state_dir, persist_dir, LEFT, now, {})
    return safe_mode(state_dir, persist_dir, now)


def prepare(state_dir: Path, persist_dir: Path | None) -> None:
    """Make the file while there is room; in a fresh container, with what the persistent folder holds.

    Raises:
        OSError: it could not be made.
    """
    entries = read_entries(state_dir, persist_dir)
    known = bool(read_slots(_path(state_dir)).slots)
    with _opened(state_dir) as slots:
        for entry in () if known else entries:
            slots.write(encode(entry))
        slots.sync()


def read_entries(state_dir: Path, persist_dir: Path | None = None) -> tuple[Event, ...]:
    """What is kept, oldest first; the persistent folder is asked when the state folder knows nothing."""
    found = [decode(payload) for _, payload in read_slots(_path(state_dir)).slots]
    entries = tuple(entry for entry in found if entry is not None)
    return entries if entries or persist_dir is None else read_files(persist_dir / BUCKET)[0]


def entry_of(event: str, now: float, **facts: str) -> Event:
    """An entry as it is kept: its words cut to what a slot has room for."""
    words = {name: word.encode("ascii", "replace").decode()[:WORD] for name, word in facts.items()}
    return Event(event, "safe", now, "", os.getpid(), None, time.monotonic_ns() % 1_000_000_000, clean(words))


def _put(state_dir: Path, persist_dir: Path | None, event: str, now: float, facts: Mapping[str, str]) -> None:
    entry = entry_of(event, now, **facts)
    with _opened(state_dir) as slots:
        slots.write(encode(entry))
        slots.sync()
    if persist_dir is not None:
        put_file(persist_dir / BUCKET, entry)
        prune(persist_dir / BUCKET, COUNT)


def _opened(state_dir: Path, ticks: Callable[[], float] = time.monotonic) -> Slots:
    """The file, alone if that is possible: a process that hangs while it writes must not stop the others."""
    deadline = ticks() + BUSY_S
    while True:
        try:
            return Slots(_path(state_dir), COUNT, alone=True)
        except BlockingIOError:
            if ticks() > deadline:
                return Slots(_path(state_dir), COUNT)
            time.sleep(0.01)


def _path(state_dir: Path) -> Path:
    return state_dir / FOLDER / FILE
