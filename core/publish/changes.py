"""Changes: what of the source is not what a staging folder was planned for or built from.

New times alone are no change: the bytes are summed again and compared. What is not sent yet is planned anew; what was
sent is told, and nothing is guessed. Changes no shard.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from core.errors import SourceChanged
from core.publish.plan import Plan, ShardPlan
from core.publish.records import ShardRecord
from core.publish.rows import FileRef
from core.publish.source import Seen, sum_file
from core.publish.staging import Staging
from core.publish.view import View

_NAMED = 3  # shards that a sentence lists


def stale(view: View) -> tuple[int, ...]:
    """Shards of which a source file is gone, or has another size or time than when they were planned or built.

    Only looks: the folder the staging was built from is stated, not read.
    """
    return tuple(shard.index for shard in view.shards if any(not _same(view.root, f) for f in shard.files))


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
        named = ", ".join(late[:_NAMED]) + (", …" if len(late) > _NAMED else "")
        raise SourceChanged(
            f"after they were sent, the source of some shards changed: {len(late)} ({named})",
            hint="restore the source, or publish from a new staging folder: what stayed the same is not sent again",
        )
    return tuple(again)


def _same_bytes(root: Path, record: ShardRecord, shard: ShardPlan, seen: Seen) -> bool:
    """Whether only times differ, and the files with new times have the bytes that were built."""
    if record.key != shard.key or len(record.sums) != len(shard.files):
        return False
    pairs = zip(record.files, shard.files, record.sums, strict=True)
    return all(old == new or sum_file(root / new.path, new, seen) == sha256 for old, new, sha256 in pairs)


def _same(root: Path, file: FileRef) -> bool:
    try:
        found = (root / file.path).stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (file.bytes, file.mtime_ns)
