"""Build: the shards of a plan into a staging folder, one at a time, from wherever the last run stopped.

Whatever ends a run (a kill, a full disk, the user), what was recorded as built stays built; at most one shard is begun
anew. Sends and frees nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import PublishCancelled, ShardDamaged
from core.publish.changes import settle
from core.publish.plan import Plan, ShardPlan
from core.publish.room import Room, free_bytes, require, unwritable
from core.publish.shard import Made, make_shard
from core.publish.source import BUFFER, Seen
from core.publish.staging import Staging
from core.publish.view import View

Doing = Literal["comparing", "checking", "building"]
_TRIES = 2  # a shard that is read back otherwise than it was written is written once more


@dataclass(frozen=True)
class Progress:
    """How far a build is.

    Attributes:
        doing: comparing sources with new times, checking what an earlier run built, or building.
        shard: the one at hand.
        done, shards: shards that are there, and all.
        work, works: bytes that passed, and that will have: a shard is written once and read once.
    """

    doing: Doing
    shard: int
    done: int
    shards: int
    work: int
    works: int


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        made: indices that were built now.
        again: those of them that had been built before: damaged, gone, or of a source that changed.
        bytes: of what was made.
    """

    made: tuple[int, ...]
    again: tuple[int, ...]
    bytes: int


def build(
    plan: Plan,
    staging: Staging,
    tell: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    room: Room = free_bytes,
    only: Collection[int] | None = None,
    compare: bool = False,
    thorough: bool = True,
) -> Built:
    """Build what is missing.

    Args:
        tell: called for every megabyte or so.
        only: indices; None for all.
        compare: whether the source of others than `only` changed, too.
        thorough: sum what an earlier run built, not only its size.

    Raises:
        DiskFull: says how much is missing. PublishCancelled. SourceChanged, ShardDamaged, BadTree, PublishError.
        After any of them another call goes on.
    """
    wanted = list(plan.shards) if only is None else [plan.shards[index] for index in sorted(set(only))]
    meter = _Meter(plan, staging, tell, cancelled)
    again = list(settle(plan, staging, meter.seen, None if compare else only))
    meter.expect(sum(shard.bytes for shard in wanted if staging[shard.index].state == "built" and thorough))
    for shard in wanted:
        meter.turn("checking", shard.index)
        if not is_good(staging.view, shard.index, meter.seen, thorough):
            staging.again(shard.index)
            again.append(shard.index)
    meter.count()
    missing = [shard for shard in wanted if not staging[shard.index].is_made]
    meter.expect(2 * sum(shard.bytes for shard in missing))
    size = 0
    for shard in missing:
        meter.turn("building", shard.index)
        made = _make(plan, shard, staging.view.folder, room, meter.seen)
        staging.built(shard.index, made)
        meter.done += 1
        size += made.bytes
        meter.turn("building", shard.index)
    return Built(tuple(shard.index for shard in missing), tuple(sorted(set(again))), size)


def is_good(view: View, index: int, seen: Seen, thorough: bool = True) -> bool:
    """Whether a shard that should lie in the folder does, with the bytes that were built.

    What is only planned, proven or freed is as good as it has to be.

    Args:
        thorough: its sum is compared if it is not sent yet; otherwise its size alone.
    """
    record = view.shards[index]
    if record.state not in ("built", "sent"):
        return True
    path = view.place(index)
    try:
        if not path.is_file() or path.stat().st_size != record.bytes:
            return False
        return record.state == "sent" or not thorough or sum_shard(path, seen) == record.sha256
    except OSError:
        return False


def sum_shard(path: Path, seen: Seen) -> str:
    """The sha256 of a file's bytes. Raises OSError."""
    found, buffer = hashlib.sha256(), memoryview(bytearray(BUFFER))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(buffer[:count])
            seen(count)
    return found.hexdigest()


def _make(plan: Plan, shard: ShardPlan, folder: Path, room: Room, seen: Seen) -> Made:
    for left in reversed(range(_TRIES)):
        try:
            require(shard.bytes, room(folder))
            return make_shard(folder / shard.name, plan.root, shard.rows, plan.layout, seen)
        except ShardDamaged:
            if not left:
                raise
        except OSError as error:
            raise unwritable(error, shard.bytes, folder, room) from None
    raise AssertionError


class _Meter:
    """Counts bytes, tells how far it is, and stops when the user wants to."""

    def __init__(
        self, plan: Plan, staging: Staging, tell: Callable[[Progress], None], cancelled: Callable[[], bool]
    ) -> None:
        self._shards, self._staging, self._tell, self._cancelled = len(plan.shards), staging, tell, cancelled
        self._doing: Doing = "comparing"
        self._shard = self.done = self._work = self._works = 0
        self.count()

    def expect(self, count: int) -> None:
        """So many more bytes will pass."""
        self._works += count

    def turn(self, doing: Doing, shard: int) -> None:
        """Now this shard."""
        self._doing, self._shard = doing, shard
        self.seen(0)

    def count(self) -> None:
        """See which shards are there; not at every megabyte, as there may be ten thousand of them."""
        self.done = sum(1 for shard in self._staging.view.shards if shard.is_made)

    def seen(self, count: int) -> None:
        """So many bytes passed. Raises PublishCancelled."""
        if self._cancelled():
            raise PublishCancelled("stopped", hint="start again: it goes on where it stopped")
        self._work += count
        works = max(self._work, self._works)
        self._tell(Progress(self._doing, self._shard, self.done, self._shards, self._work, works))
