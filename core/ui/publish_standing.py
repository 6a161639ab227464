"""Standing: how a publication stands, from what its process and its staging folder tell. Pure; reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from core.publish.verify import Verified
from core.ui.publish_hints import GO_ON, NOT_TWICE, for_the_page
from core.ui.publish_process import Step
from core.ui.publish_words import DOING, STEPS
from core.workflows.publish_progress import Progress
from core.workflows.publish_status import Status

BRANCH = "main"  # the page publishes to no other
AGAIN = f"{GO_ON}: {NOT_TWICE}"
Standing = Literal["new", "starting", "working", "waiting", "stopping", "idle", "stopped", "failed", "died", "done"]
WORDS: dict[Standing, str] = {
    "new": "not begun", "starting": "starting", "working": "at work", "waiting": "waiting", "stopping": "stopping",
    "idle": "not finished", "stopped": "stopped", "failed": "stopped by an error", "died": "ended without a word",
    "done": "done",
}  # fmt: skip
_SHARD = re.compile(r"-(\d{5,})-of-\d{5,}\.parquet$")
_SECOND = 1.0  # to which the time in a report is true
_AT_WORK: frozenset[Standing] = frozenset({"starting", "working", "waiting", "stopping"})


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
        return self.standing in _AT_WORK


@dataclass(frozen=True)
class Proof:
    """What is kept of a verification.

    Attributes:
        at: seconds since 1970. told: the report as it was written, which is what a person keeps.
    """

    found: Verified
    at: float
    told: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether everything was there."""
        return self.told.get("ok") is True and self.found.ok


def stand_of(
    step: Step | None,
    alive: bool,
    own: Progress | None,
    trouble: tuple[str, str],
    status: Status | None,
    proof: Proof | None = None,
) -> Stand:
    """How a publication stands.

    Args:
        step: the publisher that this app started last. alive: it still runs.
        own: what it told outside the staging folder. trouble: what it printed last of its failing.
        status: the staging folder; None while there is none.
        proof: what is kept of the last verification where there is no staging folder any more.
    """
    if step is not None and alive and step.asked:
        return Stand("stopping", own if status is None else status.progress)
    if status is not None and status.at_work:
        return Stand("waiting" if status.standing == "waiting" else "working", status.progress)
    if step is not None and alive:
        told = status.progress if status is not None and _told_since(status, step.began) else None
        return Stand("starting", own) if told is None else Stand("working", told)
    if status is None and is_over(step, proof):
        return Stand("done", own)
    if step is not None and not _told_since(status, step.began):
        return _refused(own, trouble, step.asked > 0)
    if status is None:
        return Stand("new")
    hint = AGAIN if status.standing in ("stopped", "died") else status.hint
    message = died(status.progress) if status.standing == "died" else status.message
    return Stand(status.standing, status.progress, message, for_the_page(hint))


def is_over(step: Step | None, proof: Proof | None) -> bool:
    """Whether all was published and verified before the staging folder was removed.

    A publisher that was begun after the proof tells itself how it ended; a verification without a folder told nothing.
    """
    later = step is not None and step.name != "verify" and proof is not None and step.began > proof.at + _SECOND
    return proof is not None and proof.ok and not later


def died(told: Progress | None) -> str:
    """The sentence for a publisher that is gone."""
    doing = "" if told is None or told.step not in STEPS else f" ({DOING[told.step][0].lower()}{DOING[told.step][1:]})"
    return f"the publisher ended without a word{doing}: it was killed, or the computer went down"


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
    return Stand("died", own, died(own), AGAIN)


def proof_in(told: Mapping[str, Any] | None, repo: str, revision: str = BRANCH) -> Proof | None:
    """What is kept of a verification of this dataset; None for what is none, or one of another."""
    found = verified_in(told)
    if told is None or found is None or (found.repo, found.revision) != (repo, revision):
        return None
    try:
        at = datetime.fromisoformat(str(told.get("at"))).timestamp()
    except (ValueError, OverflowError):
        return None
    return Proof(found, at, told)


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
