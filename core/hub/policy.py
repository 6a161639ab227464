"""Policy: how long a person would wait for the Hub, and how often we ask again.

Numbers and clocks only: nothing here talks to the network. What the shipped numbers mean on the screen: a Hub that is
dead or drips is told within 5 s for a listing and within 15 s for a case, also when it dies in the middle.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.errors import FetchCancelled, HubTimeout

Cancelled = Callable[[], bool]
Tell = Callable[[str], None]
POLL_S = 0.1  # a cancel is seen within this time
_LONGEST_PAUSE_S = 4.0
_REWARD = 2**20  # bytes; an attempt that brought so many does not count against the budget of attempts
_QUIET_S = 2.0  # without a byte before the user is told so


def tell_nobody(note: str) -> None:
    """For callers that do not watch."""


@dataclass(frozen=True)
class Policy:
    """Limits of one call, in seconds.

    Attributes:
        connect_s: until a connection stands.
        first_byte_s: until an attempt has its answer's head, connection and redirects included.
        stall_s: an attempt is given up that brings less than `pace` bytes in so long.
        patience_s: less than `pace` bytes, over all attempts and their pauses; comes back, second for second, while
            bytes flow.
        total_s: of the whole call, plus `size / slowest_rate` for a transfer of known size.
        attempts: requests in all, the first included; one that brought 1 MiB is not counted.
        pause_s: before the second attempt; doubled for each further one up to 4 s, times 0.5 to 1.5 by chance.
        slowest_rate: bytes per second of a line that we would still wait for.
        pace: bytes that count as a sign of life.
    """

    connect_s: float
    first_byte_s: float
    stall_s: float
    patience_s: float
    total_s: float
    attempts: int
    pause_s: float = 0.25
    slowest_rate: float = 20_000.0
    pace: int = 1024

    def after(self, spent_s: float) -> Policy:
        """The same with less patience: of one for several calls, earlier ones took so many seconds."""
        return replace(self, patience_s=max(0.0, self.patience_s - spent_s))


CONTROL = Policy(connect_s=2.5, first_byte_s=3.0, stall_s=3.0, patience_s=4.5, total_s=4.5, attempts=3)
LISTING = Policy(connect_s=2.5, first_byte_s=3.0, stall_s=3.0, patience_s=4.5, total_s=60.0, attempts=3)
TRANSFER = Policy(
    connect_s=4.0, first_byte_s=8.0, stall_s=8.0, patience_s=14.0, total_s=60.0, attempts=6, pace=16 * 2**10
)


@dataclass(frozen=True)
class Policies:
    """The policies of the three kinds of calls.

    Attributes:
        control: small questions: a commit, one page of a tree. Dead within 4.5 s, whatever happens.
        listing: footers; its `total_s` also bounds a whole tree. Dead within 4.5 s.
        transfer: images. Dead within 14 s.
    """

    control: Policy = CONTROL
    listing: Policy = LISTING
    transfer: Policy = TRANSFER


class Patience:
    """The clock of one call: how much longer may this attempt wait, and the call as a whole. Used by one thread.

    Args:
        size: bytes that the call is to bring, if known.
        tell: told what the call waits for, and "" when bytes flow again.
    """

    def __init__(
        self,
        policy: Policy,
        size: int = 0,
        clock: Callable[[], float] = time.monotonic,
        tell: Tell = tell_nobody,
    ) -> None:
        self.policy = policy
        self._clock, self._tell = clock, tell
        now = clock()
        self._end = now + policy.total_s + size / policy.slowest_rate
        self._lived = self._moved = self._heard = now  # last sign of life of the call, of the attempt; last byte
        self._spent = 0.0  # patience that earlier attempts have used up
        self._window = self._gained = 0  # bytes since the last sign of life, of this attempt
        self._flows = False  # this attempt has its head
        self._note = ""
        self._free = 0
        self.tries = 0

    def begin_attempt(self) -> None:
        """A new request starts now."""
        now = self._clock()
        self._spent += now - self._lived
        self._lived = self._moved = self._heard = now
        self._free += self._gained >= _REWARD
        self._window = self._gained = 0
        self._flows = False
        self.tries += 1

    def head_came(self) -> None:
        """The answer's head is here; its body is still to come."""
        self._moved = self._heard = self._clock()
        self._flows = True

    def fed(self, count: int) -> None:
        """So many bytes of the body have come."""
        now = self._heard = self._clock()
        self._window += count
        self._gained += count
        if self._window >= self.policy.pace:
            self._spent = max(0.0, self._spent - (now - self._lived))
            self._lived = self._moved = now
            self._window = 0
        self.say("")

    def excuse(self, seconds: float) -> None:
        """Time that we ourselves took over the bytes: not the Hub's."""
        self._lived, self._moved, self._heard = (t + seconds for t in (self._lived, self._moved, self._heard))

    def attempt_left(self) -> float:
        """Seconds this attempt may go on without a sign of life."""
        limit = self.policy.stall_s if self._flows else self.policy.first_byte_s
        return min(self._moved + limit - self._clock(), self.call_left())

    def call_left(self) -> float:
        """Seconds the call as a whole may go on without a sign of life."""
        now = self._clock()
        return min(self.policy.patience_s - self._spent - (now - self._lived), self._end - now)

    def may_try_again(self) -> bool:
        """Whether another attempt is in the budget."""
        free = self._free + (self._gained >= _REWARD)
        return self.tries - free < self.policy.attempts and self.call_left() > 0

    def say(self, note: str) -> None:
        """Tell what the call waits for; "" when it does not. The same twice is told once."""
        if note != self._note:
            self._note = note
            self._tell(note)

    def say_if_quiet(self) -> None:
        """Tell that nothing comes, once that is worth telling."""
        if self._clock() - self._heard > _QUIET_S:
            self.say("nothing comes from the Hub; waiting" if self._flows else "waiting for the Hub to answer")

    def pause(self, at_least: float, cancelled: Cancelled) -> None:
        """Wait before the next attempt: jittered, doubling, never beyond what is left of the call.

        Raises:
            FetchCancelled: the user stopped meanwhile.
        """
        wanted = min(self.policy.pause_s * 2 ** max(0, self.tries - 1), _LONGEST_PAUSE_S) * random.uniform(0.5, 1.5)
        if at_least > 0:
            wanted = max(wanted, at_least + self.policy.pause_s * random.random())
        end = self._clock() + min(wanted, max(self.call_left(), 0.0))
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
