"""Changes: what of the source is not what a staging folder was planned for or built from.

By the stamps of its images here, by its tables and the list of its files in rescan.py; `drift` puts both together. New
times alone are no change: the bytes are summed again and compared. What is not sent yet is planned anew; what was sent
is told, and nothing is guessed. Changes no shard.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import PublishCancelled, PublishError, SourceChanged
from core.publish.foreign import anew
from core.publish.plan import Plan, ShardPlan
from core.publish.records import ShardRecord
from core.publish.rescan import since
from core.publish.rows import FileRef
from core.publish.source import Seen, sum_file
from core.publish.staging import Staging
from core.publish.view import View

_NAMED = 3  # shards that a sentence lists
Cancelled = Callable[[], bool]


def never() -> bool:
    """Goes on."""
    return False


@dataclass(frozen=True)
class Drift:
    """How far a source went away from what a staging folder was planned for or built from.

    Attributes:
        changed: indices of shards of which a file has another size or time.
        gone: of the others, those of which a file is not there; none if nothing of the source is there at all.
        values: of all, those whose rows have other values now, or more images.
        rows: ids of rows of the source that are in no shard.
    """

    changed: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    values: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()

    def stale(self, view: View) -> tuple[int, ...]:
        """Built shards that are not to be sent: their source changed, or was taken away."""
        shards = view.shards
        away = (index for index in self.gone if shards[index].state == "built")
        return tuple(sorted({index for index in (*self.changed, *self.values) if shards[index].is_made} | set(away)))


@dataclass(frozen=True)
class Other:
    """What is not as it was built, whatever its times say.

    Attributes:
        shards: indices of built ones. rows: ids of the source's rows that are in none.
    """

    shards: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()


def drift(view: View, cancelled: Cancelled = never) -> Drift:
    """Look at the source's stamps; opens no image. Raises PublishCancelled."""
    changed: list[int] = []
    gone: list[int] = []
    anything = False
    for shard in view.shards:
        now = [_stamp(view.root, file) for file in shard.files]
        anything = anything or any(now)
        if any(there not in (None, (file.bytes, file.mtime_ns)) for there, file in zip(now, shard.files, strict=True)):
            changed.append(shard.index)
        elif None in now:
            gone.append(shard.index)
    found = since(view, cancelled)
    return Drift(tuple(changed), tuple(gone) if anything else (), found.values, found.rows)


def stale(view: View) -> tuple[int, ...]:
    """Built shards that are not to be sent without being built again: their source changed, or was taken away."""
    return drift(view).stale(view)


def check(view: View, cancelled: Cancelled = never) -> None:
    """Raise SourceChanged if the shards are not of the source as it lies there now, or not of all of it."""
    now = drift(view, cancelled)
    found = now.stale(view)
    if found:
        names = [view.shards[index].name for index in found]
        late = any(view.shards[index].is_remote for index in found)
        raise SourceChanged(
            f"the source of {len(found)} shards changed since they were built ({_named(names)})",
            hint="build again, or run it again: "
            + ("it compares their bytes, and names what was sent otherwise" if late else "only these are made anew"),
        )
    if now.rows:
        count = f"{len(now.rows)} {view.header.schema.unit}{'s' * (len(now.rows) > 1)}"
        raise SourceChanged(
            f"{count} of the source {'are' if len(now.rows) > 1 else 'is'} in no shard: it has grown since the staging "
            f"folder was begun ({_named(now.rows)})",
            hint=anew(view),
        )


def reread(staging: Staging, cancelled: Cancelled) -> Other:
    """What the source has otherwise now. Files with new times alone are summed, and their times kept.

    Raises:
        PublishCancelled.
    """

    def passed(count: int) -> None:
        if cancelled():
            raise PublishCancelled("stopped", hint="start again; nothing was changed")

    now = drift(staging.view, cancelled)
    other = {index for index in now.values if staging[index].is_made}
    root = staging.view.root
    for index in now.changed:
        shard = staging[index]
        files = tuple(_now(root, file) for file in shard.files)
        if not shard.is_made:
            continue
        try:
            same = _same_sums(root, shard, files, passed)
        except SourceChanged:
            same = False
        except PublishCancelled:
            raise
        except PublishError:
            continue  # it cannot be read: as good as gone
        if same:
            staging.touched(index, files)
        else:
            other.add(index)
    return Other(tuple(sorted(other)), now.rows)


def settle(plan: Plan, staging: Staging, seen: Seen, only: Collection[int] | None = None) -> tuple[int, ...]:
    """Bring the staging folder's record in line with a source that was scanned anew.

    Returns the built shards that will be built again because their source changed.

    Args:
        only: indices; None for all.

    Raises:
        SourceChanged: shards that were sent would be different now; what was not sent is settled nevertheless.
    """
    again: list[int] = []
    late: list[str] = []
    for shard in plan.shards if only is None else [plan.shards[index] for index in sorted(only)]:
        record = staging[shard.index]
        if record.key == shard.key and record.files == shard.files:
            continue
        if not record.is_made:
            staging.again(shard.index, shard)
        elif _same_bytes(plan.root, record, shard, seen):
            staging.touched(shard.index, shard.files)
        elif record.is_remote:
            late.append(shard.name)
        else:
            staging.again(shard.index, shard)
            again.append(shard.index)
    if late:
        raise SourceChanged(
            f"after they were sent, the source of some shards changed: {len(late)} ({_named(late)})",
            hint="restore the source, or publish it from a new staging folder, with --replace: what stayed the same is "
            "not sent again",
        )
    return tuple(again)


def _same_bytes(root: Path, record: ShardRecord, shard: ShardPlan, seen: Seen) -> bool:
    """Whether only times differ, and the files with new times have the bytes that were built."""
    return record.key == shard.key and _same_sums(root, record, shard.files, seen)


def _same_sums(root: Path, record: ShardRecord, files: Sequence[FileRef], seen: Seen) -> bool:
    if len(record.sums) != len(files):
        return False
    pairs = zip(record.files, files, record.sums, strict=True)
    return all(
        old == new or (old.bytes == new.bytes and sum_file(root / new.path, new, seen) == sha256)
        for old, new, sha256 in pairs
    )


def _stamp(root: Path, file: FileRef) -> tuple[int, int] | None:
    """Its size and time; None if it is not there."""
    try:
        found = (root / file.path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _now(root: Path, file: FileRef) -> FileRef:
    """The file with its size and time now; as it was, if it is not there."""
    there = _stamp(root, file)
    return file if there is None else replace(file, bytes=there[0], mtime_ns=there[1])


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
