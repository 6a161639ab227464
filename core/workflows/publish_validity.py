"""Publish validity: whether a source may be published, by the last validation that speaks of it.

A night's run validates if nobody did; a single step goes by what lies in the staging folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import NotValid
from core.publish.view import View
from core.workflows.publish_ask import fingerprint
from core.workflows.publish_papers import VALIDATION, has_both, keep_validated, keep_validation, read_paper
from core.workflows.publish_work import TREE, Work, check


def make_sure(work: Work, validated: Path | None) -> None:
    """Validate the source, unless that was done while it was what it is now.

    Raises:
        NotValid: it has errors that are not overridden. PublishCancelled.
    """
    ours = work.ours
    folder, wanted = ours.staging.view.folder, fingerprint(work.tree, ours.how)
    kept = next((p for path in (validated, folder / VALIDATION) if (p := believed(path, wanted))), None)
    if kept is None:
        found = check(work.tree, ours.how, ours.beats, ours.cancelled)
        kept = found.payload()
        keep_validation(folder, found.report, kept, ours.room)
    elif not has_both(folder, kept):
        keep_validated(folder, kept, ours.room)
    errors = errors_in(kept, ours.how.despite)
    if errors:
        raise NotValid(
            f"the source is not to be published as it is: {', '.join(errors)}",
            hint="mend it, as the report in the staging folder says (validation.md), and start again",
        )


def refuse_known_errors(view: View, despite: frozenset[str]) -> bool:
    """Whether the folder holds a validation of the source that it was planned for.

    Raises:
        NotValid: it does, with errors that are not overridden.
    """
    kept = read_paper(view.folder / VALIDATION)
    if kept is None or not isinstance(kept.get("findings"), list) or kept.get("tree") != view.notes.get(TREE):
        return False
    errors = errors_in(kept, despite)
    if errors:
        raise NotValid(
            f"the validation found {len(errors)} errors in this source: {', '.join(errors)}",
            hint="mend it, as validation.md in the staging folder says; errors of counts, missing images and grids may "
            "be overridden with --despite CODE",
        )
    return True


def believed(path: Path | None, wanted: str) -> Mapping[str, Any] | None:
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
