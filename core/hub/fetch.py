"""Fetch: images that are wanted, from the cache or through a `pull` from the Hub, once for all who want them.

Decides what is missing, lets one thread transfer each file while the others watch, tries wrong bytes a second time, and
leaves nothing behind after a failure. How bytes come is the pull's business (images, or a whole file).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.errors import BadVolume, DiskFull, FetchCancelled, HubCorrupt, StrokescopeError
from core.hub.cache import Cache, Kept, Key
from core.hub.draft import UNSAID, Check, Draft, Promise
from core.hub.policy import POLL_S, Cancelled, stop_if

MAX_TRANSFERS = 6  # at once
OpenDraft = Callable[[str], Draft]
Advance = Callable[[int], None]
Pull = Callable[[Sequence[str], OpenDraft, Advance], None]  # fetch these names into drafts, tell of each byte
Report = Callable[[int, int | None], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Want:
    """One image that is asked for: where it will live, its bytes on the wire if known, what the Hub says of it."""

    key: Key
    size: int | None = None
    promise: Promise = UNSAID


@dataclass(frozen=True)
class Outcome:
    """What became of the wants: files by name, None where the row holds a null; whether anything was transferred."""

    files: Mapping[str, Kept | None]
    transferred: bool


@dataclass
class _Transfer:
    """One file on its way, seen by all who wait for it."""

    done: threading.Event = field(default_factory=threading.Event)
    kept: Kept | None = None
    error: StrokescopeError | None = None
    bytes: int = 0
    total: int | None = None


class Fetcher:
    """Fetches into one cache. One instance is shared by all threads.

    Args:
        check: judges a finished file, raises BadVolume (core.imaging.nifti.check_file).
    """

    def __init__(self, cache: Cache, check: Check) -> None:
        self.cache = cache
        self._check = check
        self._running: dict[Key, _Transfer] = {}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_TRANSFERS)

    def get(self, wants: Mapping[str, Want], pull: Pull, report: Report, cancelled: Cancelled) -> Outcome:
        """The wanted images as verified files.

        Raises:
            HubError, BadVolume, DiskFull, BadSettings, FetchCancelled.
        """
        files: dict[str, Kept | None] = {}
        transferred = False
        while missing := {name: want for name, want in wants.items() if name not in files}:
            stop_if(cancelled)
            mine, theirs = self._claim(missing)
            failure: StrokescopeError | None = FetchCancelled("the transfer broke off", hint="try again")
            try:
                hits = {name: self.cache.find(want.key) for name, want in mine.items()}
                files.update({name: kept for name, kept in hits.items() if kept is not None})
                if todo := {name: want for name, want in mine.items() if name not in files}:
                    transferred = True
                    files.update(self._transfer(todo, pull, report, cancelled))
                failure = None
            except StrokescopeError as error:
                failure = error
                raise
            finally:
                self._settle(mine, files, failure)
            for name, transfer in theirs.items():
                transferred = True
                if _watch(transfer, report, cancelled):
                    files[name] = transfer.kept
        return Outcome(files, transferred)

    def _claim(self, wants: Mapping[str, Want]) -> tuple[dict[str, Want], dict[str, _Transfer]]:
        """Those that nobody fetches yet, now ours; and those of others."""
        mine, theirs = {}, {}
        with self._lock:
            for name, want in wants.items():
                if want.key in self._running:
                    theirs[name] = self._running[want.key]
                else:
                    self._running[want.key] = _Transfer(total=want.size)
                    mine[name] = want
        return mine, theirs

    def _settle(
        self, mine: Mapping[str, Want], files: Mapping[str, Kept | None], error: StrokescopeError | None
    ) -> None:
        with self._lock:
            for name, want in mine.items():
                transfer = self._running.pop(want.key)
                transfer.kept = files.get(name)
                transfer.error = None if name in files else error
                transfer.done.set()

    def _transfer(
        self, wants: Mapping[str, Want], pull: Pull, report: Report, cancelled: Cancelled
    ) -> dict[str, Kept | None]:
        """All at once; after wrong bytes or a full disk once more, one by one, so that a bad one spoils no other."""
        need = sum(want.size or 0 for want in wants.values())
        files: dict[str, Kept | None] = {}
        with self._slot(cancelled):
            self.cache.make_room(need)
            try:
                self._attempt(wants, files, pull, report, cancelled)
                return files
            except (HubCorrupt, BadVolume):
                pass
            except DiskFull:
                if not self.cache.evict(max(need, 1)):
                    raise
            failed: StrokescopeError | None = None
            for name, want in wants.items():
                try:
                    if name not in files:
                        self._attempt({name: want}, files, pull, report, cancelled)
                except (HubCorrupt, BadVolume) as error:
                    failed = failed or error
            if failed is not None:
                raise failed
        return files

    def _attempt(
        self,
        wants: Mapping[str, Want],
        files: dict[str, Kept | None],
        pull: Pull,
        report: Report,
        cancelled: Cancelled,
    ) -> None:
        """Pull the wants and add them to `files`; leaves no draft, whatever happens."""
        drafts: dict[str, Draft] = {}
        sizes = [want.size for want in wants.values()]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        done = 0

        def open_draft(name: str) -> Draft:
            drafts[name] = Draft(self.cache, wants[name].key, wants[name].promise)
            return drafts[name]

        def advance(count: int) -> None:
            nonlocal done
            done += count
            shown = done if total is None else min(done, total)
            for want in wants.values():
                self._running[want.key].bytes, self._running[want.key].total = shown, total
            report(shown, total)

        try:
            report(0, total)
            pull(tuple(wants), open_draft, advance)
            stop_if(cancelled)
            for name in wants:
                files[name] = drafts[name].finish(self._check) if name in drafts else None
        finally:
            for draft in drafts.values():
                draft.discard()

    @contextmanager
    def _slot(self, cancelled: Cancelled) -> Iterator[None]:
        """One of MAX_TRANSFERS places."""
        while not self._slots.acquire(timeout=POLL_S):
            stop_if(cancelled)
        try:
            yield
        finally:
            self._slots.release()


def _watch(transfer: _Transfer, report: Report, cancelled: Cancelled) -> bool:
    """Wait for another thread's transfer. False if its user stopped it, so that it must be begun anew.

    Raises:
        HubError, BadVolume, DiskFull: what that thread met. FetchCancelled: our user stopped.
    """
    while not transfer.done.wait(POLL_S):
        stop_if(cancelled)
        report(transfer.bytes, transfer.total)
    if isinstance(transfer.error, FetchCancelled):
        return False
    if transfer.error is not None:
        raise transfer.error
    return True
