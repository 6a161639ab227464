"""Rolling: build, send, have it proven, free: a few shards at a time, for a disk that is smaller than the dataset.

The only way in which anything of the staging folder is deleted, and only what the repository was just seen to hold: it
lists the shard with its size and sha256, and gave its end. What it would give of its middle is known only if it is read
back first, which takes as many bytes down as went up; until then the source is the other copy, and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from core.errors import ShardDamaged
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.hub.pushing import Pusher
from core.publish import build as building
from core.publish import stopped
from core.publish.fetchback import fetch_back
from core.publish.plan import Plan, ShardPlan
from core.publish.proof import look_up
from core.publish.room import Room, free_bytes
from core.publish.sending import CLOCK, USUAL, Clock, Meter, Options, Progress
from core.publish.staging import Staging
from core.publish.trial import Trial
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
    read_back: bool = False,
) -> int:
    """Publish all shards; bytes that were freed.

    Args:
        window: bytes of shards that lie in the staging folder at a time, one shard at least.
        read_back: fetch every shard and compare its sum, before it is freed; one that once came back otherwise than
            it was sent is fetched in any case.

    Raises:
        NotProven: the repository gave something else than was sent. As `build` and `upload`. After any error another
        call goes on; what is not proven is never freed.
    """
    freed, greet = 0, True
    building.build(plan, staging, tell, cancelled, room=room, only=(), compare=True)
    for group in windows(plan.shards, window):
        indices = [shard.index for shard in group]
        if all(staging[index].state == "freed" for index in indices):
            continue
        for left in reversed(range(_TRIES)):
            building.build(plan, staging, tell, cancelled, room=room, only=indices)
            try:
                upload(staging, hub, pusher, options, tell, cancelled, clock=clock, only=indices, greet=greet)
                greet = False
                break
            except ShardDamaged:
                if not left:
                    raise
        doubted = indices if read_back else [index for index in indices if index in staging.view.altered]
        if doubted:
            meter = Meter(tell, cancelled, clock)
            _check(staging, hub, doubted, Trial(options, clock, meter.waits, cancelled), meter)
        freed += sum(staging.free(index) for index in indices)
    return freed


def _check(staging: Staging, hub: Hub, indices: Sequence[int], trial: Trial, meter: Meter) -> None:
    """Raise NotProven unless the repository gives these shards as they were built."""
    view, identity = staging.view, staging.view.identity
    shards = [view.shards[index] for index in indices if view.shards[index].state == "proven"]
    meter.proven(0, len(shards), 0, sum(shard.bytes for shard in shards))
    remote = trial.run(lambda: look_up(hub, identity.repo, identity.revision, trial.cancelled))
    listed = [(shard, remote.files[shard.name]) for shard in shards if shard.name in remote.files]
    got: Counter[str] = Counter()

    def seen(name: str, count: int) -> None:
        got[name] += count
        meter.read(name, got[name])

    found = fetch_back(view, hub, listed, trial, seen, trial.cancelled, None, staging.came_back)
    wrong = sorted({*found.wrong, *found.unread, *(s.name for s in shards if s.name not in remote.files)})
    if wrong:
        raise stopped.altered(wrong)


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
