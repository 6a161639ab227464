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

from core.errors import HubDenied, HubNotFound
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.publish import changes
from core.publish.card import About
from core.publish.changes import Other
from core.publish.described import PATH, described
from core.publish.fetchback import Fetched, fetch_back
from core.publish.looked import Meter
from core.publish.looked import Progress as Progress
from core.publish.proof import Judged, Looks, Remote, look_up, paths, settle
from core.publish.room import Room, free_bytes
from core.publish.sending import CLOCK, USUAL, Clock, Options
from core.publish.staging import Staging
from core.publish.trial import Trial
from core.publish.view import View

_NAMED, _FEW = 20, 3  # paths that the text lists, and a sentence


@dataclass(frozen=True)
class Verified:
    """What the repository holds.

    Attributes:
        commit: that was looked at; "" if there is no repository yet.
        shards: that there should be. verified: that are there.
        missing, different, unexpected: paths in the repository; unexpected are those that `datasets` would read. The
            card is one of them, too, if it is not there, or does not tell of these shards.
        unread: missing ones that the repository lists and does not give.
        altered: different ones that the repository lists as they were built, and gives otherwise.
        read_back: shards that were fetched and compared image by image.
        unsourced: of those, shards whose source is not there any more, or another; compared with what was built.
        images: that were compared.
        stale: shards whose source has other bytes or values now than were built.
        unpublished: ids of rows of the source that are in no shard.
        unbuilt: missing or different shards that are not in the staging folder any more, as they were freed.
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
    altered: tuple[str, ...] = ()
    read_back: int = 0
    unsourced: tuple[str, ...] = ()
    images: int = 0
    stale: tuple[str, ...] = ()
    unpublished: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is there, nothing else, and all of it what the source is."""
        return self.verified == self.shards and not self.amiss

    @property
    def amiss(self) -> dict[str, tuple[str, ...]]:
        """What is not as it should be: paths in the repository, and ids of rows."""
        told = {"missing": self.missing, "different": self.different, "unexpected": self.unexpected}
        told["built from another source"] = self.stale
        told["in the source and in no shard"] = self.unpublished
        return {what: named for what, named in told.items() if named}


def verify(
    staging: Staging,
    hub: Hub,
    tell: Callable[[Progress], None] = lambda progress: None,
    cancelled: Cancelled = lambda: False,
    *,
    read_back: int | None = 0,
    seed: int = 0,
    room: Room = free_bytes,
    options: Options = USUAL,
    clock: Clock = CLOCK,
    about: About | None = None,
) -> Verified:
    """Look at the repository.

    Args:
        read_back: shards to fetch and compare, chosen by `seed`; None for all. Those that once came back otherwise than
            they were sent are fetched in any case, until they come as they were.
        about: what the repository's card must tell; None if that is not asked.
        room: a shard that is read back needs its own size on the staging folder's disk for a while.
        options: attempts and pauses after failures that may pass.

    Raises:
        HubError: it could not be looked at. PublishCancelled, DiskFull, PublishError.
    """
    other = changes.reread(staging, cancelled)
    shards = staging.view.shards  # as they were: what is lacking is to be sent again
    meter, looks = Meter(tell, len(shards)), Looks()
    trial = Trial(options, clock, meter.waits, cancelled)

    def look() -> tuple[Remote, Judged, str]:
        remote = _repository(staging.view, hub, cancelled)
        card = "" if about is None else described(hub, remote, about, cancelled)
        return remote, settle(staging, hub, remote, looks, cancelled, tell=meter.looked), card

    remote, found, card = trial.run(look)
    there = [index for index in found.proven if index in looks.good]
    chosen = there if read_back is None else Random(seed).sample(there, min(read_back, len(there)))
    doubted = staging.view.altered.intersection(there)
    asked = [(shards[index], remote.files[shards[index].name]) for index in sorted(doubted.union(chosen))]
    meter.expect(len(asked), sum(shard.bytes for shard, _ in asked))
    fetched = fetch_back(staging.view, hub, asked, trial, meter.fetched, cancelled, room, staging.came_back)
    return _report(staging.view, remote.commit, found, there, fetched, other, card)


