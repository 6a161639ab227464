"""Publish night: the whole way for a night without anybody: validate, build, send, card, verify.

It rides out a Hub and a network that are away for hours, goes round again when the repository lacks something, and is
done only when the verification says so. Whatever ends it, running it again goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import NotProven, NotValid, ShardDamaged
from core.hub.policy import Cancelled
from core.publish.sending import CLOCK, Clock
from core.publish.verify import Verified
from core.publish.view import View
from core.settings import Settings
from core.workflows.publish_ask import How, Publication, fingerprint
from core.workflows.publish_beats import Tell, quiet, told
from core.workflows.publish_guard import Clients, check_alone, check_hub, clients
from core.workflows.publish_papers import VALIDATION, keep_payload, keep_validation, read_paper
from core.workflows.publish_work import (
    Outcome,
    Work,
    begun,
    build_all,
    check,
    keep_found,
    look_all,
    roll_all,
    said_of,
    send_all,
    send_card,
)

ROUNDS = 3  # in which what the repository lost is built and sent again
_NAMED = 3  # paths that a sentence lists


def publish(
    settings: Settings,
    to: Publication,
    how: How,
    tell: Tell = quiet,
    cancelled: Cancelled = lambda: False,
    *,
    validated: Path | None = None,
    progress: Path | None = None,
    clock: Callable[[], float] = time.time,
    waits: Clock = CLOCK,
) -> Outcome:
    """Publish a source folder; the verification's report, in which everything is there.

    Args:
        validated: a report of `validate_source` with the same options; believed if the source is still the same.
        progress: a file to tell progress in, beside the one in the staging folder.
        waits: the clock by which it waits for a Hub that is away.

    Raises:
        NotValid: the source has errors. NotProven: the repository lacks something in the end; the report is kept.
        As `begun`, `check_hub`, `build`, `upload`, `finish`, `verify`. After any error another call goes on.
    """
    with (
        told(progress, tell, clock) as beats,
        clients(settings, how.bandwidth) as both,
        begun(
            settings, to, how, beats, cancelled, lambda: check_hub(both, to, how, cancelled, beats.note), waits
        ) as work,
    ):
        check_alone(both.hub, work.ours.staging.view, cancelled)
        make_sure(work, validated)
        outcome = _rounds(settings, work, both, clock)
        beats.end("done", said_of(outcome.found))
    return outcome


def _rounds(settings: Settings, work: Work, both: Clients, clock: Callable[[], float]) -> Outcome:
    """Build, send, describe, verify, until the repository holds everything. Raises NotProven if it never does."""
    for left in reversed(range(ROUNDS)):
        try:
            found = _round(settings, work, both)
        except ShardDamaged:
            if not left:
                raise
            continue
        outcome = keep_found(work.ours, found, clock())
        if found.ok:
            return outcome
        if not left or not can_mend(work.ours.staging.view):
            raise lacking(found)
    raise AssertionError


def _round(settings: Settings, work: Work, both: Clients) -> Verified:
    """Build what is missing, send it, describe it, look at all of it."""
    if work.ours.how.rolling:
        roll_all(settings, work, both)
    else:
        build_all(work)
        send_all(work.ours, both)
    send_card(work.ours, both)
    return look_all(work.ours, both)


def make_sure(work: Work, validated: Path | None) -> None:
    """Validate the source, unless that was done while it was what it is now.

    Raises:
        NotValid: it has errors that are not overridden. PublishCancelled.
    """
    ours = work.ours
    folder, wanted = ours.staging.view.folder, fingerprint(work.tree, ours.how)
    kept = next((p for path in (validated, folder / VALIDATION) if (p := _believed(path, wanted))), None)
    if kept is None:
        found = check(work.tree, ours.how, ours.beats, ours.cancelled)
        kept = found.payload()
        keep_validation(folder, found.report, kept, ours.room)
    elif kept != read_paper(folder / VALIDATION):
        keep_payload(folder / VALIDATION, kept, ours.room)
    errors = errors_in(kept, ours.how.despite)
    if errors:
        raise NotValid(
            f"the source is not to be published as it is: {', '.join(errors)}",
            hint="mend it, as the report in the staging folder says (validation.md), and start again",
        )


def _believed(path: Path | None, wanted: str) -> Mapping[str, Any] | None:
    """A report that speaks of this source; None if it does not."""
    kept = None if path is None else read_paper(path)
    whole = kept is not None and kept.get("source") == wanted and isinstance(kept.get("findings"), list)
    return kept if whole else None


def errors_in(report: Mapping[str, Any], despite: frozenset[str]) -> tuple[str, ...]:
    """Sentences of the errors in a report that forbid to publish; one that cannot be read is none that allows it."""
    found = []
    for finding in report["findings"]:
        if not isinstance(finding, Mapping) or finding.get("severity") not in ("error", "warning", "note"):
            found.append("a report that cannot be read")
        elif finding["severity"] == "error" and finding.get("code") not in despite:
            found.append(str(finding.get("sentence")))
    return tuple(found)


def can_mend(view: View) -> bool:
    """Whether another round could help: something is to be built or sent again."""
    return any(shard.state not in ("proven", "freed") for shard in view.shards)


def lacking(found: Verified) -> NotProven:
    """The error for a repository that lacks something, or holds something else."""
    told = {"missing": found.missing, "different": found.different, "unexpected": found.unexpected}
    said = [
        f"{len(paths)} {what} ({', '.join(paths[:_NAMED])}{', …' if len(paths) > _NAMED else ''})"
        for what, paths in told.items()
        if paths
    ]
    return NotProven(
        f"{found.repo} is not as it should be: {', '.join(said)}",
        hint="the report is verify.json in the staging folder; keep the folder, and run it again",
    )
