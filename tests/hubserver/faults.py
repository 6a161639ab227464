"""Faults: ways in which the test Hub misbehaves on demand."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "status",  # answers `status` with `headers`
    "silent",  # accepts the request, never answers
    "hang",  # sends the head and half of the body, then nothing
    "reset",  # sends half of the body, then resets the connection
    "truncate",  # promises the whole body, sends half, closes
    "short",  # promises and sends half: an honest, short answer with the Content-Range that was asked for
    "shifted",  # sends the wrong range, honestly labelled
    "ignore_range",  # answers 200 with the whole file
    "flip",  # one byte of the body is another one
    "drip",  # sends one byte every `delay_s`
    "delay",  # waits `delay_s`, then behaves
    "json",  # a body that is not JSON
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
    """

    kind: Kind
    where: str = "."
    times: int | None = 1
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0


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