def _report(
    view: View, commit: str, found: Judged, there: Sequence[int], fetched: Fetched, other: Other, card: str
) -> Verified:
    """All that was found, by paths."""
    unread = (*paths(view, set(found.proven).difference(there)), *fetched.unread)
    return Verified(
        *(view.identity.repo, view.identity.revision, commit),
        shards=len(view.shards),
        verified=len(there) - len(fetched.wrong) - len(fetched.unread),
        missing=tuple(sorted((*paths(view, found.missing), *unread, *[PATH] * (card == "missing")))),
        different=tuple(sorted((*paths(view, found.different), *fetched.wrong, *[PATH] * (card == "different")))),
        unexpected=found.unexpected,
        unread=tuple(sorted(unread)),
        altered=fetched.wrong,
        read_back=fetched.shards,
        unsourced=fetched.unsourced,
        images=fetched.images,
        stale=tuple(sorted({*paths(view, other.shards), *fetched.stale})),
        unpublished=other.rows,
        unbuilt=tuple(
            sorted(paths(view, [at for at in (*found.missing, *found.different) if not view.shards[at].is_made]))
        ),
    )


def _repository(view: View, hub: Hub, cancelled: Cancelled) -> Remote:
    """What is there; nothing, while there is no repository and nothing was sent. Raises HubError, PublishCancelled."""
    identity = view.identity
    try:
        return look_up(hub, identity.repo, identity.revision, cancelled)
    except (HubNotFound, HubDenied):
        if any(shard.is_remote for shard in view.shards):
            raise
        return Remote(identity.repo, "", {})


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
        "altered": list(found.altered),
        "read_back": found.read_back,
        "unsourced": list(found.unsourced),
        "images": found.images,
        "stale": list(found.stale),
        "unpublished": list(found.unpublished),
        "unbuilt": list(found.unbuilt),
        "ok": found.ok,
    }


def as_text(found: Verified, folder: Path) -> str:
    """All of it, for a person; with the command that removes the staging folder if nothing is missing."""
    lines = [
        f"{found.repo}@{found.revision}, " + (f"commit {found.commit}" if found.commit else "which is not there yet"),
        f"{found.verified} of {found.shards} shards are there with the right size and sha256",
    ]
    if found.read_back:
        lines.append(f"{found.read_back} shards were read back, {found.images} images compared byte by byte")
    for what, listed in (
        ("missing", found.missing),
        ("of them listed by the Hub, which cannot give them", found.unread),
        ("different", found.different),
        ("of them listed as they were built, and given otherwise", found.altered),
        ("unexpected", found.unexpected),
        ("built from a source that changed since", found.stale),
        ("in the source and in no shard", found.unpublished),
        ("compared without their source, which is gone or another", found.unsourced),
    ):
        if listed:
            lines.append(f"{what}: {len(listed)}")
            lines += [f"  {path}" for path in listed[:_NAMED]] + ["  …"] * (len(listed) > _NAMED)
    if found.ok:
        lines += ["Everything is there.", f"The staging folder is not needed any more: {cleanup_command(folder)}"]
    else:
        lines += ["It is not as it should be; keep the staging folder.", *next_steps(found)]
    return "\n".join(lines) + "\n"


def in_a_sentence(found: Verified) -> str:
    """All of it in one."""
    said = f"{found.verified} of {found.shards} shards are in {found.repo}, with the right size and sha256"
    amiss = ", ".join(f"{len(named)} {what} ({_few(named)})" for what, named in found.amiss.items())
    return said if found.ok else f"{said}, but {amiss}" if amiss else f"{said}, and not more"


def _few(named: tuple[str, ...]) -> str:
    return ", ".join(named[:_FEW]) + (", …" if len(named) > _FEW else "")


def next_steps(found: Verified) -> tuple[str, ...]:
    """What to do, a sentence each; nothing if all is there."""
    listed = {*found.unread, *found.altered}
    others = {*found.missing, *found.different} - listed
    steps = []
    if not found.commit and others:
        return ("The repository is not there yet, or not for this token: upload first.",)
    if found.unbuilt:
        steps.append("Run it again (or build, then upload): shards that are not in the staging folder are built anew.")
        others = set()
    if others - {PATH}:
        steps.append("Upload again: only what is missing or different is sent.")
    elif others:
        steps.append("Upload again: it writes the card.")
    if listed:
        steps.append(
            "The Hub lists files that it does not keep as they were sent, and would not take them again: delete their "
            "objects in the repository's settings (LFS files), with the files; then upload again."
        )
    if found.unexpected:
        steps.append("The unexpected files would be read as part of the dataset: delete them in the repository.")
    if found.stale:
        steps.append(
            "The source of some shards has other bytes or values now than were published: put it back as it was, or "
            "publish it from a new staging folder, with --replace; what stayed the same is not sent again."
        )
    if found.unpublished:
        steps.append(
            "The source has rows that are in no shard: publish all of it from a new staging folder, to another "
            "repository or branch, or after the data files that are there are removed in the repository."
        )
    return tuple(steps)


def cleanup_command(folder: Path) -> str:
    """What a person may run when all is proven; nothing here does."""
    return shlex.join(["rm", "-rf", "--", str(folder.expanduser().absolute())])
