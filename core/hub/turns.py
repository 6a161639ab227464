"""Turns: for whom a transfer runs, and who goes next when all places are taken.

`first` decides from what waits and what runs; `Turns` waits and keeps the books. Knows nothing of what is transferred.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.hub.policy import POLL_S, Cancelled, stop_if

PLACES = 6  # transfers at once
BACKGROUND_PLACES = 2  # of them, at most


@dataclass(frozen=True)
class Turn:
    """For whom a transfer runs.

    Attributes:
        who: opaque name of a session, for fairness among them; never shown or logged.
        background: a prefetch, which goes last, yields to everyone and takes nothing from anyone.
    """

    who: str = ""
    background: bool = False


FRONT = Turn()


@dataclass(frozen=True)
class Asked:
    """One transfer that waits or runs. `number` grows with each that comes."""

    number: int
    turn: Turn


def queue(waiting: Sequence[Asked], running: Sequence[Asked]) -> list[Asked]:
    """Who waits, in the order in which they go: foreground first, then who runs the fewest, then who came first."""

    def rank(asked: Asked) -> tuple[bool, int, int]:
        held = sum(other.turn.who == asked.turn.who for other in running)
        return asked.turn.background, held, asked.number

    return sorted(waiting, key=rank)


def first(waiting: Sequence[Asked], running: Sequence[Asked], places: int = PLACES) -> Asked | None:
    """Who may start now; None while nobody may."""
    line = queue(waiting, running)
    if not line or len(running) >= places:
        return None
    behind = sum(asked.turn.background for asked in running)
    return None if line[0].turn.background and behind >= min(BACKGROUND_PLACES, places) else line[0]


class Turns:
    """The places of one process. Safe to use from several threads.

    Args:
        places: transfers at once.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._running: list[_Ticket] = []

    @contextmanager
    def place(
        self,
        turn: Turn,
        cancelled: Cancelled,
        waiting: Callable[[int], None] = lambda before: None,
        promoted: Callable[[], bool] = lambda: False,
    ) -> Iterator[None]:
        """One of the places inside the block.

        Args:
            waiting: told how many go before, about ten times a second while it waits.
            promoted: whether a background transfer counts as foreground, because someone waits for it by now.

        Raises:
            FetchCancelled: the user stopped while it waited.
        """
        ticket = _Ticket(next(self._numbers), turn, promoted)
        with self._changed:
            self._waiting.append(ticket)
        try:
            while (before := self._enter(ticket)) is not None:
                waiting(before)
                stop_if(cancelled)
            yield
        finally:
            with self._changed:
                for tickets in (self._waiting, self._running):
                    if ticket in tickets:
                        tickets.remove(ticket)
                self._changed.notify_all()

    def busy(self) -> bool:
        """Whether a foreground transfer runs or waits, so that background has to yield."""
        with self._changed:
            return any(not ticket.asked().turn.background for ticket in (*self._running, *self._waiting))

    def _enter(self, ticket: _Ticket) -> int | None:
        """None once the place is taken; otherwise, after POLL_S at most, how many go before."""
        with self._changed:
            if not self._may(ticket):
                self._changed.wait(POLL_S)
            if self._may(ticket):
                self._waiting.remove(ticket)
                self._running.append(ticket)
                self._changed.notify_all()
                return None
            line = queue([t.asked() for t in self._waiting], [t.asked() for t in self._running])
            return [asked.number for asked in line].index(ticket.number)

    def _may(self, ticket: _Ticket) -> bool:
        chosen = first([t.asked() for t in self._waiting], [t.asked() for t in self._running], self._places)
        return chosen is not None and chosen.number == ticket.number


@dataclass(frozen=True, eq=False)
class _Ticket:
    """A transfer that asked for a place; its turn may change while it waits or runs."""

    number: int
    turn: Turn
    promoted: Callable[[], bool]

    def asked(self) -> Asked:
        """As it stands now."""
        return Asked(self.number, Turn(self.turn.who, self.turn.background and not self.promoted()))
