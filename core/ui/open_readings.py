"""Open readings: results that are open in this process, and what was seen of them; shared by all sessions, bounded.

By the content of the files they came from, so who looks at the same result shares it. Opens and measures nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from core.workflows.looking import Look
from core.workflows.reading import Reading

MOST_READINGS, MOST_BYTES, MOST_LOOKS = 8, 600_000_000, 256


class OpenReadings:
    """Safe to use from several threads. The newest reading stays whatever its size; older ones go first."""

    def __init__(self, most: int = MOST_READINGS, most_bytes: int = MOST_BYTES, most_looks: int = MOST_LOOKS) -> None:
        self._most, self._most_bytes, self._most_looks = most, most_bytes, most_looks
        self._readings: OrderedDict[Hashable, Reading] = OrderedDict()
        self._looks: OrderedDict[Hashable, Look] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all of them hold."""
        with self._lock:
            return sum(reading.nbytes for reading in self._readings.values())

    def __len__(self) -> int:
        """How many readings are open."""
        with self._lock:
            return len(self._readings)

    def reading(self, key: Hashable) -> Reading | None:
        """The reading of that key, if it is open."""
        with self._lock:
            if key in self._readings:
                self._readings.move_to_end(key)
            return self._readings.get(key)

    def keep(self, key: Hashable, reading: Reading) -> None:
        """Keep it open, and let older ones go that do not fit beside it."""
        with self._lock:
            self._readings[key] = reading
            self._readings.move_to_end(key)
            while len(self._readings) > 1 and self._too_much():
                self._readings.popitem(last=False)

    def look(self, key: Hashable) -> Look | None:
        """What was seen there, if its files are still on the disk."""
        with self._lock:
            found = self._looks.get(key)
        if found is None:
            return None
        there = found.mask.is_file() and (found.overlap is None or found.overlap.is_file())
        return found if there else None

    def note(self, key: Hashable, look: Look) -> None:
        """Remember what was seen."""
        with self._lock:
            self._looks[key] = look
            self._looks.move_to_end(key)
            while len(self._looks) > self._most_looks:
                self._looks.popitem(last=False)

    def clear(self) -> None:
        """Give all memory back; what is on a screen stays there, and is opened anew when somebody moves its slider."""
        with self._lock:
            self._readings.clear()
            self._looks.clear()

    def _too_much(self) -> bool:
        size = sum(reading.nbytes for reading in self._readings.values())
        return len(self._readings) > self._most or size > self._most_bytes
