"""Upload: a staging folder's shards into a repository, in commits of bounded size, from wherever the last run stopped.

Only what the repository lists moves a shard to proven (proof.py): whatever a call returned or failed with, the
repository is looked up before anything is sent again. Builds, frees and deletes nothing; the card is card.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from core.errors import (
    HubDenied,
    HubError,
    HubNotFound,
    HubRateLimited,
    HubServerError,
    ShardDamaged,
)
from core.hub.client import Hub
from core.hub.outgoing import Outgoing
from core.hub.policy import Cancelled
from core.hub.pushing import Pusher, Ready
from core.publish import stopped
from core.publish.build import is_good
from core.publish.proof import Looks, Remote, look_up, settle
from core.publish.sending import CLOCK, USUAL, Clock, Meter, Options, Progress, Row, next_size
from core.publish.staging import Staging

T = TypeVar("T")
_UNSEEN = 3  # failures in a row after which a repository that was just made is not there
_DOUBTED = 3  # failures in a row after which what was handed over may be lost, and is offered again


@dataclass(frozen=True)
class Uploaded:
    """What an upload did.

    Attributes:
        sent: indices of shards that were sent now and are proven.
        known: that the repository held before.
        commits: that were asked for.
        commit: of the repository, at which all of it is proven.
    """

    sent: tuple[int, ...]
    known: tuple[int, ...]
    commits: int
    commit: str


def upload(
    staging: Staging,
    hub: Hub,
    pusher: Pusher,
    options: Options = USUAL,
    tell: Callable[[Progress], None] = lambda progress: None,
    cancelled: Cancelled = lambda: False,
    *,
    clock: Clock = CLOCK,
    only: Collection[int] | None = None,
    greet: bool = True,
) -> Uploaded:
    """Send what the repository does not hold.

    Args:
        hub: reads the repository; of the same endpoint and token as the pusher.
        tell: called for every piece, by several threads, one at a time.
        only: indices; None for all.
        greet: ask who we are, and make the repository; not needed a second time.

    Raises:
        NotSent: the Hub did not take some of them, whatever was tried. HubDenied, HubNotFound: it never will.
        ShardDamaged: some lay damaged on the disk; all others are proven. PublishError: some are not built.
        PublishCancelled, DiskFull. After any of them another call goes on, and what is proven is not sent again.
    """
    run = _Run(staging, hub, pusher, options, Meter(tell, cancelled, clock), cancelled, clock, only)
    if greet:
        run.greet()
    run.attempt(run.compare)
    known = tuple(index for index in run.chosen if staging[index].state in ("proven", "freed"))
    run.check_built()
    while run.waiting():
        run.attempt(run.step)
    if run.refused:
        raise stopped.vanished(staging, run.refused)
    if run.damaged:
        raise stopped.damaged(staging, run.damaged)
    run.check_built()  # one that was freed, and that the repository lost meanwhile, is not
    return Uploaded(tuple(index for index in run.chosen if index not in known), known, run.commits, run.remote.commit)


class _Run:
    """One upload at work. Used by one thread."""

    def __init__(
        self,
        staging: Staging,
        hub: Hub,
        pusher: Pusher,
        options: Options,
        meter: Meter,
        cancelled: Cancelled,
        clock: Clock,
        only: Collection[int] | None,
    ) -> None:
        self._staging, self._hub, self._pusher, self._options = staging, hub, pusher, options
        self._meter, self._cancelled = meter, cancelled
        self._identity = staging.view.identity
        shards = range(self._identity.shards)
        self.chosen = tuple(shards if only is None else sorted(set(only)))
        self.remote = Remote(self._identity.repo, "", {})
        self.damaged: list[int] = []
        self.commits = 0
        self._looks, self._ready, self._left = Looks(), dict[int, Ready](), Counter[int]()
        self._row, self._size = Row(options, clock), options.files

    def greet(self) -> None:
        """Ask who we are, make the repository."""
        repo, options = self._identity.repo, self._options
        self._meter.turn("asking")
        self.attempt(lambda: self._pusher.check_may_write(repo, self._cancelled))
        if options.create:
            self.attempt(lambda: self._pusher.create(repo, options.private, self._cancelled))

    def check_built(self) -> None:
        """Raise PublishError unless all that is to be sent lies there."""
        missing = [index for index in self.chosen if not self._staging[index].is_made]
        if missing:
            raise stopped.unbuilt(self._staging, missing, len(self.chosen))

    @property
    def refused(self) -> list[int]:
        """Shards that were taken again and again, and are not there."""
        unproven = self._unproven()
        return [i for i, count in sorted(self._left.items()) if count >= stopped.HOPELESS and i in unproven]

    def _unproven(self) -> list[int]:
        return [index for index in self.chosen if self._staging[index].state in ("built", "sent")]

    def waiting(self) -> list[int]:
        """Shards that are still to be proven."""
        done = {*self.damaged, *self.refused}
        return [index for index in self._unproven() if index not in done]

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Do it; after a failure that may pass, wait, and look up what came of it. None after a failure of `step`.

        Raises:
            NotSent, HubDenied, HubNotFound, PublishCancelled.
        """
        while True:
            self._meter.stop_if()
            try:
                result = work()
            except HubNotFound as error:  # for a moment, or after we saw it: the Hub is not of one mind
                if not self.remote.commit and (self._row.failures >= _UNSEEN or not self._options.create):
                    raise
                self._failed(error)
            except HubDenied as error:
                done = self._proven() if self.remote.commit else None
                raise stopped.denied(error, done, len(self.chosen)) from error
            except HubError as error:
                self._failed(error)
            else:
                self._row.end()
                return result
            if work == self.step:
                return None

    def step(self) -> None:
        """One commit: hand over what it names, ask for it, look at what the repository holds then."""
        if self._row.failures:
            self.compare()
        group = self._choose(self.waiting())
        self._prepare([index for index in group if index not in self._ready])
        group = [index for index in group if index in self._ready]
        if not group:
            return
        self._meter.turn("committing")
        self.commits += 1
        took = False
        try:
            self._pusher.commit(
                self._identity.repo,
                self._identity.revision,
                [self._ready[index] for index in group],
                f"Add {len(group)} shards of {self._identity.shards}",
                self.remote.commit,
                self._cancelled,
            )
            self._staging.sent(group)
            took = True
        finally:
            self._size = next_size(min(self._size, len(group)) if not took else self._size, self._options.files, took)
        self.compare()
        left = [index for index in group if self._staging[index].state not in ("proven", "freed")]
        for index in left:
            self._left[index] += 1
            self._ready.pop(index, None)
        if left:
            raise HubServerError(
                f"a commit was taken, and {len(left)} of its {len(group)} shards are not there", hint=""
            )

    def compare(self) -> None:
        """Look the repository up, and bring the record in line with it."""
        self._meter.turn("comparing")
        before = self._proven()
        try:
            self.remote = look_up(self._hub, self._identity.repo, self._identity.revision, self._cancelled)
            settle(self._staging, self._hub, self.remote, self._looks, self._cancelled, self.chosen, self._looked)
        finally:
            now = self._proven()
            if now > before:
                self._row.end()
            for index in list(self._ready):
                if self._staging[index].state in ("proven", "freed"):
                    del self._ready[index]
            shards = [self._staging[index] for index in self.chosen]
            done = sum(shard.bytes for shard in shards if shard.state in ("proven", "freed"))
            self._meter.proven(now, len(shards), done, sum(shard.bytes or shard.expected_bytes for shard in shards))

    def _looked(self, done: int, of: int) -> None:
        self._meter.turn("comparing", f"looked at {done} of {of} shards" if of > 1 else "")

    def _proven(self) -> int:
        return sum(1 for index in self.chosen if self._staging[index].state in ("proven", "freed"))

    def _choose(self, waiting: list[int]) -> list[int]:
        """The next commit's shards: those that were taken in vain come last, those that are handed over first."""
        ordered = sorted(waiting, key=lambda index: (self._left[index], index not in self._ready, index))
        return sorted(self._fitting(ordered, self._size, self._options.bytes))

    def _fitting(self, indices: list[int], files: int, size: int) -> list[int]:
        """As many of the first ones as fit, one at least."""
        found: list[int] = []
        for index in indices[:files]:
            size -= self._staging[index].bytes
            if found and size < 0:
                break
            found.append(index)
        return found

    def _prepare(self, indices: list[int]) -> None:
        """Hand over these shards' bytes, a slice at a time; a damaged one is left to be built again."""
        left = indices
        while left:
            part = self._fitting(left, self._options.slice_files, self._options.slice_bytes)
            left = left[len(part) :]
            view = self._staging.view
            part = [index for index in part if not self._is_damaged(index, thorough=False)]
            files = [
                Outgoing(s.name, view.place(s.index), s.bytes, s.sha256) for s in map(self._staging.__getitem__, part)
            ]
            try:
                ready = self._pusher.prepare(
                    self._identity.repo, self._identity.revision, files, self._cancelled, self._meter.sent
                )
            except ShardDamaged:
                left = [index for index in part if not self._is_damaged(index, thorough=True)] + left
                continue
            self._ready.update(zip(part, ready, strict=True))

    def _is_damaged(self, index: int, thorough: bool) -> bool:
        if self._staging[index].state == "sent":
            self._staging.unsent(index)
        good = self._staging[index].is_made and is_good(
            self._staging.view, index, lambda count: self._meter.stop_if(), thorough
        )
        if not good:
            self._staging.again(index)
            self.damaged.append(index)
        return not good

    def _failed(self, error: HubError) -> None:
        """Wait, or give it up."""
        self._row.failures += 1
        if self._row.is_over:
            raise stopped.given_up(error, len(self._unproven()), len(self.chosen)) from error
        if self._row.failures % _DOUBTED == 0 and not isinstance(error, HubRateLimited):
            self._ready.clear()
        try:
            wait = self._row.rest_after(error)
        except HubError as late:
            raise stopped.put_off(late, len(self._unproven()), len(self.chosen)) from error
        self._meter.rest(wait, str(error))
