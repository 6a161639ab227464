"""Publish dataset: the steps of publishing one by one, as the command line has them: validate, build, upload, verify.

Each goes on where an earlier one stopped, tells its progress in the staging folder, and leaves there what people keep.
The whole way for a night without anybody is publish_night.py; what it will take is publish_plan.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.hub.policy import Cancelled
from core.publish import changes
from core.publish.report import verdict
from core.publish.schema import schema_named
from core.publish.tree import scan
from core.publish.verify import in_a_sentence, next_steps
from core.settings import Settings
from core.workflows.publish_ask import How, Publication
from core.workflows.publish_beats import Tell, quiet, told
from core.workflows.publish_card import note_licence
from core.workflows.publish_checked import check_folder, keep_checked
from core.workflows.publish_gone import check_not_gone
from core.workflows.publish_guard import check_hub, clients, may_publish
from core.workflows.publish_status import Status, status
from core.workflows.publish_there import check_there
from core.workflows.publish_validity import refuse_known_errors
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
    send_all,
    send_card,
)

_LEFT = "upload"


@dataclass(frozen=True)
class Stepped:
    """How the staging folder stands after a step.

    Attributes:
        validated: whether a validation of this very source lies there.
    """

    status: Status
    validated: bool


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
    staging: Path | None = None,
) -> Validated:
    """Check a source folder.

    Args:
        progress: a file to tell progress in.
        staging: a folder in which the report is kept, for what is built and sent from there.

    Raises:
        BadTree, BadPlan, PublishCancelled. With `staging` also as `check_folder` and `keep_checked`.
    """
    if staging is not None:
        check_folder(source, staging)
    with told(progress, tell) as beats:
        beats.step("plan", "reading the source folder")
        tree = scan(source.expanduser(), schema_named(schema), cancelled)
        found = check(tree, how, beats, cancelled)
        if staging is not None:
            keep_checked(found, staging)
        beats.end("done", f"checked. {verdict(found.report)}")
    return found


def build_staging(
    settings: Settings,
    to: Publication,
    how: How,
    tell: Tell = quiet,
    cancelled: Cancelled = never,
    progress: Path | None = None,
) -> Stepped:
    """Build what is missing; with `how.rolling` also send it, have it proven, and free it.

    Raises:
        NotValid: the last validation of this source found errors. As `begun`, `build`, `upload`. After any error
            another call goes on.
    """
    with told(progress, tell) as beats:
        if not how.rolling:
            with begun(settings, to, how, beats, cancelled) as work:
                known = refuse_known_errors(work.ours.staging.view, how.despite)
                build_all(work)
                beats.end("done", "built", _LEFT)
        else:
            with (
                clients(settings, how.bandwidth) as both,
                begun(settings, to, how, beats, cancelled, lambda: may_publish(both, to, how, cancelled)) as work,
            ):
                known = refuse_known_errors(work.ours.staging.view, how.despite)
                check_hub(both, to, how, cancelled, beats.note)
                check_there(both.hub, work.ours)
                roll_all(settings, work, both)
                beats.end("done", "built, sent and proven", _LEFT)
    return Stepped(status(to.staging), known)


def upload_staging(
    settings: Settings, folder: Path, how: How, tell: Tell = quiet, cancelled: Cancelled = never
) -> Stepped:
    """Send what the repository does not hold, and then the card.

    Raises:
        NotValid: the last validation of the source found errors, or `how.licence` is freer than the source's.
        SourceChanged: what was built is not what the source is now, as far as that is there.
        As `check_hub`, `resume`, `upload`, `finish`. After any error another call goes on.
    """
    to = publication_of(folder)
    with (
        clients(settings, how.bandwidth) as both,
        told(None, tell) as beats,
        resumed(settings, folder, how, beats, cancelled) as ours,
    ):
        beats.step("upload", "asking the Hub whether we may write")
        known = refuse_known_errors(ours.staging.view, how.despite)
        changes.check(ours.staging.view, cancelled)
        if how.licence:
            note_licence(ours.staging, how.licence)
        check_hub(both, to, how, cancelled, beats.note)
        check_there(both.hub, ours)
        send_all(ours, both)
        send_card(ours, both)
        beats.end("done", "sent, and proven by the repository's list", "verify")
    return Stepped(status(folder), known)


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
    check_not_gone(folder)
    with (
        clients(settings) as both,
        told(None, tell) as beats,
        resumed(settings, folder, how, beats, cancelled) as ours,
    ):
        found = look_all(ours, both)
        kept = keep_found(ours, found, clock())
        if found.ok:
            beats.end("done", in_a_sentence(found))
        else:
            beats.end("failed", in_a_sentence(found), " ".join(next_steps(found)).rstrip("."))
    return kept


def publication_of(folder: Path) -> Publication:
    """What a staging folder was begun for. Raises StagingForeign, StagingDamaged."""
    check_not_gone(folder)
    found = status(folder)
    return Publication(found.source, found.schema, found.repo, found.folder, found.revision)
