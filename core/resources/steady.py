"""Steady: one look after the other, none of which ends the looking.

A system that refuses for a while (no file handle left, a folder that goes away) costs the looks of that while, is told
once when it begins and once when it is over. Faults of our own are not caught.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

import psutil

LOG = logging.getLogger("strokescope.resources")
REFUSALS = (OSError, psutil.Error)


class Steady:
    """For one thread. `what` names the look in the log."""

    def __init__(self, what: str) -> None:
        self._what, self.failed = what, 0

    def __call__(self, look: Callable[[], object]) -> bool:
        """Look; False when the system refused."""
        try:
            look()
        except REFUSALS as error:
            self.failed += 1
            if self.failed == 1:
                LOG.warning("%s is not possible for now (%s)", self._what, _word(error))
            return False
        if self.failed:
            LOG.info("%s is possible again, after %d tries", self._what, self.failed)
            self.failed = 0
        return True


def _word(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)
