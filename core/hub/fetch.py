"""Fetch: images that are wanted, from the cache or through a `pull` from the Hub, once for all who want them.

Decides what is missing, lets one thread of one process transfer each file while the others watch, gives each transfer
its turn, and tries wrong bytes and a full disk a second time. How bytes come is the pull's business (images, or a whole
file); what of them is left behind, the draft's.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from core.errors import DiskFull, FetchCancelled, HubCorrupt, HubError, StrokescopeError
from core.hub.attempt import Attempt, Judge
from core.hub.attempt import Want as Want
from core.hub.cache import Cache
from core.hub.content import Promised
from core.hub.draft import Check
from core.hub.entries import Kept, Key
from core.hub.growth import Growth
from core.hub.job import Job, Pull, Report, Spare, Transfer
from core.hub.locks import lock
from core.hub.part import discard_part, part_bytes
from core.hub.policy import POLL_S, TRANSFER, Cancelled, stop_if
from core.hub.turns import FRONT, Turn, Turns

ELSEWHERE = "another process is fetching it"


@dataclass(frozen=True)
class Outcome:
    """What became of the wants: files by name, None where the row holds a null; whether anything was transferred."""

    files: Mapping[str, Kept | None]
    transferred: bool


class Fetcher:
    """Fetches into one cache. One instance is shared by all threads, and best by all sources of a process.

    Args:
        check: judges a finished file, raises BadVolume.
        promised: the decoded size by an image's first decoded bytes (core.imaging.nifti.promised_bytes), so that a
            gzip bomb is stopped there; None: not asked.
        turns: the places of this process.
        patience_s: seconds without any progress after which another process that fetches an image is not waited for.
    """

    def __init__(
        self,
        cache: Cache,
        check: Check,
        promised: Promised | None = None,
        turns: Turns | None = None,
        patience_s: float = TRANSFER.patience_s,
    ) -> None:
        self.cache = cache
        self.turns = turns or Turns()
        self._judge = Judge(check, promised)
        self._patience_s = patience_s
        self._running: dict[Key, Transfer] = {}
        self._lock = threading.Lock()

    def get(
        self,
        wants: Mapping[str, Want],
        pull: Pull,
        report: Report,
        cancelled: Cancelled,
        turn: Turn = FRONT,
        spare: Spare = lambda: True,
    ) -> Outcome:
        """The wanted images as verified files.

        A background fetch (`turn`) stops by FetchCancelled as soon as a foreground transfer runs or waits, unless that
        one waits for the very same image; it keeps what it has. It begins only while the Hub has requests to `spare`.
        Until it returns, nobody evicts what it has found or finished.

        Raises:
            HubError, DiskFull, BadSettings, FetchCancelled.
        """
        job = Job(wants, pull, report, cancelled, turn, spare)
        with job.held:
            while missing := {name: want for name, want in wants.items() if name not in job.files}:
                stop_if(cancelled)
                self._round(job, missing)
        return Outcome(job.files, job.transferred)

    def _round(self, job: Job, missing: Mapping[str, Want]) -> None:
        """Serve what nobody fetches yet, and then wait for what others do."""
        theirs = self._claim(job, missing)
        failure: StrokescopeError = FetchCancelled("the transfer broke off", hint="try again")
        try:
            try:
                self._serve(job, {name: missing[name] for name in job.own})
            except StrokescopeError as error:
                failure = error
                raise
            finally:
                self._settle(job, failure)
            self._watch(job, theirs)
        finally:
            self._leave(job, theirs)

    def welcome(self, turn: Turn, spare: Spare) -> None:
        """Raise FetchCancelled if the turn is a background one and not welcome now.

        Args:
            spare: whether the Hub has requests to spare (Hub.spare).
        """
        if turn.background and (self.turns.busy() or not spare()):
            raise _yielded()

    def _claim(self, job: Job, wants: Mapping[str, Want]) -> dict[str, Transfer]:
        """Those that nobody fetches yet become the job's own; returns those of others."""
        theirs = {}
        with self._lock:
            for name, want in wants.items():
                running = self._running.get(want.key)
                if running is None:
                    job.own[name] = self._running[want.key] = Transfer()
                else:
                    theirs[name] = running
                    running.fronts += not job.turn.background
        return theirs

    def _leave(self, job: Job, theirs: Mapping[str, Transfer]) -> None:
        with self._lock:
            for transfer in theirs.values():
                transfer.fronts -= not job.turn.background

    def _settle(self, job: Job, error: StrokescopeError) -> None:
        """Tell those who watch what became of the job's own; the error is that of those which are not here."""
        if job.turn.background and isinstance(error, DiskFull):
            error = _yielded()  # who watches may take more room than it
        with self._lock:
            for name, transfer in job.own.items():
                del self._running[job.wants[name].key]
                transfer.kept = job.files.get(name)
                transfer.error = None if name in job.files else error
                transfer.done.set()
            job.own.clear()

    def _serve(self, job: Job, wants: Mapping[str, Want]) -> None:
        """The job's own images: from the cache, or transferred with the key's lock and a place."""
        todo = self._look(job, wants)
        if not todo:
            return
        self.welcome(job.turn, job.spare)
        job.transferred = True

        def give_up() -> bool:
            if job.yields() and self.turns.busy():
                raise _yielded()
            return job.cancelled()

        with ExitStack() as held:
            shared = self._locked(job, todo, give_up, held)
            todo = self._look(job, todo)
            if todo:
                parts = self._parts(todo)
                job.bytes.update({name: parts[name] if name in shared else 0 for name in todo})
                place = self.turns.place(job.turn, give_up, lambda n: job.tell(_before(n)), job.promoted)
                held.enter_context(place)
                job.tell("")
                self._transfer(job, todo, shared, give_up)

    def _locked(self, job: Job, wants: Mapping[str, Want], cancelled: Cancelled, held: ExitStack) -> set[str]:
        """Names whose locks are ours until `held` ends: all but those of whom nothing moves, and where there are none.

        Who holds a lock and neither writes nor ends may be stopped for good: the image is then transferred beside it.
        """
        growth = Growth(self.cache.root / want.key.folder for want in wants.values())

        def hopeless() -> bool:
            return growth.still_for() >= self._patience_s

        shared = set()
        for name in sorted(wants, key=lambda n: wants[n].key.lock):  # one order for all, or two wait for each other
            path = self.cache.root / wants[name].key.lock
            if held.enter_context(lock(path, cancelled, lambda: self._elsewhere(job, wants), hopeless)):
                shared.add(name)
        return shared

    def _look(self, job: Job, wants: Mapping[str, Want]) -> dict[str, Want]:
        """Add what the cache has to the job's files; returns the rest."""
        for name, want in wants.items():
            kept = self.cache.find(want.key, want.promise.place)
            if kept is not None:
                job.add(name, kept, self.cache)
        return {name: want for name, want in wants.items() if name not in job.files}

    def _elsewhere(self, job: Job, wants: Mapping[str, Want]) -> None:
        """Another process holds one of the images: it goes on without a prefetch, and we show how far it is."""
        if job.yields():
            raise _yielded()
        for name, count in self._parts(wants).items():  # none any more once it is finished
            job.bytes[name] = max(count, job.bytes.get(name, 0))
        job.tell(ELSEWHERE)

    def _parts(self, wants: Mapping[str, Want]) -> dict[str, int]:
        """Bytes of each image's part, without a look at what they are."""
        return {name: part_bytes(self.cache.root / want.key.part) for name, want in wants.items()}

    def _transfer(self, job: Job, wants: Mapping[str, Want], shared: set[str], cancelled: Cancelled) -> None:
        """All at once; on a full disk once more; after wrong bytes one by one, so that a bad one spoils no other."""
        parts = [self.cache.root / wants[name].key.part for name in wants if name in shared]
        spent: Counter[str] = Counter()
        try:
            try:
                self.cache.make_room(_missing(wants, parts), job.yields())
                try:
                    return self._attempt(job, wants, shared, cancelled, spent)
                except DiskFull:  # the disk itself: others write to it too
                    if job.yields() or not self.cache.evict(max(_missing(wants, parts), 1)):
                        raise
                    return self._attempt(job, wants, shared, cancelled, spent)
            except HubCorrupt as error:
                failed = [error] if max(spent.values(), default=0) > 1 else []
            for name in wants:
                try:
                    if name not in job.files and spent[name] < 2:
                        self._attempt(job, {name: wants[name]}, shared, cancelled, spent)
                except HubCorrupt as error:
                    failed.append(error)
        except DiskFull:
            for part in () if job.turn.background else parts:
                discard_part(part)
            raise
        if failed:
            raise failed[0]

    def _attempt(
        self, job: Job, wants: Mapping[str, Want], shared: set[str], cancelled: Cancelled, spent: Counter[str]
    ) -> None:
        """Pull those of the wants that are not here yet and add them to the job's files."""
        todo = {name: want for name, want in wants.items() if name not in job.files}
        attempt = Attempt(self.cache, self._judge, todo, shared, cancelled, job.reach, job.tell, spent)
        failed: HubError | None = None
        try:
            try:
                job.pull(tuple(todo), attempt)
                stop_if(cancelled)
            except HubError as error:
                failed = error
            for name in todo:
                try:
                    if failed is None or name in attempt.complete():
                        job.add(name, attempt.finish(name), self.cache)
                except HubCorrupt as error:
                    failed = failed or error
        finally:
            attempt.close()
        if failed is not None:
            raise failed

    def _watch(self, job: Job, theirs: Mapping[str, Transfer]) -> None:
        """Wait for other threads' transfers; those that their users stopped are left to be begun anew.

        Raises:
            HubError, DiskFull, BadSettings: what that thread met. FetchCancelled: our user stopped.
        """
        for name, transfer in theirs.items():
            job.transferred = True
            while not transfer.done.wait(POLL_S):
                stop_if(job.cancelled)
                job.bytes.update({n: t.bytes for n, t in theirs.items()})
                job.tell(transfer.note)
            if transfer.error is None:
                job.add(name, transfer.kept, self.cache)
            elif not isinstance(transfer.error, FetchCancelled):
                raise transfer.error


def _missing(wants: Mapping[str, Want], parts: Sequence[Path]) -> int:
    """Bytes that must still be written."""
    return max(0, sum(want.size or 0 for want in wants.values()) - sum(map(part_bytes, parts)))


def _before(count: int) -> str:
    return f"{count} transfer{'s' if count > 1 else ''} before yours" if count else "next in line"


def _yielded() -> FetchCancelled:
    return FetchCancelled("work in the background gave way", hint="choose the case to fetch it")
