"""Model repositories on the Hub: the two files of a model, at one commit, each proven by its checksum.

Takes `strokescope.json` and the one weights file that it names, nothing else, beside and then renamed; a transfer that
breaks goes on where it stopped. Runs and opens nothing (core.segmentation.engines.network).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.errors import BadModel, DiskFull, HubCorrupt, HubOffline, HubServerError, HubTimeout
from core.hub.client import Hub, RemoteFile, check_repo, check_revision, is_commit
from core.hub.locks import lock
from core.hub.policy import Cancelled, Policies
from core.hub.ranges import Line, copy_range, copy_whole, wrong
from core.hub.shelf import disk_error, read_record, write_record
from core.hub.wire import Traffic
from core.segmentation.engines import network_weights
from core.segmentation.engines.network_config import CONFIG_NAME, MAX_CONFIG, ModelConfig, load_config
from core.settings import Settings

RECORD = ".verified"
DEFAULT_REVISION = "main"
SPARE = 256 * 2**20  # bytes that stay free beside a model
Report = Callable[[str, int, int], None]  # file, bytes here, bytes in all
Admit = Callable[[int], AbstractContextManager[object]]  # the door before so many bytes are fetched


def at_once(size: int) -> AbstractContextManager[object]:
    """For callers without a door."""
    return nullcontext()


class ModelHub(Hub):
    """The Hub's repositories of models instead of datasets."""

    def file_url(self, file: RemoteFile) -> str:
        """Where the file's bytes are asked for."""
        return f"{self._endpoint}/{check_repo(file.repo)}/resolve/{file.commit}/{quote(file.path)}"

    def _api(self, repo: str) -> str:
        return f"{self._endpoint}/api/models/{check_repo(repo)}"


def model_hub(settings: Settings, policies: Policies | None = None) -> ModelHub:
    """A client for these settings.

    Raises:
        BadSettings: HF_ENDPOINT is no address, or HF_TOKEN no token.
    """
    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    return ModelHub(settings.hf_endpoint, token, settings.hf_hub_offline, policies)


@dataclass(frozen=True)
class Fetched:
    """A model's folder on this disk.

    Attributes:
        commit: of the repository.
        note: "" or a sentence, when the Hub could not be asked what the revision means now.
    """

    folder: Path
    commit: str
    note: str


@dataclass(frozen=True)
class Listed:
    """A model of the Hub before its weights are fetched.

    Attributes:
        config: what it says of itself.
        bytes: of its weights.
        folder: where it lies; None while it must be fetched.
        commit, note: as Fetched.
    """

    config: ModelConfig
    bytes: int
    folder: Path | None
    commit: str
    note: str


