"""Entries: what can lie in the cache's folder, where it lies, and how to see it.

    images/<owner>--<name>/<commit>/<case>/<modality>.nii[.gz]        an image, as the Hub gave it
    images/<owner>--<name>/<commit>/<case>/<modality>.nii[.gz].json   its bytes and sha256
    images/<owner>--<name>/<commit>/<case>/.part-<modality>           one that is not finished
    images/<owner>--<name>/<commit>/<case>/.part-<modality>.json      what it is a part of
    derived/<key>/<name>.nii.gz                                       made of an image, such as one time point
    sample/<version>/<case>/<modality>.nii.gz                         the synthetic cohort
    footers/<owner>--<name>/<commit>/                                 records of that commit: footers, tree, headers
    locks/<digest>.lock                                               held by who writes an unfinished image

An image without its record does not exist. Looks only: writes and removes nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.case import check_case_id
from core.errors import BadSource
from core.hub.client import check_repo, is_commit
from core.hub.shelf import DRAFT_PREFIX, read_record

LOCKS = "locks"  # the folder of the lock files
SUFFIXES = (".nii.gz", ".nii")
_RECORDS = "records "
_MODALITY = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class CacheEntry:
    """One file on disk.

    Attributes:
        source: `hub:owner/name@commit`, "sample", "derived" for what was made of an image, or
            "records owner/name@commit" for all that makes the list of cases of one commit: there `path` is a folder.
        bytes: on disk now.
        last_used: seconds since the epoch; for an unfinished one when it was last written to.
        unfinished: a transfer that broke off, or that runs now.
    """

    source: str
    case_id: str
    modality: str
    path: Path
    bytes: int
    last_used: float
    unfinished: bool = False

    @property
    def is_records(self) -> bool:
        """Whether it is the records of one commit, and no image."""
        return self.source.startswith(_RECORDS)


@dataclass(frozen=True)
class Key:
    """What an image is the image of.

    Raises:
        BadSource, CaseNotFound: a part that may not be in a path.
    """

    repo: str
    commit: str
    case_id: str
    modality: str

    def __post_init__(self) -> None:
        check_repo(self.repo)
        check_case_id(self.case_id)
        if not is_commit(self.commit) or not _MODALITY.fullmatch(self.modality):
            raise BadSource("that is not an image of the Hub", hint="choose a case from the list")

    @property
    def folder(self) -> Path:
        """Relative to the cache's root."""
        return Path("images", self.repo.replace("/", "--"), self.commit, self.case_id)

    @property
    def part(self) -> Path:
        """The unfinished file, relative to the cache's root."""
        return self.folder / f"{DRAFT_PREFIX}{self.modality}"

    @property
    def lock(self) -> Path:
        """The lock of whoever writes or removes the unfinished file, relative to the cache's root."""
        return lock_of(self.part)


@dataclass(frozen=True)
class Kept:
    """An image in the cache, verified."""

    path: Path
    bytes: int
    sha256: str


def lock_of(part: Path) -> Path:
    """The lock of an unfinished file; both relative to the cache's root."""
    return Path(LOCKS, f"{hashlib.sha256(part.as_posix().encode()).hexdigest()[:32]}.lock")


def sidecar(path: Path) -> Path:
    """Where the record of an image or of an unfinished one lies."""
    return path.with_name(path.name + ".json")


def record_of(path: Path) -> tuple[int, str] | None:
    """Bytes and sha256 of an image by its record."""
    record = read_record(sidecar(path))
    if not isinstance(record, dict):
        return None
    size, sha256 = record.get("bytes"), record.get("sha256")
    return (size, sha256) if isinstance(size, int) and isinstance(sha256, str) else None


def place_of(path: Path) -> str:
    """Where on the Hub an image came from, by its record; "" if it does not say."""
    record = read_record(sidecar(path))
    place = record.get("place") if isinstance(record, dict) else None
    return place if isinstance(place, str) else ""


def modality_of(name: str) -> str | None:
    """The modality that an image's file name says; None for any other file."""
    found = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), "")
    return found if _MODALITY.fullmatch(found) else None


def part_of(name: str) -> str | None:
    """The modality of an unfinished image by its file name; None for any other file."""
    found = name.removeprefix(DRAFT_PREFIX) if name.startswith(DRAFT_PREFIX) else ""
    return found if _MODALITY.fullmatch(found) else None


def images(root: Path) -> Iterator[CacheEntry]:
    """Every image of the Hub that has its record."""
    for path in files(root / "images", depth=4):
        modality = modality_of(path.name)
        record = record_of(path) if modality else None
        size, used = size_and_time(path)[0], size_and_time(sidecar(path))[1]
        if modality and record and size:
            yield CacheEntry(_source(path), path.parent.name, modality, path, size, used)


def parts(root: Path) -> Iterator[CacheEntry]:
    """Every unfinished image."""
    for path in files(root / "images", depth=4):
        modality = part_of(path.name)
        if modality:
            size, used = size_and_time(path)
            yield CacheEntry(_source(path), path.parent.name, modality, path, size, used, unfinished=True)


def samples(root: Path) -> Iterator[CacheEntry]:
    """Every image of the synthetic cohort."""
    for path in files(root / "sample", depth=3):
        modality = modality_of(path.name)
        if modality:
            yield CacheEntry("sample", path.parent.name, modality, path, *size_and_time(path))


def derived(root: Path) -> Iterator[CacheEntry]:
    """Every image that was made of another."""
    for path in files(root / "derived"):
        if path.name.endswith(SUFFIXES) and not path.name.startswith("."):
            yield CacheEntry("derived", path.parent.name, path.name.partition(".")[0], path, *size_and_time(path))


def records(root: Path) -> Iterator[CacheEntry]:
    """The records of every commit: one entry for each, used last when its folder was touched last."""
    for folder in sorted((root / "footers").glob("*/*")):
        if is_commit(folder.name):
            found = [size_and_time(path)[0] for path in files(folder)]
            source = f"{_RECORDS}{folder.parent.name.replace('--', '/', 1)}@{folder.name}"
            if found:
                yield CacheEntry(source, "all cases", "list", folder, sum(found), size_and_time(folder)[1])


def files(top: Path, depth: int | None = None) -> Iterator[Path]:
    """Every file below a folder, or those `depth` levels below it; folders may vanish meanwhile, unlike for a glob."""
    for folder, _, names in os.walk(top):
        here = Path(folder)
        if depth is None or len(here.parts) == len(top.parts) + depth - 1:
            yield from (here / name for name in sorted(names))


def size_and_time(path: Path) -> tuple[int, float]:
    """Bytes, and seconds since the epoch of the last change; zeros for a file that is gone."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0.0
    return found.st_size, found.st_mtime


def _source(path: Path) -> str:
    repo, commit = path.parts[-4:-2]
    return f"hub:{repo.replace('--', '/', 1)}@{commit}"
