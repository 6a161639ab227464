"""Publish papers: what a staging folder keeps for people: the validation's report, and the last verification's.

Written beside, synced, renamed; and read again. A verification is believed as long as the folder's shards are those it
spoke of.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.publish.findings import SEVERITIES, Finding
from core.publish.report import Report, as_markdown
from core.publish.room import Room, free_bytes, unwritable
from core.publish.shard import part_of, sync_folder
from core.publish.verify import Verified
from core.publish.verify import as_json as verified_as_json
from core.publish.view import View

VALIDATION, VALIDATION_TEXT, VERIFIED = "validation.json", "validation.md", "verify.json"
_MANIFEST, _AT = "manifest", "at"
MAX_BYTES = 256 * 2**20  # of a report; one of 10 000 files in trouble has 3 MB
_MOST_WRITTEN = 50  # places of a finding in the report for people


def keep_validation(folder: Path, report: Report, payload: Mapping[str, Any], room: Room = free_bytes) -> None:
    """Both forms of a validation's report: for a program and for people. Raises DiskFull, PublishError."""
    keep_payload(folder / VALIDATION, payload, room)
    keep(folder / VALIDATION_TEXT, as_markdown(report, _MOST_WRITTEN), room)


def keep_validated(folder: Path, payload: Mapping[str, Any], room: Room = free_bytes) -> None:
    """The same of a validation that was done elsewhere, by what it printed. Raises DiskFull, PublishError."""
    report = report_in(payload)
    if report is None:
        keep_payload(folder / VALIDATION, payload, room)
    else:
        keep_validation(folder, report, payload, room)


def has_both(folder: Path, payload: Mapping[str, Any]) -> bool:
    """Whether the folder keeps this validation's report, and its form for people."""
    return read_paper(folder / VALIDATION) == payload and (folder / VALIDATION_TEXT).exists()


def report_in(answer: Mapping[str, Any] | None) -> Report | None:
    """A validation's report as it is kept and printed; None for what is none."""
    try:
        told = dict(answer or {})
        return Report(
            schema=str(told["schema"]),
            folder=str(told["folder"]),
            licence=str(told["licence"] or ""),
            subjects=int(told["subjects"]),
            rows=int(told["rows"]),
            images=int(told["images"]),
            bytes=int(told["bytes"]),
            columns=tuple((str(one["name"]), str(one["kind"]), int(one["rows"])) for one in told["columns"]),
            read=int(told["images_read_to_the_end"]),
            findings=tuple(_finding(one) for one in told["findings"]),
        )
    except (LookupError, TypeError, ValueError):
        return None


def verified_payload(found: Verified, view: View, now: float) -> dict[str, Any]:
    """A verification as it is kept and told: what was found, when, and a sum of the shards it speaks of.

    Args:
        now: seconds since 1970.
    """
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    return {**verified_as_json(found), _AT: at, _MANIFEST: manifest_sum(view)}


def keep_payload(path: Path, payload: Mapping[str, Any], room: Room = free_bytes) -> None:
    """A report for a program. Raises DiskFull, PublishError."""
    keep(path, json.dumps(payload, indent=1, ensure_ascii=False, allow_nan=False) + "\n", room)


def read_paper(path: Path) -> Mapping[str, Any] | None:
    """A report for a program; None if there is none that can be read."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def proves(payload: Mapping[str, Any] | None, view: View) -> bool:
    """Whether a verification found everything, and every shard is still the one that it spoke of, and proven."""
    return (
        payload is not None
        and payload.get("ok") is True
        and not view.altered
        and all(shard.state in ("proven", "freed") for shard in view.shards)
        and payload.get(_MANIFEST) == manifest_sum(view)
    )


def manifest_sum(view: View) -> str:
    """A sum of whose shards they are, of their names, sizes and sha256."""
    told = [view.identity.fingerprint(), [[shard.name, shard.bytes, shard.sha256] for shard in view.shards]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def keep(path: Path, text: str, room: Room = free_bytes) -> None:
    """Write a text beside, then rename it. Raises DiskFull, PublishError."""
    data, part = text.encode(), part_of(path)
    try:
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error, len(data), path.parent, room) from None


def _finding(one: Mapping[str, Any]) -> Finding:
    """Raises LookupError for a severity that there is not."""
    severity = SEVERITIES[{name: at for at, name in enumerate(SEVERITIES)}[one["severity"]]]
    places = tuple((str(place["path"] or ""), str(place["detail"] or "")) for place in one["places"])
    return Finding(severity, str(one["code"]), str(one["sentence"]), str(one["next_step"]), places)