@dataclass(frozen=True)
class Shelf:
    """Models of the Hub in the cache directory, one folder for each commit.

    Args:
        room: bytes that may still be written (core.resources.room.Room).
        admit: entered while weights are fetched.
    """

    root: Path
    hub: Hub
    room: Callable[[], int | None]
    cancelled: Cancelled
    report: Report
    admit: Admit = at_once

    def look(self, repo: str, revision: str = DEFAULT_REVISION) -> Listed:
        """What the model says of itself, and what it would take to fetch; takes its config alone.

        Raises:
            As `get`.
        """
        home = self.root / check_repo(repo).replace("/", "--")
        commit, note = self._commit(home, repo, check_revision(revision))
        folder = home / commit
        if not is_whole(folder):
            with lock(home / f"{commit}.lock", self.cancelled):
                if not is_whole(folder):
                    config, weights = self._describe(self._line(), repo, commit, self._stage(folder))
                    return Listed(config, weights.size or 0, None, commit, note)
        config = load_config(folder)
        return Listed(config, (folder / config.weights).stat().st_size, folder, commit, note)

    def get(self, repo: str, revision: str = DEFAULT_REVISION) -> Fetched:
        """The model of a repository, fetched if it is not here.

        Raises:
            BadSource: that is no repository or revision. HubError, FetchCancelled: it could not be fetched.
            BadModel: the repository holds no model, or one that is refused. DiskFull: there is no room for it.
        """
        home = self.root / check_repo(repo).replace("/", "--")
        commit, note = self._commit(home, repo, check_revision(revision))
        folder = home / commit
        if not is_whole(folder):
            with lock(home / f"{commit}.lock", self.cancelled):
                if not is_whole(folder):
                    self._fetch(repo, commit, folder)
        return Fetched(folder, commit, note)

    def _commit(self, home: Path, repo: str, revision: str) -> tuple[str, str]:
        """What the revision means now, or meant when the Hub could last be asked."""
        if is_commit(revision):
            return revision, ""
        kept = home / "revisions" / revision.replace("/", "--")
        try:
            commit = self.hub.commit_of(repo, revision, Traffic(), self.cancelled)
        except (HubOffline, HubTimeout, HubServerError):
            known = read_record(kept)
            if not isinstance(known, str) or not is_commit(known) or not is_whole(home / known):
                raise
            return known, f"The Hub cannot be asked now: {revision} as it was last seen ({known[:12]}) is used."
        write_record(kept, commit)
        return commit, ""

    def _line(self) -> Line:
        return Line(self.hub, self.hub.policies.transfer, self.cancelled)

    def _stage(self, folder: Path) -> Path:
        """Where a model is put together; what is damaged makes room."""
        staging = folder.with_name(f"{folder.name}.part")
        try:
            staging.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise disk_error(error) from None
        return staging

    def _describe(self, line: Line, repo: str, commit: str, staging: Path) -> tuple[ModelConfig, RemoteFile]:
        """The config, fetched, and the weights that it names."""
        tree = self.hub.tree(repo, commit, line.traffic, self.cancelled)
        files = {file.path: file for file in tree}
        self._take(line, chosen(files, CONFIG_NAME, MAX_CONFIG), staging)
        config = load_config(staging)
        weights = chosen(files, config.weights, network_weights.MAX_WEIGHTS)
        if weights.sha256 and config.sha256 not in (None, weights.sha256):
            said = "the repository's weights are not those that its config names by sha256"
            raise BadModel(said, hint="use another revision, or tell the model's owner")
        return config, weights

    def _fetch(self, repo: str, commit: str, folder: Path) -> None:
        line, staging = self._line(), self._stage(folder)
        _, weights = self._describe(line, repo, commit, staging)
        with self.admit(weights.size or 0):
            digest = self._take(line, weights, staging)
        record = {"repo": repo, "commit": commit, "weights": weights.path, "bytes": weights.size, "sha256": digest}
        write_record(staging / RECORD, record)
        try:
            staging.replace(folder)
        except OSError as error:
            raise disk_error(error) from None

    def _take(self, line: Line, file: RemoteFile, folder: Path) -> str:
        """Fetch one file, or what is still missing of it. Returns its sha256."""
        path, size = folder / file.path, file.size or 0
        have = path.stat().st_size if path.is_file() else 0
        if have > size:
            path.unlink()
            have = 0
        self._make_sure(size - have)
        sums = (hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))
        try:
            with path.open("ab") as out:
                if have:
                    _feed(path, sums)

                def sink(chunk: bytes) -> None:
                    try:
                        out.write(chunk)
                    except OSError as error:
                        raise disk_error(error) from None
                    for one in sums:
                        one.update(chunk)
                    self.report(file.path, min(size, out.tell()), size)

                if have == 0:
                    copy_whole(line, file, size, sink)
                elif have < size:
                    copy_range(line, file, have, size, sink)
        except OSError as error:
            raise disk_error(error) from None
        sha256, git = (one.hexdigest() for one in sums)
        if (file.sha256 or file.git_oid) not in (sha256, git):
            path.unlink(missing_ok=True)
            raise wrong(file, "is not what the Hub's list promises")
        return sha256

    def _make_sure(self, size: int) -> None:
        room = self.room()
        if room is not None and room < size + SPARE:
            said = f"the model takes {size / 1e6:.0f} MB and only {max(0, room) / 1e6:.0f} MB may still be written"
            raise DiskFull(said, hint="clear the cache on the Resources page, or free some space")


def chosen(files: Mapping[str, RemoteFile], name: str, most: int) -> RemoteFile:
    """One file of the repository.

    Raises:
        BadModel: it is not there, or larger than `most`.
        HubCorrupt: the Hub gives no checksum of it.
    """
    if name not in files:
        hint = f"choose a repository with {CONFIG_NAME} and its weights (docs/models.md)"
        if "configs/metadata.json" in files or "configs/inference.json" in files:
            raise BadModel("the repository is a MONAI bundle, whose configuration can run any code", hint=hint)
        raise BadModel(f"the repository holds no {name}", hint=hint)
    file = files[name]
    if file.size is None or file.size > most:
        size = (file.size or 0) / 1e6
        raise BadModel(
            f"{name} takes {size:.1f} MB, more than the {most / 1e6:.1f} MB allowed", hint="use another model"
        )
    if not file.sha256 and not file.git_oid:
        raise HubCorrupt(f"the Hub gives no checksum of {name}", hint="check HF_ENDPOINT, or try again later")
    return file


def is_whole(folder: Path) -> bool:
    """Whether the folder holds a model as it was fetched; its weights are read through once in this process."""
    record = read_record(folder / RECORD)
    if not isinstance(record, dict) or not isinstance(record.get("weights"), str):
        return False
    try:
        path = network_weights.weights_path(folder, record["weights"])
        return network_weights.digest(path) == record.get("sha256") and (folder / CONFIG_NAME).is_file()
    except (BadModel, OSError):
        return False


def _feed(path: Path, sums: tuple[hashlib._Hash, ...]) -> None:
    """Add what is here already to the sums."""
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            for one in sums:
                one.update(chunk)
