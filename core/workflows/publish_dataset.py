"""Publish dataset: the steps of publishing one by one, as the command line has them: validate, build, upload, verify.

Each goes on where an earlier one stopped, tells its progress in the staging folder, and leaves there what people keep.
The whole way for a night without anybody is publish_night.py; what it will take is publish_plan.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from core.hub.policy import Cancelled
from core.publish.schema import schema_named
from core.publish.tree import scan
from core.settings import Settings
from core.workflows.publish_ask import How, Publication
from core.workflows.publish_beats import Tell, quiet, told
from core.workflows.publish_guard import check_alone, check_hub, clients
from core.workflows.publish_status import Status, status
from core.workflows.publish_work import (
    Outcome,
    Validated,
    begun,
    build_all,
    check,
    keep_found,
    look_all,
    resumed,
    roll_all,
    said_of,
    send_all,
    send_card,
)

_LEFT = "upload"


def never() -> bool:
    """Goes on."""
    return False


def validate_source(
    source: Path,
    schema: str,
    how: How,
    tell: Tell = quiet,
    cancelled: Cancelled = never,
    progress: Path | None = None,
) -> Validated:
    """Check a source folder.

    Args:
        progress: a file to tell progress in.

    Raises:
        BadTree, BadPlan, PublishCancelled.
    """
    with told(progress, tell) as beats:
        beats.step("plan", "reading the source folder")
        tree = scan(source.expanduser(), schema_named(schema))
        found = check(tree, how, beats, cancelled)
        beats.end("done", "validated")
    return found


def build_staging(
    settings: Settings,
    to: Publication,
    how: How,
    tell: Tell = quiet,
    cancelled: Cancelled = never,
    progress: Path | None = None,
) -> Status:
    """Build what is missing; with `how.rolling` also send it, have it proven, and free it.

    Raises:
        As `begun`, `build`, `upload`. After any error another call goes on.
    """
    with told(progress, tell) as beats:
        if not how.rolling:
            with begun(settings, to, how, beats, cancelled) as work:
                build_all(work)
                beats.end("done", "built", _LEFT)
        else:
            with (
                clients(settings, how.bandwidth) as both,
                begun(
                    settings, to, how, beats, cancelled, lambda: check_hub(both, to, how, cancelled, beats.note)
                ) as work,
            ):
                check_alone(both.hub, work.ours.staging.view, cancelled)
                roll_all(settings, work, both)
                beats.end("done", "built, sent and proven", _LEFT)
    return status(to.staging)


def upload_staging(
    settings: Settings, folder: Path, how: How, tell: Tell = quiet, cancelled: Cancelled = never
) -> Status:
    """Send what the repository does not hold, and then the card.

    Raises:
        As `check_hub`, `resume`, `upload`, `finish`. After any error another call goes on.
    """
    to = publication_of(folder)
    with (
        clients(settings, how.bandwidth) as both,
        told(None, tell) as beats,
        resumed(settings, folder, how, beats, cancelled) as ours,
    ):
        beats.step("upload", "asking the Hub whether we may write")
        check_hub(both, to, how, cancelled, beats.note)
        check_alone(both.hub, ours.staging.view, cancelled)
        send_all(ours, both)
        send_card(ours, both)
        beats.end("done", "sent, and proven by the repository's list", "verify")
    return status(folder)


def verify_staging(
    settings: Settings,
    folder: Path,
    how: How,
    tell: Tell = quiet,
    cancelled: Cancelled = never,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Look at the repository; what was found is kept in the staging folder, and beside it if everything is there.

    Raises:
        HubError, StagingForeign, StagingBusy, StagingDamaged, DiskFull, PublishCancelled.
    """
    with (
        clients(settings) as both,
        told(None, tell) as beats,
        resumed(settings, folder, how, beats, cancelled) as ours,
    ):
        found = look_all(ours, both)
        kept = keep_found(ours, found, clock())
        if found.ok:
            beats.end("done", said_of(found))
        else:
            beats.end("failed", said_of(found), "publish again: only what is not there is sent")
    return kept


def publication_of(folder: Path) -> Publication:
    """What a staging folder was begun for. Raises StagingForeign, StagingDamaged."""
    found = status(folder)
    return Publication(found.source, found.schema, found.repo, found.folder, found.revision)
