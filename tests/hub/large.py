"""Large: a dataset of three images of a megabyte, in either layout, and what has come of them.

Small enough to be fetched in a moment, large enough to break off in the middle.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from core.hub.cache import Key
from core.hub.policy import Policies
from core.sources.protocol import Fetched, Progress, Source
from tests.hub.conftest import PATIENT, source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, nifti, shard

CASE = "sub-stroke0001"
NAMES = ("dwi", "adc", "lesion_mask")
LAYOUTS = ("shards", "files")


@functools.cache
def images(packed: bool = True) -> Mapping[str, bytes]:
    """The case's images."""
    return {name: nifti(number, (128, 128, 64), packed) for number, name in enumerate(NAMES)}


def serve(server: HubServer, layout: str = "shards", packed: bool = True) -> None:
    """Put the case into the server instead of what it serves; what is not packed comes with its pages' sums."""
    if layout == "shards":
        data = shard([Case(CASE, images(packed))], Options(page_sums=not packed), NAMES)
        files = {"data/train-00000-of-00001.parquet": data}
    else:
        end = ".nii.gz" if packed else ".nii"
        files = {f"{CASE}/{CASE}_{name.replace('_mask', '-msk')}{end}": data for name, data in images(packed).items()}
    server.add_dataset(REPO, COMMIT, files)


def reader(server: HubServer, folder: Path, policies: Policies = PATIENT) -> Source:
    """The dataset as a new process would open it, its footers read."""
    source = source_on(server, folder, policies=policies)
    source.refresh()
    return source


def check(fetched: Fetched, packed: bool = True) -> None:
    """All images are there, and every byte is right."""
    assert set(fetched.files) == set(NAMES) and not fetched.absent
    for name, file in fetched.files.items():
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == hashlib.sha256(images(packed)[name]).hexdigest()


def part(folder: Path, name: str) -> Path:
    """Where an image lies while it is not finished."""
    return folder / Key(REPO, COMMIT, CASE, name).part


def held(folder: Path) -> int:
    """Bytes of the case that are on disk, in finished images and in parts."""
    here = folder / Key(REPO, COMMIT, CASE, "dwi").folder
    return sum(path.stat().st_size for path in here.iterdir() if not path.name.endswith(".json"))


class StopAt:
    """A user who stops once so many bytes are here."""

    def __init__(self, done: int) -> None:
        self._done, self._stop = done, False

    def report(self, progress: Progress) -> None:
        """As `fetch` calls it."""
        self._stop |= progress.done >= self._done

    def cancelled(self) -> bool:
        """As `fetch` calls it."""
        return self._stop
