"""Models: from what a person names, a folder or a repository, to a verified folder on this disk.

`hub:OWNER/NAME[@REVISION]` is fetched (model_hub.py) and pinned to a commit; anything else is a folder. Opens no
weights; model_check.py says whether a model works.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadModel
from core.hub.client import Hub, check_repo, check_revision
from core.hub.policy import Cancelled
from core.resources.room import Room
from core.segmentation.engines.network_config import CONFIG_NAME
from core.segmentation.model_hub import DEFAULT_REVISION, Report, Shelf, model_hub
from core.settings import Settings

HUB, LOCAL = "hub:", "local:"
_SPEC = re.compile(r"hub:([^@\s]+)(?:@(\S+))?")


@dataclass(frozen=True)
class ModelFolder:
    """A model on this disk.

    Attributes:
        folder: holds its config and weights.
        source: "hub:OWNER/NAME@COMMIT", or "local"; never a path of this machine.
        note: "" or a sentence for the screen.
    """

    folder: Path
    source: str
    note: str = ""


def never() -> bool:
    """For callers that do not stop."""
    return False


def silent(name: str, here: int, of: int) -> None:
    """For callers that do not watch."""


def models_root(settings: Settings) -> Path:
    """Where fetched models lie."""
    return settings.cache_dir / "models"


def find_model(
    spec: str,
    settings: Settings,
    *,
    hub: Hub | None = None,
    room: Callable[[], int | None] | None = None,
    report: Report = silent,
    cancelled: Cancelled = never,
) -> ModelFolder:
    """The model that `spec` names, fetched if it is on the Hub and not here.

    Args:
        spec: "hub:OWNER/NAME[@REVISION]", or a folder, also as "local:DIR".
        hub: a client of model_hub's; by default one for this call.
        room: bytes that may still be written; by default the settings' own.

    Raises:
        BadModel: there is no such folder, or no model in it.
        BadSource, HubError, FetchCancelled, DiskFull: as `Shelf.get`.
    """
    if not spec.startswith(HUB):
        return _local(spec)
    found = _SPEC.fullmatch(spec)
    repo, revision = (found[1], found[2] or DEFAULT_REVISION) if found else (spec.removeprefix(HUB), "")
    check_repo(repo)
    check_revision(revision)
    client = hub or model_hub(settings)
    try:
        shelf = Shelf(models_root(settings), client, room or Room(settings), cancelled, report)
        got = shelf.get(repo, revision)
    finally:
        if hub is None:
            client.close()
    return ModelFolder(got.folder, f"{HUB}{repo}@{got.commit}", got.note)


def _local(spec: str) -> ModelFolder:
    folder = Path(spec.removeprefix(LOCAL)).expanduser()
    if not spec or "\0" in spec or not folder.is_dir():
        hint = f"name a folder with a {CONFIG_NAME}, or a repository as hub:OWNER/NAME"
        raise BadModel("there is no such folder with a model", hint=hint)
    return ModelFolder(folder.resolve(), "local")
