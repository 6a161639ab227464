"""Finish: the dataset's card, sent last: after every shard is proven, and proven itself by reading it back.

Sends nothing while a shard is missing. The texts are card.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.errors import HubCorrupt, HubDenied, HubError, HubNotFound, NotProven, NotSent
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.hub.pushing import Pusher
from core.publish.card import about, card
from core.publish.described import PATH, read
from core.publish.proof import look_up
from core.publish.sending import CLOCK, USUAL, Clock, Meter, Options, Progress
from core.publish.staging import Staging
from core.publish.trial import Trial


def finish(
    staging: Staging,
    hub: Hub,
    pusher: Pusher,
    options: Options = USUAL,
    tell: Callable[[Progress], None] = lambda progress: None,
    cancelled: Cancelled = lambda: False,
    *,
    licence: str = "",
    present: Mapping[str, int] | None = None,
    clock: Clock = CLOCK,
) -> str:
    """Bring the card up to date; the commit at which it is.

    Args:
        licence: "" for the source's.
        present: column -> rows that have it.

    Raises:
        NotProven: a shard is not; nothing is sent then. NotSent: the Hub did not take it, whatever was tried.
        HubDenied, HubNotFound, PublishCancelled.
    """
    left = [shard.name for shard in staging.view.shards if shard.state not in ("proven", "freed")]
    if left:
        raise NotProven(f"{len(left)} shards are not proven, so that there is no card yet", hint="upload first")
    meter = Meter(tell, cancelled, clock)

    def once() -> str:
        meter.turn("card")
        return _step(staging, hub, pusher, cancelled, licence, present)

    try:
        return Trial(options, clock, meter.waits, cancelled).run(once)
    except (HubDenied, HubNotFound):
        raise
    except HubError as error:
        said = f"the Hub did not take the card: {error}"
        raise NotSent(said, hint="start again later: all shards are proven") from error


def _step(
    staging: Staging, hub: Hub, pusher: Pusher, cancelled: Cancelled, licence: str, present: Mapping[str, int] | None
) -> str:
    """The commit at which the card is right."""
    identity = staging.view.identity
    remote = look_up(hub, identity.repo, identity.revision, cancelled)
    existing = read(hub, remote, cancelled)
    wanted = card(about(staging.view, licence, present), existing)
    if wanted == existing:
        return remote.commit
    pusher.commit_text(identity.repo, identity.revision, PATH, wanted, "Describe it", remote.commit, cancelled)
    again = look_up(hub, identity.repo, identity.revision, cancelled)
    if read(hub, again, cancelled) != wanted:
        raise HubCorrupt("the card was taken and is not there", hint="it is sent again")
    return again.commit
