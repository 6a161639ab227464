"""Faults: ways in which the test Hub misbehaves on demand."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    # instead of an answer
    "silent",  # accepts the request, never answers
    "drop",  # closes the connection without an answer
    "delay",  # waits `delay_s`, then behaves
    # another answer
    "status",  # answers `status` with `headers`
    "json",  # 200 with HTML
    "dead",  # redirects to an origin where nobody listens
    "circle",  # redirects to itself
    "expired",  # redirects to a second origin that refuses the address
    "scheme",  # redirects to an address that is not the web's
    "heads",  # headers of absurd size
    # of a range
    "short",  # promises and sends half: an honest, short answer with the Content-Range that was asked for
    "shifted",  # sends the wrong range, honestly labelled
    "ignore_range",  # answers 200 with the whole file
    # of the body
    "hang",  # sends half of it, then nothing
    "trickle",  # sends a few bytes of it, then nothing
    "drip",  # sends one byte every `delay_s`
    "slow",  # sends it at `rate`
    "reset",  # sends half of it, then resets the connection
    "truncate",  # promises the whole of it, sends half, closes
    "longer",  # promises one byte less than it sends
    "flip",  # one byte of it is another one
    # of an upload
    "tear",  # resets the connection in the middle of the body that comes
    "expire",  # from now on refuses the token
    "lose",  # says that it has the object, and has not
    "damage",  # keeps the object with a byte that is another one
    "applied",  # commits, and answers `status`
    "left_out",  # commits without the last file, and answers that all is well
]


@dataclass
class Fault:
    """One fault.

    Attributes:
        kind: what goes wrong.
        where: regular expression, searched in the path of the request.
        times: how often; None for ever.
        status, headers: of a "status" fault.
        delay_s: of "delay" and "drip".
        rate: bytes per second of "slow".
    """

    kind: Kind
    where: str = "."
    times: int | None = 1
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    rate: float = 1e6


class Faults:
    """The faults in force; counts down as they strike."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Put faults in force."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        with self._lock:
            for fault in self._faults:
                if re.search(fault.where, path) and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None
