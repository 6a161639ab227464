"""Job: one fetch: what it wants, for whom, and how far it is; and the transfers that others may watch.

Keeps the books and tells of them. Decides and transfers nothing (fetch).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from core.errors import StrokescopeError
from core.hub.attempt import Attempt, Want
from core.hub.cache import Cache
from core.hub.entries import Kept
from core.hub.policy import Cancelled
from core.hub.turns import Turn

Pull = Callable[[Sequence[str], Attempt], None]  # fetch these names into the attempt's drafts
Report = Callable[[int, int | None, str], None]  # bytes done, bytes in all, what it waits for
Spare = Callable[[], bool]


@dataclass
class Transfer:
    """One file on its way, seen by all who wait for it."""

    done: threading.Event = field(default_factory=threading.Event)
    kept: Kept | None = None
    error: StrokescopeError | None = None
    bytes: int = 0
    note: str = ""
    fronts: int = 0  # foreground fetches that wait for it


@dataclass
class Job:
    """One fetch: what it wants, for whom, and how far it is.

    Attributes:
        held: leases on its files, so that it does not evict for one image what it answers with another; to be closed.
    """

    wants: Mapping[str, Want]
    pull: Pull
    report: Report
    cancelled: Cancelled
    turn: Turn
    spare: Spare
    files: dict[str, Kept | None] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    own: dict[str, Transfer] = field(default_factory=dict)
    transferred: bool = False
    note: str = ""
    held: ExitStack = field(default_factory=ExitStack)

    def add(self, name: str, kept: Kept | None, cache: Cache) -> None:
        """An image is here, or known to be a null; one that somebody removes at this very moment is not added."""
        if kept is None or self.held.enter_context(cache.lease([kept.path])):
            self.files[name] = kept

    def promoted(self) -> bool:
        """Whether a foreground fetch waits for what this one transfers."""
        return any(transfer.fronts for transfer in self.own.values())

    def yields(self) -> bool:
        """Whether whatever a foreground fetch needs goes before it."""
        return self.turn.background and not self.promoted()

    def reach(self, name: str, count: int) -> None:
        """So many bytes of an image are here."""
        self.bytes[name] = count
        self.tell(self.note)

    def tell(self, note: str) -> None:
        """Report how far it is and what it waits for, and let those see who watch."""
        self.note = note
        done = 0
        for name, want in self.wants.items():
            here = self.bytes.get(name, 0)
            if want.size is not None:
                here = want.size if name in self.files else min(here, want.size)
            done += here
        for name, transfer in self.own.items():
            transfer.bytes, transfer.note = self.bytes.get(name, 0), note
        sizes = [want.size for want in self.wants.values()]
        self.report(done, None if None in sizes else sum(size or 0 for size in sizes), note)
