"""Stopped: why an upload ended before everything was proven, with the numbers and the next step. Decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.errors import HubDenied, HubError, NotProven, NotSent, PublishError, ShardDamaged
from core.publish.staging import Staging

HOPELESS = 4  # commits that named a shard and were taken, without its being there, after which it is left
_NAMED = 3  # shards that a sentence lists
_SAFE = "what is proven is not sent again, and nothing was deleted"


def given_up(error: HubError, left: int, of: int) -> NotSent:
    """Whatever was tried, nothing more was taken."""
    return NotSent(f"the Hub did not take {left} of {of} shards: {error}", hint=f"start again later: {_SAFE}")


def put_off(error: HubError, left: int, of: int) -> NotSent:
    """The Hub asks to wait longer than anybody wants to; it said until when."""
    return NotSent(f"the Hub did not take {left} of {of} shards: {error}", hint=f"start again then: {_SAFE}")


def vanished(staging: Staging, indices: Collection[int]) -> NotSent:
    """Shards that were taken again and again, and are not there."""
    return NotSent(
        f"{len(indices)} shards were taken {HOPELESS} times and are not there ({_listed(staging, indices)})",
        hint=f"start again later: {_SAFE}",
    )


def damaged(staging: Staging, indices: Collection[int]) -> ShardDamaged:
    """Shards that are not what was built; all others are proven."""
    return ShardDamaged(
        f"{len(indices)} shards were damaged on the disk ({_listed(staging, indices)})",
        hint="build again: only these are made anew; then upload again",
    )


def altered(paths: Sequence[str]) -> NotProven:
    """Shards that the repository lists as they were built, and gives otherwise or not at all."""
    return NotProven(
        f"{len(paths)} shards were fetched back and are not what was sent ({_named(paths)}); they stay in the folder",
        hint="delete their objects in the repository's settings (LFS files), with the files; then start again",
    )


def unbuilt(staging: Staging, indices: Collection[int], of: int) -> PublishError:
    """There is nothing to send yet."""
    return PublishError(
        f"{len(indices)} of {of} shards are not built ({_listed(staging, indices)})", hint="build first"
    )


def denied(error: HubDenied, done: int | None, of: int) -> HubDenied:
    """The Hub takes the token no more, or does not allow what is asked.

    Args:
        done: shards that are proven; None if it never took it.
    """
    return error if done is None else HubDenied(f"after {done} of {of} shards {error}", hint=error.hint)


def _listed(staging: Staging, indices: Collection[int]) -> str:
    return _named([staging[index].name for index in sorted(indices)])


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
