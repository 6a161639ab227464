"""Trial: something that is asked of the Hub, asked again after failures that may pass.

A night has outages of minutes; a check of hundreds of gigabytes must not begin anew after each. Knows neither what is
asked nor who is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from core.errors import HubDenied, HubError, HubNotFound, PublishCancelled
from core.publish.sending import Clock, Options, Row

T = TypeVar("T")
_POLL_S = 0.1


@dataclass(frozen=True)
class Trial:
    """How often, and how long between.

    Attributes:
        options: attempts and pauses.
        waits: told what it waits for and for how many seconds yet, ten times a second.
    """

    options: Options
    clock: Clock
    waits: Callable[[str, float], None]
    cancelled: Callable[[], bool]

    def run(self, work: Callable[[], T]) -> T:
        """What `work` gives.

        Raises:
            HubError: the last failure; one that cannot pass (denied, not found), or asks for too long a wait, at once.
            PublishCancelled.
        """
        row = Row(self.options, self.clock)
        while True:
            try:
                return work()
            except (HubDenied, HubNotFound):
                raise
            except HubError as error:
                row.failures += 1
                if row.is_over:
                    raise
                self._rest(row.rest_after(error), str(error))

    def _rest(self, seconds: float, what: str) -> None:
        end = self.clock.now() + seconds
        while (left := end - self.clock.now()) > 0:
            if self.cancelled():
                raise PublishCancelled("stopped", hint="start again: it goes on where it stopped")
            self.waits(what, left)
            self.clock.sleep(min(left, _POLL_S))
