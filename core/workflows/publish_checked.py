"""Publish checked: the report of a validation in the staging folder of a publication to come, or of one that was begun.

What is built and sent from there goes by it (publish_validity.py). Validates nothing.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from core.errors import StagingForeign
from core.publish.room import free_bytes, unwritable
from core.publish.staging import check_empty
from core.publish.view import MANIFEST, look
from core.workflows.publish_guard import check_apart
from core.workflows.publish_papers import VALIDATION, VALIDATION_TEXT, keep_validation
from core.workflows.publish_status import Status
from core.workflows.publish_work import Validated


def check_folder(source: Path, staging: Path) -> None:
    """Whether a report of this source may lie there; before hours are spent on it.

    Raises:
        BadPlan: one of the folders lies in the other. StagingForeign: it is for another source, or holds other files.
        StagingDamaged.
    """
    check_apart(source, staging)
    folder = staging.expanduser().absolute()
    if not folder.exists():
        return
    if not (folder / MANIFEST).exists():
        check_empty(folder)
        return
    begun_for = look(folder).root
    if begun_for.resolve() != source.expanduser().resolve():
        raise StagingForeign(
            f"the staging folder was begun for {begun_for}", hint="choose another staging folder, or validate that one"
        )


def keep_checked(found: Validated, staging: Path) -> tuple[Path, ...]:
    """Keep the report in the folder, which is made if it is not there; where it lies. Raises DiskFull, PublishError."""
    folder = staging.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, 0, folder, free_bytes) from None
    keep_validation(folder, found.report, found.payload())
    return folder / VALIDATION, folder / VALIDATION_TEXT


def command_for(found: Status) -> str:
    """The command that validates what this folder was begun for, and keeps the report in it."""
    words = (str(found.source), "--schema", found.schema, "--staging", str(found.folder))
    return f"python -m core publish validate {shlex.join(words)}"
