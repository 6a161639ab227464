"""Policy: how long a person would wait for the Hub, and how often we ask again.

Numbers and clocks only: nothing here talks to the network.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import FetchCancelled, HubTimeout

Cancelled = Callable[[], bool]
POLL_S = 0.1  # a cancel is seen within this time


@dataclass(frozen=True)
class Policy:
    """Limits of one call, in seconds.

    Attributes:
        connect_s: until a connection stands.
        stall_s: without a byte before one attempt is given up.
        patience_s: without a byte, over all attempts.
        total_s: of the whole call, plus `size / slowest_rate` for a transfer of known size.
        attempts: requests in all, the first included.
        pause_s: before the second attempt; doubled for each further one, with jitter.
    """

    connect_s: float
    stall_s: float
    patience_s: float
    total_s: float
    attempts: int
    pause_s: float = 0.25
    slowest_rate: float = 20_000.0


CONTROL = Policy(connect_s=3.0, stall_s=4.5, patience_s=4.5, total_s=4.5, attempts=3)
LISTING = Policy(connect_s=3.0, stall_s=4.5, patience_s=4.5, total_s=60.0, attempts=3)
TRANSFER = Policy(connect_s=5.0, stall_s=8.0, patience_s=14.0, total_s=60.0, attempts=5)


@dataclass(frozen=True)
class Policies:
    """The policies of the three kinds of calls: small questions, listings and footers, images."""

    control: Policy = CONTROL
    listing: Policy = LISTING
    transfer: Policy = TRANSFER


class Patience:
    """The clock of one call: when did the last byte come, how much longer may this attempt wait."""

    def __init__(self, policy: Policy, size: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.policy = policy
        self._clock = clock
        self._end = clock() + policy.total_s + size / policy.slowest_rate
        self._fed = self._attempt = clock()
        self.tries = 0

    def begin_attempt(self) -> None:
        """A new request starts now."""
        self.tries += 1
        self._attempt = self._clock()

    def fed(self) -> None:
        """A byte of the body has come."""
        self._fed = self._clock()

    def attempt_left(self) -> float:
        """Seconds this attempt may go on without a byte."""
        return min(max(self._fed, self._attempt) + self.policy.stall_s - self._clock(), self.call_left())

    def call_left(self) -> float:
        """Seconds the call as a whole may go on without a byte."""
        return min(self._fed + self.policy.patience_s, self._end) - self._clock()

    def may_try_again(self) -> bool:
        """Whether another attempt is in the budget."""
        return self.tries < self.policy.attempts and self.call_left() > 0

    def pause(self, at_least: float, cancelled: Cancelled) -> None:
        """Wait before the next attempt: jittered, doubling, never beyond what is left of the call.

        Raises:
            FetchCancelled: the user stopped meanwhile.
        """
        wanted = self.policy.pause_s * 2 ** (self.tries - 1) * random.uniform(0.5, 1.5)
        end = self._clock() + min(max(wanted, at_least), max(self.call_left(), 0.0))
        while (left := end - self._clock()) > 0:
            stop_if(cancelled)
            time.sleep(min(left, POLL_S))


def stop_if(cancelled: Cancelled) -> None:
    """Raise FetchCancelled if the user has stopped."""
    if cancelled():
        raise FetchCancelled("the transfer was stopped", hint="choose the case again to fetch it")


def timed_out(what: str) -> HubTimeout:
    """The error for a call whose patience is used up."""
    return HubTimeout(
        f"the Hub did not answer in time for {what}", hint="try again, or use the sample cohort meanwhile"
    )
