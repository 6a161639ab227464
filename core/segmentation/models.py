"""Models: from what a person names, a folder or a repository, to a verified folder on this disk.

`hub:OWNER/NAME[@REVISION]` is fetched (model_hub.py) and pinned to a commit; anything else is a folder. Opens no
weights; model_check.py says whether a model works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadModel
from core.hub.client import Hub, check_repo, check_revision
from core.hub.policy import Cancelled
from core.resources.room import Room
from core.segmentation.engines.network_config import CONFIG_NAME, ModelConfig, load_config
from core.segmentation.engines.network_weights import weights_path
from core.segmentation.model_hub import DEFAULT_REVISION, Admit, Report, Shelf, at_once, model_hub
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


@dataclass(frozen=True)
class ModelLook:
    """What a model says of itself, before its weights are fetched or opened.

    Attributes:
        bytes: of its weights.
        model: where it lies; None while it must be fetched.
        source, note: as ModelFolder.
    """

    config: ModelConfig
    bytes: int
    model: ModelFolder | None
    source: str
    note: str = ""


def offered(settings: Settings) -> tuple[str, ...]:
    """The models that this installation offers by name, as find_model takes them."""
    return tuple(dict.fromkeys(spec for part in settings.models.split(",") if (spec := part.strip())))


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
    admit: Admit = at_once,
) -> ModelFolder:
    """The model that `spec` names, fetched if it is on the Hub and not here.

    Args:
        spec: "hub:OWNER/NAME[@REVISION]", or a folder, also as "local:DIR".
        hub: a client of model_hub's; by default one for this call.
        room: bytes that may still be written; by default the settings' own.
        admit: entered while weights are fetched.

    Raises:
        BadModel: there is no such folder, or no model in it.
        BadSource, HubError, FetchCancelled, DiskFull: as `Shelf.get`.
    """
    if not spec.startswith(HUB):
        return _local(spec)
    repo, revision = split(spec)
    with _shelf(settings, hub, room, report, cancelled, admit) as shelf:
        got = shelf.get(repo, revision)
    return ModelFolder(got.folder, f"{HUB}{repo}@{got.commit}", got.note)


def look_model(
    spec: str,
    settings: Settings,
    *,
    hub: Hub | None = None,
    room: Callable[[], int | None] | None = None,
    cancelled: Cancelled = never,
) -> ModelLook:
    """What the model that `spec` names says of itself; takes its config alone.

    Raises:
        As find_model.
    """
    if not spec.startswith(HUB):
        model = _local(spec)
        config = load_config(model.folder)
        return ModelLook(config, weights_path(model.folder, config.weights).stat().st_size, model, model.source)
    repo, revision = split(spec)
    with _shelf(settings, hub, room, silent, cancelled, at_once) as shelf:
        found = shelf.look(repo, revision)
    source = f"{HUB}{repo}@{found.commit}"
    model_here = None if found.folder is None else ModelFolder(found.folder, source, found.note)
    return ModelLook(found.config, found.bytes, model_here, source, found.note)


def split(spec: str) -> tuple[str, str]:
    """Repository and revision of a hub: spec.

    Raises:
        BadSource: they are none.
    """
    found = _SPEC.fullmatch(spec)
    repo, revision = (found[1], found[2] or DEFAULT_REVISION) if found else (spec.removeprefix(HUB), "")
    return check_repo(repo), check_revision(revision)


@contextmanager
def _shelf(
    settings: Settings,
    hub: Hub | None,
    room: Callable[[], int | None] | None,
    report: Report,
    cancelled: Cancelled,
    admit: Admit,
) -> Iterator[Shelf]:
    client = hub or model_hub(settings)
    try:
        yield Shelf(models_root(settings), client, room or Room(settings), cancelled, report, admit)
    finally:
        if hub is None:
            client.close()


def _local(spec: str) -> ModelFolder:
    folder = Path(spec.removeprefix(LOCAL)).expanduser()
    if not spec or "\0" in spec or not folder.is_dir():
        hint = f"name a folder with a {CONFIG_NAME}, or a repository as hub:OWNER/NAME"
        raise BadModel("there is no such folder with a model", hint=hint)
    return ModelFolder(folder.resolve(), "local")


def stamps_of(folder: Path | None) -> tuple[tuple[str, int, int], ...]:
    """What tells the two files of a model from those it had before: name, bytes, time of each; () without a folder."""
    if folder is None:
        return ()
    names = [CONFIG_NAME]
    with suppress(BadModel):
        names.append(load_config(folder).weights)
    stamps = []
    for name in names:
        with suppress(OSError):
            found = (folder / name).stat()
            stamps.append((name, found.st_size, found.st_mtime_ns))
    return tuple(stamps)
