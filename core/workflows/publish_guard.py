"""Publish guard: what must be so before a byte is read or sent: apart folders, a token that may write, a repository,
room on the disk and in RAM. Refuses with the next step; makes the repository if there is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import BadPlan, HubDenied, HubNotFound, HubOffline
from core.hub.client import Hub
from core.hub.hubs import hub_for
from core.hub.policy import Cancelled, Policies, Policy
from core.hub.pushing import Pusher
from core.hub.wire import Traffic
from core.publish.needs import Needs
from core.publish.proof import judge, look_up, stopping
from core.publish.room import Room as Left
from core.publish.staging import Staging
from core.resources import budget
from core.resources.budget import Decision, Help
from core.resources.disk import Usage, measure_usage, stat_filesystem, writable_roots
from core.resources.memory import MB
from core.resources.probe import take_reading
from core.resources.reading import Reading
from core.resources.room import Room
from core.settings import Settings
from core.workflows.publish_ask import How, Publication

_CONTROL = Policy(10.0, 60.0, 60.0, 90.0, 120.0, attempts=4, pause_s=1.0)  # nobody looks on, and the line is busy
PATIENT = Policies(
    _CONTROL,
    replace(_CONTROL, total_s=600.0),
    Policy(10.0, 60.0, 60.0, 120.0, 300.0, attempts=8, pause_s=1.0, pace=16 * 2**10),
)
WINDOW = 20 * 10**9  # bytes that lie in a rolling staging folder at most, unless it is said
SENDS = "sends"  # a note: the repository to which shards were sent from this folder


@dataclass(frozen=True)
class Clients:
    """Who reads the Hub and who writes to it, with one token."""

    hub: Hub
    pusher: Pusher


@contextmanager
def clients(settings: Settings, bandwidth: float | None = None) -> Iterator[Clients]:
    """Both clients; makes no request. Raises HubOffline, BadSettings."""
    if settings.hf_hub_offline:
        raise HubOffline("HF_HUB_OFFLINE is set", hint="unset it to publish")
    hub = hub_for(settings, PATIENT)
    try:
        pusher = Pusher(settings.hf_endpoint, token_of(settings), rate=bandwidth)
        try:
            yield Clients(hub, pusher)
        finally:
            pusher.close()
    finally:
        hub.close()


def token_of(settings: Settings) -> str | None:
    """The Hub's token."""
    return settings.hf_token.get_secret_value() if settings.hf_token else None


def check_apart(source: Path, staging: Path) -> None:
    """Raise BadPlan if one of the two folders lies in the other: what removes the staging folder removes the source.

    Also if the staging folder can be none, because a file is in its place.
    """
    if any(path.exists() and not path.is_dir() for path in (staging.expanduser(), *staging.expanduser().parents)):
        raise BadPlan("the staging folder cannot be made: there is a file of that name", hint="choose another name")
    ours, theirs = staging.expanduser().resolve(), source.expanduser().resolve()
    if theirs == ours or theirs in ours.parents:
        raise BadPlan("the staging folder lies inside the source", hint="choose a folder beside it")
    if ours in theirs.parents:
        raise BadPlan("the source lies inside the staging folder", hint="choose another staging folder")


def may_publish(both: Clients, to: Publication, how: How, cancelled: Cancelled) -> bool:
    """Make sure that we may write there, and that there is a repository or may be one; whether there is. Makes none.

    Raises:
        HubDenied: the token may not. HubNotFound: no such repository or branch. HubError, PublishCancelled.
    """
    with stopping():
        both.pusher.check_may_write(to.repo, cancelled)
        if is_there(both.hub, to.repo, to.revision, cancelled):
            return True
        if to.revision != "main" and is_there(both.hub, to.repo, "main", cancelled):
            raise HubNotFound(f"{to.repo} has no branch {to.revision}", hint="make it first, or leave --revision out")
        if not how.create:
            raise HubNotFound(
                f"there is no dataset {to.repo}, or this token does not see it",
                hint="leave --no-create out, and it is made, private; or make it at huggingface.co/new-dataset",
            )
    return False


def check_hub(both: Clients, to: Publication, how: How, cancelled: Cancelled, say: Callable[[str], None]) -> None:
    """The same, and make the repository if there is none. Nothing that is not to be published comes as far as this.

    Args:
        say: told before it is made.

    Raises:
        As `may_publish`.
    """
    if may_publish(both, to, how, cancelled):
        return
    with stopping():
        say(f"making the dataset {to.repo}, {'for everybody to see' if how.public else 'private'}")
        both.pusher.create(to.repo, not how.public, cancelled)
        if not is_there(both.hub, to.repo, to.revision, cancelled):
            raise HubNotFound(f"{to.repo} was made and has no branch {to.revision}", hint="make the branch, then go on")


