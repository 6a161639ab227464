"""Cache: the images on this disk: found, kept, leased, and removed when others need their place; records go last.

Where things lie is `entries`' knowledge, which go first `eviction`'s, what is nobody's `sweep`'s. Each image is read
through once after a start before it is trusted. Does not fetch; drafts are made by `draft`.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import DiskFull
from core.hub.entries import (
    SUFFIXES,
    CacheEntry,
    Kept,
    Key,
    derived,
    images,
    lock_of,
    parts,
    place_of,
    record_of,
    records,
    samples,
    sidecar,
    size_and_time,
)
from core.hub.eviction import first, idle, plan, refusal
from core.hub.leases import Leases, alone, in_use
from core.hub.locks import trying
from core.hub.shelf import disk_error, write_record
from core.hub.sweep import remove_part, remove_records, sweep
from core.resources.room import Room

__all__ = ["Cache", "CacheEntry", "Kept", "Key"]
_ROUNDS = 3  # of making room, while others write and remove too
_RECORD = 2**16  # bytes to free for a record that found the disk full


class Cache:
    """Images on disk. Safe to use from several threads; several processes may share the root.

    Args:
        root: settings.cache_dir. Created when something is written.
        room: bytes that may still be written now (core.resources.room.Room); None, or its answer None: no limit.

    Construction sweeps what dead processes left behind.
    """

    def __init__(self, root: Path, room: Callable[[], int | None] | None = None) -> None:
        self.root = root
        self._room = room
        self._lock = threading.RLock()
        self._leases = Leases()
        self._users: weakref.WeakKeyDictionary[object, Path] = weakref.WeakKeyDictionary()
        self._trusted: dict[Path, tuple[int, int, int]] = {}
        self.sweep()

    def find(self, key: Key, place: str = "") -> Kept | None:
        """The image, if it is here and whole; one that is damaged is removed.

        Args:
            place: where it must have come from, where its name alone does not say whose it is; "" for any.
        """
        path = self.peek(key)
        record = record_of(path) if path is not None else None
        if path is None or record is None or (place and place_of(path) not in ("", place)):
            return None
        size, sha256 = record
        try:
            mark = _mark(path)
            if self._trusted.get(path) != mark:
                if mark[1] != size or _sha256(path) != sha256:
                    self._remove(path)
                    return None
                self._trusted[path] = mark
            os.utime(sidecar(path))
        except OSError:
            return None
        return Kept(path, size, sha256)

    def peek(self, key: Key) -> Path | None:
        """Where the image lies, if it is here; its bytes are not read."""
        for suffix in SUFFIXES:
            path = self.root / key.folder / f"{key.modality}{suffix}"
            if path.is_file() and sidecar(path).is_file():
                return path
        return None

    def held(self, keys: Sequence[Key]) -> frozenset[str]:
        """Modalities of one case that are here, by one look at its folder."""
        try:
            names = {path.name for path in (self.root / keys[0].folder).iterdir()} if keys else set()
        except OSError:
            return frozenset()
        found = ((key.modality, Path(f"{key.modality}{suffix}")) for key in keys for suffix in SUFFIXES)
        return frozenset(name for name, path in found if path.name in names and sidecar(path).name in names)

    def keep(self, key: Key, draft: Path, suffix: str, sha256: str, place: str = "") -> Kept:
        """Give a finished, verified draft in the key's folder its final name; one that is whole already stays.

        Raises:
            DiskFull, BadSettings: nothing is at the final name then; the draft is where it was.
        """
        there = self.find(key, place)
        if there is not None and there.sha256 == sha256:  # perhaps on lease, which its successor would not be
            with suppress(OSError):
                draft.unlink()
            return there
        target, whole = self.root / key.folder / f"{key.modality}{suffix}", False
        try:
            mark = _mark(draft)
            self._note(
                target, {"bytes": mark[1], "sha256": sha256, "place": place}
            )  # first: a record alone does no harm
            with self._lock:
                draft.replace(target)
                self._trusted[target] = mark
            whole = True
        except OSError as error:
            raise disk_error(error) from None
        finally:
            if not whole:
                for path in (sidecar(target), target):
                    with suppress(OSError):
                        path.unlink()
        self._tell(mark[1])
        return Kept(target, mark[1], sha256)

    def entries(self) -> tuple[CacheEntry, ...]:
        """All whole images here, sorted by source, case and modality."""
        found = [*images(self.root), *samples(self.root), *derived(self.root)]
        return tuple(sorted(found, key=lambda e: (e.source, e.case_id, e.modality)))

    def unfinished(self) -> tuple[CacheEntry, ...]:
        """Images whose transfer broke off or runs now, sorted likewise."""
        return tuple(sorted(parts(self.root), key=lambda e: (e.source, e.case_id, e.modality)))

    def records(self) -> tuple[CacheEntry, ...]:
        """What makes the lists of cases, one entry for each commit, sorted likewise."""
        return tuple(sorted(records(self.root), key=lambda e: e.source))

    def use_records(self, user: object, folder: Path) -> None:
        """Spare the records of a commit from eviction, not from `clear`, for as long as the user lives."""
        with self._lock:
            self._users[user] = folder
        with suppress(OSError):
            os.utime(folder)

    def total_bytes(self) -> int:
        """Bytes of all entries, unfinished ones and records too."""
        return sum(entry.bytes for entry in self._all())

    def spare_bytes(self) -> tuple[int, int]:
        """Bytes that eviction could free now, and bytes that it could not: somebody uses them."""
        entries = self._all()
        spare = sum(entry.bytes for entry in self._free(entries))
        return spare, sum(entry.bytes for entry in entries) - spare

    def room(self) -> int | None:
        """Bytes that may still be written as it is; negative when there is too much already; None without a limit."""
        return self._room() if self._room is not None else None

    def clear(self, keep: frozenset[Path] = frozenset()) -> int:
        """Remove all entries but those in `keep` and the images in use by any process. Returns the bytes freed."""
        return self._drop(entry for entry in self._all() if entry.path not in keep)

    def evict(self, need: int) -> int:
        """Remove unfinished, then least recently used images, then records of commits that no source of this process
        stands on, until `need` bytes are freed. Returns the bytes freed."""
        with self._lock:
            return self._drop(first(self._free(self._all()), need))

    def make_room(self, need: int, background: bool = False) -> None:
        """Evict so that `need` more bytes may be written. Nothing is removed when that cannot be.

        Args:
            background: takes the place of nothing that was used within the last hour.

        Raises:
            DiskFull: they do not fit, with the numbers.
        """
        for _ in range(_ROUNDS):
            room = self.room()
            if room is None or need <= room:
                return
            with self._lock:
                entries = self._all()
                free = self._free(idle(entries, time.time()) if background else entries)
                found = plan(entries, room, need, free)
                if found.verdict in ("busy", "never"):
                    raise refusal(found, background)
                if self._drop(found.victims) >= need - room:
                    return
        raise DiskFull("the disk fills faster than it can be cleared", hint="try again in a moment")

    @contextmanager
    def lease(self, paths: Iterable[Path]) -> Iterator[frozenset[Path]]:
        """Inside the block no process evicts or clears the files; gives those of them that are here."""
        taken = self._leases.take(paths)
        try:
            yield frozenset(taken)
        finally:
            self._leases.give_back(taken)

    def hold(self, owner: str, paths: Iterable[Path]) -> frozenset[Path]:
        """Lease the files to the owner until the next call, instead of those before; returns those that are there.

        Args:
            owner: such as a session, for what is on its screen; of many, the one heard of least recently lets go.
        """
        return self._leases.hold(owner, paths)

    def let_go(self, owner: str) -> None:
        """End the owner's leases."""
        self._leases.let_go(owner)

    def sweep(self, now: float | None = None) -> int:
        """Remove what is nobody's. Returns how many files went."""
        return sweep(self.root, time.time() if now is None else now)

    def _all(self) -> tuple[CacheEntry, ...]:
        return (*self.unfinished(), *self.entries(), *self.records())

    def _free(self, entries: Iterable[CacheEntry]) -> tuple[CacheEntry, ...]:
        """Those that nobody uses now."""
        return tuple(entry for entry in entries if not self._in_use(entry))

    def _in_use(self, entry: CacheEntry) -> bool:
        if entry.is_records:
            return entry.path in list(self._users.values())
        if entry.unfinished:
            with trying(self.root / lock_of(entry.path.relative_to(self.root))) as nobody:
                return not nobody
        return self._leases.holds(entry.path) or in_use(entry.path)

    def _drop(self, entries: Iterable[CacheEntry]) -> int:
        """Remove those that nobody uses. Returns the bytes that this freed."""
        freed = 0
        for entry in entries:
            if entry.unfinished:
                freed += remove_part(self.root, entry.path)
            elif entry.is_records:
                freed += remove_records(entry.path)
            elif not self._leases.holds(entry.path):
                with alone(entry.path) as nobody:
                    freed += self._remove(entry.path) if nobody else 0
        self._tell(-freed)
        return freed

    def _remove(self, path: Path) -> int:
        """Remove an image. Returns the bytes that this freed: none if another process was first."""
        size = 0
        with self._lock:
            with suppress(OSError):
                sidecar(path).unlink()  # first: without it the image does not exist
            with suppress(OSError):
                found = size_and_time(path)[0]
                path.unlink()
                size = found
            self._trusted.pop(path, None)
        return size

    def _note(self, target: Path, record: object) -> None:
        """Write the image's record, in place of another file if need be."""
        try:
            write_record(sidecar(target), record)
        except DiskFull:
            if not self.evict(_RECORD):
                raise
            write_record(sidecar(target), record)

    def _tell(self, count: int) -> None:
        if isinstance(self._room, Room):
            self._room.wrote(count)


def _mark(path: Path) -> tuple[int, int, int]:
    """Inode, bytes and time: another file, or a changed one, has another. Raises OSError."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
