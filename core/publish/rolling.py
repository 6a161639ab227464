"""Rolling: build, send, have it proven, free: a few shards at a time, for a disk that is smaller than the dataset.

The only way in which anything of the staging folder is deleted, and only what the repository was just seen to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from core.errors import ShardDamaged
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.hub.pushing import Pusher
from core.publish import build as building
from core.publish.plan import Plan, ShardPlan
from core.publish.room import Room, free_bytes
from core.publish.sending import CLOCK, USUAL, Clock, Options, Progress
from core.publish.staging import Staging
from core.publish.upload import upload

_TRIES = 2  # a shard that lies damaged on the disk is built once more


def roll(
    plan: Plan,
    staging: Staging,
    hub: Hub,
    pusher: Pusher,
    window: int,
    options: Options = USUAL,
    tell: Callable[[Progress | building.Progress], None] = lambda progress: None,
    cancelled: Cancelled = lambda: False,
    *,
    clock: Clock = CLOCK,
    room: Room = free_bytes,
) -> int:
    """Publish all shards; bytes that were freed.

    Args:
        window: bytes of shards that lie in the staging folder at a time, one shard at least.

    Raises:
        As `build` and `upload`. After any error another call goes on; what is not proven is never freed.
    """
    freed = 0
    for group in windows(plan.shards, window):
        indices = [shard.index for shard in group]
        if all(staging[index].state == "freed" for index in indices):
            continue
        for left in reversed(range(_TRIES)):
            building.build(plan, staging, tell, cancelled, room=room, only=indices)
            try:
                upload(staging, hub, pusher, options, tell, cancelled, clock=clock, only=indices)
                break
            except ShardDamaged:
                if not left:
                    raise
        freed += sum(staging.free(index) for index in indices)
    return freed


def windows(shards: Sequence[ShardPlan], window: int) -> Iterator[tuple[ShardPlan, ...]]:
    """The shards in order, as many together as fit, one at least."""
    held: list[ShardPlan] = []
    size = 0
    for shard in shards:
        if held and size + shard.bytes > window:
            yield tuple(held)
            held, size = [], 0
        held.append(shard)
        size += shard.bytes
    if held:
        yield tuple(held)
