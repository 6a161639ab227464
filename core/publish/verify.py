"""Verify: is everything in the repository? Path by path against the staging folder's record, and back to the source.

By default the Hub's list (size, sha256) and each shard's end; on request shards are fetched and each image's bytes
compared with the source's. Records what it finds, so that what is missing can be sent again; sends and deletes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from core.errors import PublishError, ShardDamaged, SourceChanged
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled
from core.hub.ranges import Line, copy_whole
from core.publish.proof import Looks, look_up, paths, settle, stopping
from core.publish.readback import Found, read_shard
from core.publish.records import ShardRecord
from core.publish.room import Room, free_bytes, require, unwritable
from core.publish.shard import part_of
from core.publish.source import sum_file
from core.publish.staging import Staging

_NAMED = 20  # paths that the text lists


@dataclass(frozen=True)
class Progress:
    """How far it is: shards read back and to be read back, and which is at hand."""

    done: int
    shards: int
    shard: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Verified:
    """What the repository holds.

    Attributes:
        commit: that was looked at.
        shards: that there should be. verified: that are there.
        missing, different, unexpected: paths in the repository; unexpected are those that `datasets` would read.
        unread: missing ones that the repository lists and does not give.
        read_back: shards that were fetched and compared image by image.
        unsourced: of those, shards whose source is not there any more, or another; compared with what was built.
        images: that were compared.
    """

    repo: str
    revision: str
    commit: str
    shards: int
    verified: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    unexpected: tuple[str, ...]
    unread: tuple[str, ...] = ()
    read_back: int = 0
    unsourced: tuple[str, ...] = ()
    images: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything is there and nothing else."""
        return self.verified == self.shards and not (self.missing or self.different or self.unexpected)


def verify(
    staging: Staging,
    hub: Hub,
    tell: Callable[[Progress], None] = lambda progress: None,
    cancelled: Cancelled = lambda: False,
    *,
    read_back: int | None = 0,
    seed: int = 0,
    room: Room = free_bytes,
) -> Verified:
    """Look at the repository.

    Args:
        read_back: shards to fetch and compare, chosen by `seed`; None for all.
        room: a shard that is read back needs its own size on the staging folder's disk for a while.

    Raises:
        HubError: it could not be looked at. PublishCancelled, DiskFull, PublishError.
    """
    identity = staging.view.identity
    remote = look_up(hub, identity.repo, identity.revision, cancelled)
    looks, shards = Looks(), staging.view.shards  # as they were: what is lacking is to be sent or built again now
    found = settle(staging, hub, remote, looks, cancelled)
    there = [index for index in found.proven if index not in looks.bad]
    reader = _Reader(hub, staging, tell, cancelled, room)
    chosen = there if read_back is None else sorted(Random(seed).sample(there, min(read_back, len(there))))
    wrong = reader.read([(shards[index], remote.files[shards[index].name]) for index in chosen])
    view, unread = staging.view, paths(staging.view, sorted(looks.bad))
    return Verified(
        *(identity.repo, identity.revision, remote.commit),
        len(view.shards),
        len(there) - len(wrong),
        tuple(sorted((*paths(view, found.missing), *unread))),
        tuple(sorted((*paths(view, found.different), *wrong))),
        found.unexpected,
        unread,
        len(chosen),
        tuple(reader.unsourced),
        reader.images,
    )


def as_json(found: Verified) -> dict[str, object]:
    """All of it, for a program."""
    return {
        "repo": found.repo,
        "revision": found.revision,
        "commit": found.commit,
        "shards": found.shards,
        "verified": found.verified,
        "missing": list(found.missing),
        "different": list(found.different),
        "unexpected": list(found.unexpected),
        "unread": list(found.unread),
        "read_back": found.read_back,
        "unsourced": list(found.unsourced),
        "images": found.images,
        "ok": found.ok,
    }


def as_text(found: Verified, folder: Path) -> str:
    """All of it, for a person; with the command that removes the staging folder if nothing is missing."""
    lines = [
        f"{found.repo}@{found.revision}, commit {found.commit}",
        f"{found.verified} of {found.shards} shards are there with the right size and sha256",
    ]
    if found.read_back:
        lines.append(f"{found.read_back} shards were read back, {found.images} images compared byte by byte")
    for what, listed in (
        ("missing", found.missing),
        ("of them listed by the Hub, which cannot give them", found.unread),
        ("different", found.different),
        ("unexpected", found.unexpected),
        ("compared without their source, which is gone or another", found.unsourced),
    ):
        if listed:
            lines.append(f"{what}: {len(listed)}")
            lines += [f"  {path}" for path in listed[:_NAMED]] + ["  …"] * (len(listed) > _NAMED)
    if found.ok:
        lines += ["Everything is there.", f"The staging folder is not needed any more: {cleanup_command(folder)}"]
    else:
        lines.append("Not everything is there; keep the staging folder.")
    return "\n".join(lines) + "\n"


def cleanup_command(folder: Path) -> str:
    """What a person may run when all is proven; nothing here does."""
    return shlex.join(["rm", "-rf", "--", str(folder.expanduser().absolute())])


class _Reader:
    """Fetches shards and compares their images with the source."""

    def __init__(
        self, hub: Hub, staging: Staging, tell: Callable[[Progress], None], cancelled: Cancelled, room: Room
    ) -> None:
        self._hub, self._staging, self._tell, self._cancelled, self._room = hub, staging, tell, cancelled, room
        self.unsourced: list[str] = []
        self.images = 0

    def read(self, shards: Sequence[tuple[ShardRecord, RemoteFile]]) -> tuple[str, ...]:
        """Paths of those that are not what was built."""
        wrong = []
        for done, (shard, file) in enumerate(shards):
            self._tell(Progress(done, len(shards), shard.name))
            if not self._is_same(shard, file, lambda count, at=done: self._seen(at, len(shards))):  # type: ignore[misc]
                wrong.append(shard.name)
        self._tell(Progress(len(shards), len(shards)))
        return tuple(wrong)

    def _seen(self, done: int, shards: int) -> None:
        with stopping():
            self._tell(Progress(done, shards))

    def _is_same(self, shard: ShardRecord, file: RemoteFile, seen: Callable[[int], None]) -> bool:
        folder = self._staging.view.folder
        part = part_of(folder / shard.name)
        try:
            require(shard.bytes, self._room(folder))
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out, stopping():
                line = Line(self._hub, self._hub.policies.transfer, self._cancelled)
                copy_whole(line, file, shard.bytes, lambda data: _written(out.write(data), seen))
            found = read_shard(part, seen)
        except ShardDamaged:
            return False
        except OSError as error:
            raise unwritable(error, shard.bytes, folder, self._room) from None
        finally:
            part.unlink(missing_ok=True)
        return found.sha256 == shard.sha256 and self._has_source(shard, found, seen)

    def _has_source(self, shard: ShardRecord, found: Found, seen: Callable[[int], None]) -> bool:
        """Whether its images are those of the source, or of what was built where the source is gone."""
        places = sorted(found.images, key=lambda place: place[0])  # a row's columns are in the file's order already
        sums = tuple(one for place in places for one in found.images[place])
        self.images += len(sums)
        if sorted(sums) != sorted(shard.sums):
            return False
        try:
            source = [sum_file(self._staging.view.root / ref.path, ref, seen) for ref in shard.files]
        except (SourceChanged, PublishError):
            self.unsourced.append(shard.name)
            return True
        return tuple(source) == shard.sums


def _written(count: int, seen: Callable[[int], None]) -> None:
    seen(count)
