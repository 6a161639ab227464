"""Publish status: how a staging folder stands, at any moment and from any process.

Reads the folder's record, the publisher's progress and the last verification. Takes no lock, asks no Hub, changes
nothing; the one thing it does is ask a publisher that lives to stop.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.publish.changes import drift
from core.publish.follow import Follower
from core.publish.records import ShardRecord, State
from core.publish.verify import cleanup_command
from core.publish.view import View, look
from core.workflows.publish_papers import VERIFIED, proves, read_paper
from core.workflows.publish_progress import FILE, Phase, Progress, is_at_work, read_progress

Standing = Literal["idle", "working", "waiting", "stopped", "failed", "died", "done"]
AGAIN = "run it again to go on: what was recorded is not done again"


@dataclass(frozen=True)
class Status:
    """How a staging folder stands.

    Attributes:
        folder, repo, revision, schema, source: what it was begun for; `schema` is the name.
        fingerprint: one line that says for what it was begun.
        standing: idle: nobody has worked here that told of it, or a step ended well and others are left; working and
            waiting: a publisher lives; stopped: a person stopped it; failed: it ended with an error; died: it ended
            without a word; done: verified, and nothing changed since.
        progress: what the publisher told last; None if nothing is known.
        shards: how many. states: shards in each state. grid: the state of each shard, in order.
        bytes: of all shards, expected where they are not built. built_bytes, proven_bytes: of those.
        message, hint: one sentence for a person, and the next step.
        verified: the last verification's report (keys as of `publish verify --json`); None if there was none.
        cleanup: the command that removes the folder; "" unless all is verified and nobody works in it.
        damaged: lines of the record that could not be read.
        stale: built shards of which the source has another size, time or value now, or was taken away; None if
            not asked.
        unpublished: rows of the source that are in no shard; None if not asked.
    """

    folder: Path
    repo: str
    revision: str
    schema: str
    source: Path
    fingerprint: str
    standing: Standing
    progress: Progress | None
    shards: int
    states: Mapping[State, int]
    grid: tuple[State, ...]
    bytes: int
    built_bytes: int
    proven_bytes: int
    message: str
    hint: str
    verified: Mapping[str, Any] | None
    cleanup: str
    damaged: int
    stale: int | None = None
    unpublished: int | None = None

    @property
    def at_work(self) -> bool:
        """Whether a publisher lives and works here."""
        return self.standing in ("working", "waiting")

    @property
    def phase(self) -> Phase | None:
        """What the publisher does or did last."""
        return None if self.progress is None else self.progress.phase


def status(folder: Path, follower: Follower | None = None, *, compare: bool = False) -> Status:
    """How the folder stands now.

    Args:
        follower: of this folder, for whoever asks again and again: only what is new in the record is read.
        compare: look at the stamps of the source's files, too, which may lie on a slow disk. One that changed or grew
            since is not called done.

    Raises:
        StagingForeign: it is no staging folder. StagingDamaged: its record cannot be read.
    """
    folder = folder.expanduser().absolute()
    told = read_progress(folder / FILE)
    lives = is_at_work(told)  # asked before the record is read: what a publisher did last is in it then
    view = look(folder) if follower is None else follower.look()
    verified = read_paper(folder / VERIFIED)
    stale, more = _compared(view) if compare else (None, None)
    standing = standing_of(told, lives, not stale and not more and proves(verified, view))
    message, hint = words_of(told, standing, view)
    return Status(
        folder=folder,
        repo=view.identity.repo,
        revision=view.identity.revision,
        schema=view.header.schema.name,
        source=view.root,
        fingerprint=view.identity.fingerprint(),
        standing=standing,
        progress=told,
        shards=len(view.shards),
        states=view.counts(),
        grid=tuple(shard.state for shard in view.shards),
        **_sizes(view.shards),
        message=message,
        hint=hint,
        verified=verified,
        cleanup=cleanup_command(folder) if standing == "done" else "",
        damaged=view.damaged,
        stale=stale,
        unpublished=more,
    )


def _compared(view: View) -> tuple[int, int]:
    """Built shards of another source than it is now, and rows of it that are in none."""
    found = drift(view)
    return len(found.stale(view)), len(found.rows)


def _sizes(shards: Sequence[ShardRecord]) -> dict[str, int]:
    """Bytes of all, of those that are built, and of those that are proven."""
    return {
        "bytes": sum(shard.bytes or shard.expected_bytes for shard in shards),
        "built_bytes": sum(shard.bytes for shard in shards if shard.is_made),
        "proven_bytes": sum(shard.bytes for shard in shards if shard.state in ("proven", "freed")),
    }


def standing_of(told: Progress | None, lives: bool, proven: bool) -> Standing:
    """How a folder stands, by what its publisher told last.

    Args:
        lives: its process does.
        proven: the last verification found everything, and nothing changed since.
    """
    if told is not None and lives:
        return "waiting" if told.phase == "waiting" else "working"
    if told is not None and told.phase in ("stopped", "failed"):
        return "stopped" if told.phase == "stopped" else "failed"
    if told is not None and not told.ended:
        return "died"
    return "done" if proven else "idle"


def words_of(told: Progress | None, standing: Standing, view: View) -> tuple[str, str]:
    """One sentence for a person, and the next step."""
    if standing == "done":
        return f"verified: all {len(view.shards)} shards are in {view.identity.repo}", ""
    if standing == "died" and told is not None:
        return f"the publisher ended without a word ({told.step}): it was killed, or the computer went down", AGAIN
    if standing == "idle" or told is None:
        return next_step(view)
    return told.message, told.hint


def next_step(view: View) -> tuple[str, str]:
    """What is left to do in a folder in which nobody works."""
    counts, shards = view.counts(), len(view.shards)
    if counts["planned"]:
        return f"{shards - counts['planned']} of {shards} shards are built", "build the others"
    left = counts["built"] + counts["sent"]
    if left:
        return f"{shards - left} of {shards} shards are proven to be in the repository", "upload the others"
    return f"all {shards} shards are proven to be in the repository", "verify once more before anything is removed"


def ask_to_stop(folder: Path) -> bool:
    """Ask the folder's publisher to stop, as Ctrl-C does; whether one lives. It ends within seconds, resumable."""
    told = read_progress(folder.expanduser().absolute() / FILE)
    if told is None or not is_at_work(told):
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(told.pid, signal.SIGINT)
        return True
    return False


def as_json(found: Status) -> dict[str, Any]:
    """All of it, for a program; `grid` as a letter for each shard: p planned, b built, s sent, v proven, f freed."""
    progress = None if found.progress is None else dataclasses.asdict(found.progress)
    told = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    letters = {"planned": "p", "built": "b", "sent": "s", "proven": "v", "freed": "f"}
    return {
        **told,
        "folder": str(found.folder),
        "source": str(found.source),
        "states": dict(found.states),
        "grid": "".join(letters[state] for state in found.grid),
        "progress": progress,
        "verified": None if found.verified is None else dict(found.verified),
        "cleanup": found.cleanup or None,
    }
