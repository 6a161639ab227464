"""Fetchback: shards fetched from the repository and compared, image by image, with what was built and with the source.

The one look that finds a byte that changed within a shard. Records and sends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from core.errors import HubCorrupt, HubNotFound, HubServerError, PublishCancelled, PublishError
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled
from core.hub.ranges import Line, copy_whole
from core.publish.proof import GONE, stopping
from core.publish.readback import Found, read_shard
from core.publish.records import ShardRecord
from core.publish.room import Room, require, unwritable
from core.publish.shard import part_of
from core.publish.source import sum_file
from core.publish.trial import Trial
from core.publish.view import View

Seen = Callable[[str, int], None]  # a shard's path, and how many more of its bytes came
Judged = Callable[[int, bool], None]  # a shard's index, and whether it came as it was built


@dataclass(frozen=True)
class Fetched:
    """What came.

    Attributes:
        shards: that were asked for.
        wrong: paths of those that are not what was built.
        unread: of those that the repository lists and does not give.
        unsourced: of those whose source is gone, or another; compared with what was built.
        stale: of those whose source has other bytes than were built, under the same size and time.
        images: that were compared.
    """

    shards: int = 0
    wrong: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unsourced: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    images: int = 0


def fetch_back(
    view: View,
    hub: Hub,
    shards: Sequence[tuple[ShardRecord, RemoteFile]],
    trial: Trial,
    seen: Seen,
    cancelled: Cancelled,
    room: Room | None,
    judged: Judged,
) -> Fetched:
    """Fetch these shards, one after the other.

    Args:
        trial: how often each is asked for again after failures that may pass.
        room: of the staging folder's disk, of which a shard takes its own bytes for a while. None: the shards' sums are
            compared and not their images, which takes none.
        judged: told of each shard as soon as it is known, whatever ends the rest.

    Raises:
        HubError: the repository cannot be asked. PublishCancelled, DiskFull, PublishError.
    """
    fetcher = _Fetcher(view, hub, seen, cancelled, room)
    for shard, file in shards:
        trial.run(lambda shard=shard, file=file: fetcher.fetch(shard, file))  # type: ignore[misc]
        judged(shard.index, shard.name not in (*fetcher.wrong, *fetcher.unread))
    named = (fetcher.wrong, fetcher.unread, fetcher.unsourced, fetcher.stale)
    wrong, unread, unsourced, stale = map(tuple[str, ...], named)
    return Fetched(len(shards), wrong, unread, unsourced, stale, fetcher.images)


class _Fetcher:
    """Fetches one shard at a time, and gathers what is wrong."""

    def __init__(self, view: View, hub: Hub, seen: Seen, cancelled: Cancelled, room: Room | None) -> None:
        self._view, self._hub, self._seen, self._cancelled, self._room = view, hub, seen, cancelled, room
        self.wrong: list[str] = []
        self.unread: list[str] = []
        self.unsourced: list[str] = []
        self.stale: list[str] = []
        self.images = 0

    def fetch(self, shard: ShardRecord, file: RemoteFile) -> None:
        """One shard. Raises HubError where the repository may give it yet."""
        try:
            same = self._same_sum(shard, file, None) if self._room is None else self._same(shard, file, self._room)
            if not same:
                self.wrong.append(shard.name)
        except (HubNotFound, HubCorrupt):
            self.unread.append(shard.name)
        except HubServerError as error:
            if error.storage_status not in GONE:
                raise
            self.unread.append(shard.name)

    def _same(self, shard: ShardRecord, file: RemoteFile, room: Room) -> bool:
        """Whether it has the right sum and images; of a wrong sum nothing is parsed."""
        folder = self._view.folder
        part = part_of(folder / shard.name)
        try:
            require(shard.bytes, room(folder))
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                same = self._same_sum(shard, file, out)
            return same and self._has_source(shard, read_shard(part, self._passed))
        except OSError as error:
            raise unwritable(error, shard.bytes, folder, room) from None
        finally:
            part.unlink(missing_ok=True)

    def _same_sum(self, shard: ShardRecord, file: RemoteFile, out: BinaryIO | None) -> bool:
        found = hashlib.sha256()

        def sink(data: bytes) -> None:
            found.update(data)
            if out is not None:
                out.write(data)
            self._seen(shard.name, len(data))

        with stopping():
            copy_whole(Line(self._hub, self._hub.policies.transfer, self._cancelled), file, shard.bytes, sink)
        return found.hexdigest() == shard.sha256

    def _passed(self, count: int) -> None:
        if self._cancelled():
            raise PublishCancelled("stopped", hint="start again; nothing was changed")

    def _has_source(self, shard: ShardRecord, found: Found) -> bool:
        """Whether its images are those that were built; a source that is gone, or another now, is named."""
        places = sorted(found.images, key=lambda place: place[0])  # a row's columns are in the file's order already
        sums = tuple(one for place in places for one in found.images[place])
        self.images += len(sums)
        if sorted(sums) != sorted(shard.sums):
            return False
        try:
            source = [sum_file(self._view.root / ref.path, ref, self._passed) for ref in shard.files]
        except PublishCancelled:
            raise
        except PublishError:
            self.unsourced.append(shard.name)
            return True
        if tuple(source) != shard.sums:
            self.stale.append(shard.name)
        return True
