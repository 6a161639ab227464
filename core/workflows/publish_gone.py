"""Publish gone: a staging folder that was removed after everything was verified, by the report that lies beside.

Asks no Hub, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StagingForeign
from core.publish.view import MANIFEST
from core.workflows.publish_papers import read_paper
from core.workflows.publish_work import beside


@dataclass(frozen=True)
class Gone:
    """What is known of it.

    Attributes:
        proof: where the report lies. told: the report (keys as of `publish verify --json`).
    """

    folder: Path
    proof: Path
    told: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """All of it in one."""
        found = self.told
        return (
            f"verified {found.get('at')}: {found.get('verified')} of {found.get('shards')} shards are in "
            f"{found.get('repo')}@{found.get('revision')}; the staging folder was removed since"
        )


def gone(folder: Path) -> Gone | None:
    """What is known of a staging folder that is not there; None if it is, or nothing is known."""
    folder = folder.expanduser().absolute()
    told = None if (folder / MANIFEST).exists() else read_paper(beside(folder))
    return None if told is None or told.get("ok") is not True else Gone(folder, beside(folder), told)


def check_not_gone(folder: Path) -> None:
    """Raise StagingForeign for a staging folder that was removed after everything was verified."""
    found = gone(folder)
    if found is not None:
        raise StagingForeign(found.sentence, hint=f"nothing is left to do; the proof is {found.proof}")


def as_json(found: Gone) -> dict[str, Any]:
    """The same for a program, under the names of a status."""
    return {
        "folder": str(found.folder),
        **{name: found.told.get(name) for name in ("repo", "revision", "shards")},
        "standing": "done",
        "message": found.sentence,
        "hint": "",
        "removed": True,
        "proof": str(found.proof),
        "verified": dict(found.told),
        "cleanup": None,
    }


def lines(found: Gone) -> Iterator[str]:
    """The same for a person."""
    yield f"done: {found.sentence}"
    yield f"the proof is {found.proof}"
