"""Standing: how a publication stands, from what its process and its staging folder tell. Pure; reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from core.publish.verify import Verified
from core.ui.publish_process import Step
from core.workflows.publish_progress import Progress
from core.workflows.publish_status import Status

AGAIN = "press Go on: what was done is not done again"
Standing = Literal["new", "starting", "working", "waiting", "idle", "stopped", "failed", "died", "done"]
WORDS: dict[Standing, str] = {
    "new": "not begun", "starting": "starting", "working": "at work", "waiting": "waiting", "idle": "not finished",
    "stopped": "stopped", "failed": "stopped by an error", "died": "ended without a word", "done": "done",
}  # fmt: skip
_SHARD = re.compile(r"-(\d{5,})-of-\d{5,}\.parquet$")
_COMMAND_LINE = (
    (" (--rolling)", ": “Free each shard once it is proven” under Change"),
    ("--rolling", "“Free each shard once it is proven” under Change"),
    ("--replace", "“Replace what is there” under Change, More"),
    ("--create", "“Change”"),
    ("build again, or run it again", "press Go on"),
    ("upload first", "press Go on"),
    ("run it again", "press Go on"),
    ("start again", "press Go on"),
    ("Upload again", "Press Go on"),
    ("upload again", "press Go on"),
)


@dataclass(frozen=True)
class Stand:
    """How it stands.

    Attributes:
        told: the publisher's last progress; None if nothing is known.
        message, hint: one sentence and the next step; empty while it works.
    """

    standing: Standing
    told: Progress | None = None
    message: str = ""
    hint: str = ""

    @property
    def at_work(self) -> bool:
        return self.standing in ("starting", "working", "waiting")


def stand_of(
    step: Step | None, alive: bool, own: Progress | None, trouble: tuple[str, str], status: Status | None
) -> Stand:
    """How a publication stands.

    Args:
        step: the publisher that this app started last. alive: it still runs.
        own: what it told outside the staging folder. trouble: what it printed last of its failing.
        status: the staging folder; None while there is none.
    """
    if status is not None and status.at_work:
        return Stand("waiting" if status.standing == "waiting" else "working", status.progress)
    if step is not None and alive:
        return Stand("starting", own)
    if step is not None and not _told_since(status, step.began):
        return _refused(own, trouble, step.asked > 0)
    if status is None:
        return Stand("new")
    hint = AGAIN if status.standing in ("stopped", "died") else status.hint
    return Stand(status.standing, status.progress, status.message, for_the_page(hint))


def _told_since(status: Status | None, began: float) -> bool:
    told = None if status is None else status.progress
    return told is not None and told.updated >= began - 1.0


def _refused(own: Progress | None, trouble: tuple[str, str], asked: bool) -> Stand:
    """It ended before it worked in the staging folder."""
    if own is not None and own.phase in ("failed", "stopped"):
        standing: Standing = "stopped" if own.phase == "stopped" else "failed"
        return Stand(standing, own, own.message, AGAIN if standing == "stopped" else for_the_page(own.hint))
    if trouble[0] and not asked:
        return Stand("failed", own, trouble[0], for_the_page(trouble[1]))
    if asked:
        return Stand("stopped", own, "stopped by you", AGAIN)
    return Stand("died", own, "the publisher ended without a word: it was killed, or the computer went down", AGAIN)


def for_the_page(hint: str) -> str:
    """A next step of the command line in the page's words."""
    for said, words in _COMMAND_LINE:
        hint = hint.replace(said, words)
    return hint


def wrong_shards(verified: Verified | None) -> tuple[int, ...]:
    """Indices of shards that the last verification found missing or different."""
    named = () if verified is None else (*verified.missing, *verified.different)
    return tuple(int(found[1]) for path in named if (found := _SHARD.search(path)))


def verified_in(told: Mapping[str, Any] | None) -> Verified | None:
    """The last verification as its report tells; None for what is none."""
    names, kept = {field.name for field in fields(Verified)}, dict(told or {})
    found: dict[str, Any] = {
        name: tuple(map(str, value)) if isinstance(value, list) else value
        for name, value in kept.items()
        if name in names
    }
    try:
        return Verified(**found)
    except TypeError:
        return None


def dataset_url(endpoint: str, repo: str, commit: str = "") -> str:
    """Where a person sees the dataset; without a password that the endpoint may carry. "" for what is no address."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    at = f"/tree/{quote(commit, safe='')}" if commit else ""
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/datasets/{quote(repo)}{at}"
