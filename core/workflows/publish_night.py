"""Publish night: the whole way for a night without anybody: validate, build, send, card, verify.

It rides out a Hub and a network that are away for hours, goes round again when the repository lacks something, and is
done only when the verification says so. Whatever ends it, running it again goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from core.errors import NotProven, ShardDamaged
from core.hub.policy import Cancelled
from core.publish.described import PATH
from core.publish.sending import CLOCK, Clock
from core.publish.verify import Verified, in_a_sentence, next_steps
from core.publish.view import View
from core.settings import Settings
from core.workflows.publish_ask import How, Publication
from core.workflows.publish_beats import Tell, quiet, told
from core.workflows.publish_guard import Clients, clients, may_publish
from core.workflows.publish_there import check_there
from core.workflows.publish_validity import make_sure
from core.workflows.publish_work import (
    Outcome,
    Work,
    begun,
    build_all,
    keep_found,
    look_all,
    make_repository,
    roll_all,
    send_all,
    send_card,
)

ROUNDS = 3  # in which what the repository lost is built and sent again


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
        As `begun`, `may_publish`, `build`, `upload`, `finish`, `verify`. After any error another call goes on.
    """
    there: list[bool] = []
    with (
        told(progress, tell, clock) as beats,
        clients(settings, how.bandwidth) as both,
        begun(
            settings, to, how, beats, cancelled, lambda: there.append(may_publish(both, to, how, cancelled)), waits
        ) as work,
    ):
        check_there(both.hub, work.ours)
        make_sure(work, validated)
        if not any(there):
            make_repository(work.ours, both, to)
        outcome = _rounds(settings, work, both, clock)
        beats.end("done", in_a_sentence(outcome.found))
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
        if not left or not can_mend(work.ours.staging.view, found):
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


def can_mend(view: View, found: Verified) -> bool:
    """Whether another round could help: something is to be built or sent again, or to be described."""
    card = PATH in found.missing or PATH in found.different
    return card or any(shard.state not in ("proven", "freed") for shard in view.shards)


def lacking(found: Verified) -> NotProven:
    """The error for a repository that lacks something, or holds something else."""
    steps = " ".join(next_steps(found)).rstrip(".")
    return NotProven(
        f"{found.repo} is not as it should be: {in_a_sentence(found)}",
        hint=f"{steps}. The report is verify.json in the staging folder; keep the folder",
    )
