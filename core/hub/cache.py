"""Cache: where fetched images live on this disk, how big they are, and which go first.

    images/<owner>--<name>/<commit>/<case>/<modality>.nii[.gz]        the image, as the Hub gave it
    images/<owner>--<name>/<commit>/<case>/<modality>.nii[.gz].json   its bytes and sha256, written last
    sample/<version>/<case>/<modality>.nii.gz                         the synthetic cohort, listed and removed alike

An image without its record does not exist. An entry is read through once after each start before it is trusted. Does
not fetch; drafts are made by `draft`.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.case import check_case_id
from core.errors import BadSource, DiskFull
from core.hub.client import check_repo, is_commit
from core.hub.shelf import DRAFT_PREFIX, disk_error, read_record, write_record

SUFFIXES = (".nii.gz", ".nii")
ORPHAN_S = 3600.0  # a draft that nobody has written to for so long is nobody's
_MODALITY = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class CacheEntry:
    """One image on disk. `source` is `hub:owner/name@commit` or "sample"; `last_used` seconds since the epoch."""

    source: str
    case_id: str
    modality: str
    path: Path
    bytes: int
    last_used: float


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


@dataclass(frozen=True)
class Kept:
    """An image in the cache, verified."""

    path: Path
    bytes: int
    sha256: str


class Cache:
    """Images on disk under a byte limit. Safe to use from several threads; several processes may share the root.

    Args:
        root: settings.cache_dir. Created when something is written.
        limit_bytes: least recently used entries go when it is exceeded; None for no limit.

    Construction sweeps drafts that a dead process left behind.
    """

    def __init__(self, root: Path, limit_bytes: int | None = None) -> None:
        self.root = root
        self.limit_bytes = limit_bytes
        self._lock = threading.RLock()
        self._leases: Counter[Path] = Counter()
        self._trusted: dict[Path, tuple[int, int]] = {}
        self.sweep()

    def find(self, key: Key) -> Kept | None:
        """The image, if it is here and whole; one that is damaged is removed."""
        path = self.peek(key)
        record = _record(path) if path is not None else None
        if path is None or record is None:
            return None
        size, sha256 = record
        try:
            stat = path.stat()
            mark = (stat.st_size, stat.st_mtime_ns)
            if self._trusted.get(path) != mark:
                if stat.st_size != size or _sha256(path) != sha256:
                    self._remove(path)
                    return None
                self._trusted[path] = mark
            os.utime(_sidecar(path))
        except OSError:
            return None
        return Kept(path, size, sha256)

    def peek(self, key: Key) -> Path | None:
        """Where the image lies, if it is here; its bytes are not read."""
        for suffix in SUFFIXES:
            path = self.root / key.folder / f"{key.modality}{suffix}"
            if path.is_file() and _sidecar(path).is_file():
                return path
        return None

    def held(self, keys: Sequence[Key]) -> frozenset[str]:
        """Modalities of one case that are here, by one look at its folder."""
        try:
            names = {path.name for path in (self.root / keys[0].folder).iterdir()} if keys else set()
        except OSError:
            return frozenset()
        found = ((key.modality, Path(f"{key.modality}{suffix}")) for key in keys for suffix in SUFFIXES)
        return frozenset(name for name, path in found if path.name in names and _sidecar(path).name in names)

    def keep(self, key: Key, draft: Path, suffix: str, sha256: str) -> Kept:
        """Give a finished, verified draft in the key's folder its final name.

        Raises:
            DiskFull, BadSettings: nothing is at the final name then.
        """
        target, whole = self.root / key.folder / f"{key.modality}{suffix}", False
        try:
            with self._lock:
                draft.replace(target)
                stat = target.stat()
                self._trusted[target] = (stat.st_size, stat.st_mtime_ns)
                write_record(_sidecar(target), {"bytes": stat.st_size, "sha256": sha256})
            whole = True
        except OSError as error:
            raise disk_error(error) from None
        finally:
            if not whole:
                with suppress(OSError):
                    target.unlink()
        return Kept(target, stat.st_size, sha256)

    def entries(self) -> tuple[CacheEntry, ...]:
        """All images here, sorted by source, case and modality."""
        found = [*self._hub_entries(), *self._sample_entries()]
        return tuple(sorted(found, key=lambda e: (e.source, e.case_id, e.modality)))

    def total_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.bytes for entry in self.entries())

    def clear(self, keep: frozenset[Path] = frozenset()) -> int:
        """Remove all entries but those in `keep` and those on lease. Returns the bytes freed."""
        return self._drop((e for e in self.entries() if e.path not in keep), need=None)

    def evict(self, need: int) -> int:
        """Remove least recently used images of the Hub until `need` bytes are freed. Returns the bytes freed."""
        return self._drop(sorted(self._hub_entries(), key=lambda e: e.last_used), need)

    def make_room(self, need: int) -> None:
        """Evict so that `need` more bytes stay under the limit.

        Raises:
            DiskFull: they cannot.
        """
        if self.limit_bytes is None:
            return
        with self._lock:
            over = self.total_bytes() + need - self.limit_bytes
            if over > 0 and self.evict(over) < over:
                raise DiskFull(
                    f"the cache may hold {self.limit_bytes / 1e6:.0f} MB, and {need / 1e6:.0f} MB more do not fit",
                    hint="clear the cache on the Resources page, or raise STROKESCOPE_DISK_LIMIT",
                )

    @contextmanager
    def lease(self, paths: Iterable[Path]) -> Iterator[None]:
        """Keep the paths from being evicted or cleared inside the block."""
        held = list(paths)
        with self._lock:
            self._leases.update(held)
        try:
            yield
        finally:
            with self._lock:
                self._leases.subtract(held)
                self._leases += Counter()  # forgets those at zero

    def sweep(self, now: float | None = None) -> int:
        """Remove drafts that no living process is writing. Returns how many."""
        now = time.time() if now is None else now
        count = 0
        for top in ("images", "sample", "footers"):
            for path in (self.root / top).rglob(f"{DRAFT_PREFIX}*"):
                if _is_orphan(path, now):
                    path.unlink(missing_ok=True)
                    count += 1
        return count

    def _drop(self, entries: Iterable[CacheEntry], need: int | None) -> int:
        freed = 0
        with self._lock:
            for entry in entries:
                if need is not None and freed >= need:
                    break
                if self._leases[entry.path] <= 0:
                    self._remove(entry.path)
                    freed += entry.bytes
        return freed

    def _remove(self, path: Path) -> None:
        with self._lock:
            _sidecar(path).unlink(missing_ok=True)  # first: without it the image does not exist
            path.unlink(missing_ok=True)
            self._trusted.pop(path, None)
            with suppress(OSError):  # the first folder that is not empty ends it
                for folder in list(path.parents)[:3]:
                    folder.rmdir()

    def _hub_entries(self) -> Iterator[CacheEntry]:
        for path in (self.root / "images").glob("*/*/*/*.nii*"):
            modality = _modality_of(path)
            record = _record(path) if modality else None
            if modality and record:
                repo, commit, case_id = path.parts[-4:-1]
                used = _mtime(_sidecar(path))
                yield CacheEntry(f"hub:{repo.replace('--', '/', 1)}@{commit}", case_id, modality, path, record[0], used)

    def _sample_entries(self) -> Iterator[CacheEntry]:
        for path in (self.root / "sample").glob("*/*/*.nii*"):
            modality = _modality_of(path)
            if modality and not path.name.startswith("."):
                yield CacheEntry("sample", path.parent.name, modality, path, _size(path), _mtime(path))


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _record(path: Path) -> tuple[int, str] | None:
    record = read_record(_sidecar(path))
    if not isinstance(record, dict):
        return None
    size, sha256 = record.get("bytes"), record.get("sha256")
    return (size, sha256) if isinstance(size, int) and isinstance(sha256, str) else None


def _modality_of(path: Path) -> str | None:
    name = next((path.name.removesuffix(s) for s in SUFFIXES if path.name.endswith(s)), "")
    return name if _MODALITY.fullmatch(name) else None


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_orphan(path: Path, now: float) -> bool:
    """Whether a draft is stale: untouched for ORPHAN_S, or its process is gone."""
    pid = path.name.removeprefix(DRAFT_PREFIX).partition("-")[0]
    if not pid.isdecimal() or now - _mtime(path) > ORPHAN_S:
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