def is_there(hub: Hub, repo: str, revision: str, cancelled: Cancelled) -> bool:
    """Whether it is there and may be read: the Hub says of some that are not there that they may not be."""
    try:
        hub.commit_of(repo, revision, Traffic(), cancelled)
    except (HubNotFound, HubDenied):
        return False
    return True


def check_replaces(hub: Hub, staging: Staging, how: How, cancelled: Cancelled) -> None:
    """Before the first shard is sent from this folder: what is there under the names of ours is ours, or may go.

    Shards that are sent as soon as they are built cannot be compared before; any file of their names is asked about.

    Raises:
        BadPlan: it is not, and nobody said that it may be replaced.
    """
    view = staging.view
    if view.notes.get(SENDS) == view.identity.repo:
        return
    remote = look_up(hub, view.identity.repo, view.identity.revision, cancelled)
    others = [at for at in judge(view, remote).different if how.rolling or view.shards[at].is_made]
    if others and not how.replace:
        raise BadPlan(
            f"{view.identity.repo} holds {len(others)} shards of the same names as these, which may be another dataset",
            hint="--replace puts ours in their place (its history keeps the old ones), or choose another repository",
        )
    staging.note(SENDS, view.identity.repo)


def read_container(settings: Settings, staging: Path) -> Reading:
    """RAM and disk of the container now, the disk being that of the staging folder. Takes up to some seconds."""
    staging = staging.expanduser().absolute()
    usage = _usage(settings, staging, 5.0)
    here = _on_its_disk(settings, staging).model_copy(update={"cache_dir": staging})
    return take_reading(here, usage=usage)


def room_of(settings: Settings, staging: Path) -> Left:
    """How much may still be written to the staging folder: by the file system, the Space's tier, and a person."""
    staging = staging.expanduser().absolute()
    room = Room(
        _on_its_disk(settings, staging),
        lambda _, limit_s: _usage(settings, staging, limit_s),
        lambda: stat_filesystem(staging),
    )
    known = 0

    def left(_: Path) -> int:
        nonlocal known
        now = _staged_bytes(staging)
        room.wrote(now - known)
        known = now
        return max(0, room())

    return left


def require(needs: Needs, decisions: tuple[Decision, Decision], rolling: Needs | None) -> None:
    """Do nothing if RAM and disk are there.

    Args:
        rolling: what would be needed if shards were freed as soon as they are proven; None if they are.

    Raises:
        OverBudget: with the numbers, and what would help.
    """
    memory, disk = decisions
    saved = 0.0 if rolling is None else (needs.disk_bytes - rolling.disk_bytes) / MB
    budget.require("building the dataset", memory)
    budget.require("the staging folder", disk, [Help("free shards once they are proven (--rolling)", "disk", saved)])


def window_for(total: int, largest: int, free: int) -> int:
    """Bytes of shards that may lie in a rolling staging folder: half of what is free, one shard at least."""
    return max(largest, min(total, WINDOW, free // 2))


def _usage(settings: Settings, staging: Path, limit_s: float) -> Usage:
    """What this app has written, the staging folder included wherever it lies."""
    usage = measure_usage(settings, limit_s)
    place = staging.resolve()
    if any(root in (place, *place.parents) for root in writable_roots(settings)):
        return usage
    return replace(usage, used_bytes=usage.used_bytes + _staged_bytes(staging))


def _on_its_disk(settings: Settings, staging: Path) -> Settings:
    """The settings, without the Space's tier if the staging folder lies on a disk that the tier does not count."""
    if _device(staging) == _device(settings.cache_dir):
        return settings
    return settings.model_copy(update={"space_id": ""})


def _device(path: Path) -> int | None:
    for folder in (path, *path.parents):
        try:
            return folder.stat().st_dev
        except OSError:
            continue
    return None


def _staged_bytes(staging: Path) -> int:
    """Of the staging folder's files on the disk; shards lie one folder deep."""
    total = 0
    for folder in (staging, staging / "data"):
        try:
            with os.scandir(folder) as entries:
                found = [entry.stat(follow_symlinks=False) for entry in entries if not entry.is_dir()]
        except OSError:
            continue
        total += sum(one.st_blocks * 512 for one in found)
    return total
