"""Safe mode: after repeated abnormal ends nothing is loaded by itself, and what ended the app is in quarantine.

`decide` is pure. The ends are kept in a preallocated file of the state folder, which a full disk cannot refuse, and one
file each in the persistent folder. Two ends in the same phase and case, or three within 15 minutes, begin safe mode; a
person or ten minutes of healthy running end it. A pair that has ended twice stays in quarantine until it succeeds or a
person says so. Ends no process and starts none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.resources.events import Event, clean, decode, encode, prune, put_file, read_files
from core.resources.recorder import FOLDER
from core.resources.slots import Slots, read_slots

FILE, BUCKET = "safe.slots", "safe"
COUNT = 64
WORD = 60  # letters of a phase, case, class or key: four of them fit a slot
SAME, MANY, WINDOW_S, HEALTHY_S = 2, 3, 15 * 60.0, 10 * 60.0  # facts, spaces
BUSY_S = 5.0  # how long a writer waits for another
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
        return not self.active and (cut(phase), cut(case)) not in self.quarantined


OFF = SafeMode(False, "", (), None)


def decide(entries: Sequence[Event]) -> SafeMode:
    """The state after these entries: END (facts phase, case, class, key, ended), DONE, HEALTHY and LEFT.

    A key counts once. What ended in one place alone is forgotten after healthy running.

    Args:
        entries: in the order in which they were written; a clock may have been set in between.
    """
    recent: list[Event] = []
    counts: dict[Pair, int] = {}
    held: dict[Pair, None] = {}
    seen: set[str] = set()
    state = OFF
    for entry in entries:
        pair = entry.text("phase"), entry.text("case")
        if entry.event == LEFT:
            recent, counts, held, state = [], {}, {}, OFF
        elif entry.event == HEALTHY:
            recent, counts, state = [], {pair: count for pair, count in counts.items() if count >= SAME}, OFF
        elif entry.event == DONE:
            counts.pop(pair, None)
            held.pop(pair, None)
        elif entry.event == END and not (entry.text("key") and entry.text("key") in seen):
            seen.add(entry.text("key"))
            recent = [one for one in recent if abs(_ended(entry) - _ended(one)) <= WINDOW_S] + [entry]
            counts[pair] = counts.get(pair, 0) + 1
            reason = _reason(pair, counts[pair], len(recent))
            guilty = [pair] if pair[0] and counts[pair] >= SAME else []
            if len(recent) >= MANY:
                guilty += [p for one in recent if all(p := (one.text("phase"), one.text("case")))]
            held |= dict.fromkeys(guilty)
            if reason:
                state = SafeMode(True, reason, (), state.since if state.active else entry.at)
    return SafeMode(state.active, state.reason, tuple(held), state.since)


def _ended(entry: Event) -> float:
    """When it ended, which may be long before somebody found out and counted it."""
    try:
        return float(entry.text("ended") or entry.at)
    except ValueError:
        return entry.at


def _reason(pair: Pair, count: int, recent: int) -> str:
    where = f'in the step "{pair[0]}"' + (f" of case {pair[1]}" if pair[1] else "")
    if pair[0] and count >= SAME:
        return f"{count} abnormal ends {where}"
    return f"{recent} abnormal ends within 15 minutes" if recent >= MANY else ""


def pending(entries: Sequence[Event]) -> bool:
    """Whether ends count that healthy running would clear."""
    return newest_end(entries) is not None


def newest_end(entries: Sequence[Event]) -> Event | None:
    """The last of the ends that healthy running would clear."""
    for entry in reversed(entries):
        if entry.event in (HEALTHY, LEFT):
            return None
        if entry.event == END:
            return entry
    return None


def is_done(entries: Sequence[Event], phase: str, case: str) -> bool:
    """Whether no end of this step counts any more, so that its success would say nothing new."""
    pair = cut(phase), cut(case)
    for entry in reversed(entries):
        if entry.event == LEFT:
            return True
        if (entry.text("phase"), entry.text("case")) == pair and entry.event in (END, DONE):
            return entry.event == DONE
    return True


def safe_mode(state_dir: Path, persist_dir: Path | None = None) -> SafeMode:
    """The state as the folders have it."""
    return decide(read_entries(state_dir, persist_dir))


def note_end(
    state_dir: Path, persist_dir: Path | None, phase: str, case: str, class_: str, now: float, key: str = ""
) -> SafeMode:
    """Count an abnormal end of the app or a worker; the same `key` counts once. Returns the state after it.

    Raises:
        OSError: it could not be kept in one of the folders.
    """
    entry = entry_of(END, now, **{"phase": phase, "case": case, "class": class_, "key": key})
    keep(state_dir, [entry])
    if persist_dir is not None:
        put(persist_dir, [entry])
    return safe_mode(state_dir, persist_dir)


def prepare(state_dir: Path, persist_dir: Path | None) -> None:
    """Make the file while there is room; in a fresh container, with what the persistent folder holds.

    Raises:
        OSError: it could not be made.
    """
    known = bool(read_slots(_path(state_dir)).slots)
    keep(state_dir, () if known else read_entries(state_dir, persist_dir))


def keep(state_dir: Path, entries: Iterable[Event]) -> None:
    """Add entries to the state folder's file and wait until the disk has them.

    Raises:
        OSError: they could not be kept.
    """
    with _opened(state_dir) as slots:
        for entry in entries:
            slots.write(encode(entry))
        slots.sync()


def put(persist_dir: Path, entries: Iterable[Event]) -> None:
    """Add entries to the persistent folder, one file each.

    Raises:
        OSError: they could not be kept.
    """
    folder = persist_dir / BUCKET
    for entry in entries:
        with suppress(FileExistsError):  # it was kept when somebody had ceased to wait for it
            put_file(folder, entry)
    prune(folder, COUNT)


def read_entries(state_dir: Path, persist_dir: Path | None = None) -> tuple[Event, ...]:
    """What is kept, as written; the persistent folder is asked when the state folder knows nothing."""
    found = [decode(payload) for _, payload in read_slots(_path(state_dir)).slots]
    entries = tuple(entry for entry in found if entry is not None)
    return entries if entries or persist_dir is None else read_files(persist_dir / BUCKET)[0]


def cut(word: str) -> str:
    """A word as an entry keeps it."""
    return str(clean({"": word.encode("ascii", "replace").decode()})[""])[:WORD].rstrip()


def entry_of(event: str, now: float, **facts: str) -> Event:
    """An entry as it is kept: its words cut to what a slot has room for."""
    words = {name: cut(word) for name, word in facts.items()}
    return Event(event, "safe", now, "", os.getpid(), None, time.monotonic_ns() % 1_000_000_000, words)


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
