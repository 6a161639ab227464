"""Looked: how far a verification is, for whoever watches it. Looks at nothing itself (verify.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        done, shards: looked at, and to be looked at: their ends first, then those that are read back.
        shard: the one that is read back, "" before.
        bytes, total: of what is read back; 0 before.
        note: what it waits for. rest_s: seconds until it tries again; None unless it waits for that.
    """

    done: int
    shards: int
    shard: str = ""
    bytes: int = 0
    total: int = 0
    note: str = ""
    rest_s: float | None = None


class Meter:
    """Tells how far it is."""

    def __init__(self, tell: Callable[[Progress], None], shards: int) -> None:
        self._tell, self._now = tell, Progress(0, shards)
        self._names: set[str] = set()

    def looked(self, done: int, of: int) -> None:
        """So many ends were looked at."""
        self._say(done=done, shards=of)

    def expect(self, shards: int, size: int) -> None:
        """So much is to be read back."""
        self._now = Progress(0, shards, total=size)

    def fetched(self, name: str, count: int) -> None:
        """So many more bytes of a shard came."""
        self._names.add(name)
        self._say(shard=name, done=len(self._names) - 1, bytes=min(self._now.total, self._now.bytes + count))

    def waits(self, note: str, seconds: float) -> None:
        """It will try again."""
        self._tell(dataclasses.replace(self._now, note=note, rest_s=seconds))

    def _say(self, **now: int | str) -> None:
        self._now = dataclasses.replace(self._now, **now)  # type: ignore[arg-type]
        self._tell(self._now)
