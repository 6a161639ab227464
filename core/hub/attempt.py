"""Attempt: one try at some images: their drafts, how far each is, and whether to go on.

What a pull is given to work with. Decides neither which bytes are asked for (images, files) nor what follows a failure
(fetch).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from core.errors import HubCorrupt
from core.hub.cache import Cache
from core.hub.content import Promised
from core.hub.draft import Check, Draft, resume
from core.hub.entries import Kept, Key
from core.hub.part import UNSAID, Promise, part_at, part_bytes
from core.hub.policy import Cancelled, stop_if
from core.hub.ranges import Line
from core.hub.spool import Spool


@dataclass(frozen=True)
class Want:
    """One image that is asked for: where it will live, its bytes on the wire if known, what the Hub says of it."""

    key: Key
    size: int | None = None
    promise: Promise = UNSAID


@dataclass(frozen=True)
class Judge:
    """How images are judged; both raise BadVolume.

    Attributes:
        check: a finished file.
        promised: the decoded size by an image's first decoded bytes; None: not asked.
    """

    check: Check
    promised: Promised | None = None


@dataclass
class Attempt:
    """One try. Used by one thread.

    Attributes:
        shared: names whose lock is held, so that their parts may be gone on with and left behind.
        cancelled: whether to stop, by the user or because others go first.
        reached: told how many bytes of an image's chunk are here.
        tell: told what the transfer waits for; "" when it runs.
        spent: how many tries of each name gave wrong bytes.
    """

    cache: Cache
    judge: Judge
    wants: Mapping[str, Want]
    shared: Collection[str]
    cancelled: Cancelled
    reached: Callable[[str, int], None]
    tell: Callable[[str], None]
    spent: Counter[str] = field(default_factory=Counter)
    drafts: dict[str, Draft] = field(default_factory=dict)
    spools: dict[str, Spool] = field(default_factory=dict)

    def line(self, line: Line) -> Line:
        """The line, as this attempt's own: it stops and tells as the attempt does."""
        return dataclasses.replace(line, cancelled=self.cancelled, tell=self.tell)

    def resumed(self, name: str, start: int, stop: int | None) -> Draft | None:
        """The image's unfinished draft, its bytes judged again; None if it begins anew.

        Args:
            start, stop: where the image's chunk lies on the Hub; stop is exclusive, None: not known.

        Raises:
            FetchCancelled, DiskFull, BadSettings.
        """
        want = self.wants[name]
        here = part_bytes(self.cache.root / want.key.part)

        def seen(count: int) -> None:
            self.reached(name, here)
            stop_if(self.cancelled)

        if name not in self.shared:
            return None
        try:
            draft = resume(self.cache, want.key, want.promise, self.judge.promised, seen)
        except HubCorrupt:
            self.spent[name] += 1
            draft = None
        if draft is not None and not (start <= draft.first and _end(draft) == stop):
            draft.discard()
            draft = None
        if draft is not None:
            self.drafts[name] = draft
        self.reached(name, draft.first + draft.bytes - start if draft else 0)
        return draft

    def open(
        self,
        name: str,
        first: int = 0,
        total: int | None = None,
        lasting: bool = True,
        page: tuple[int, int] | None = None,
    ) -> Draft:
        """A new draft.

        Args:
            first: where the image's first byte lies on the Hub. total: its bytes, if known.
            lasting: another transfer may go on with it.
            page: sums of the Parquet page that holds it (core.hub.page.Value).

        Raises:
            DiskFull, BadSettings.
        """
        want, shared = self.wants[name], lasting and name in self.shared
        draft = Draft(self.cache, want.key, want.promise, first, total, self.judge.promised, shared, page=page)
        self.drafts[name] = draft
        return draft

    def spooled(self, name: str) -> bool:
        """Whether an earlier transfer left a column chunk around the image instead of a part of it."""
        want = self.wants[name]
        part = part_at(self.cache.root / want.key.part) if name in self.shared else None
        return part is not None and part.chunk and part.promise == want.promise

    def spool(self, name: str, start: int, stop: int) -> Spool:
        """The column chunk around the image, as far as it is here.

        Args:
            start, stop: where it lies on the Hub; stop is exclusive.

        Raises:
            FetchCancelled, DiskFull, BadSettings.
        """
        want, shared = self.wants[name], name in self.shared
        here = part_bytes(self.cache.root / want.key.part) if shared else 0

        def seen(count: int) -> None:
            self.reached(name, here)
            stop_if(self.cancelled)

        spool = Spool(self.cache.root, want.key, want.promise, start, stop - start, shared, seen)
        self.spools[name] = spool
        self.reached(name, spool.bytes)
        return spool

    def finish(self, name: str) -> Kept | None:
        """Verify the image and give it its name; None where the row holds a null.

        Raises:
            HubCorrupt, DiskFull, BadSettings.
        """
        kept = self.drafts[name].finish(self.judge.check) if name in self.drafts else None
        if name in self.spools:
            self.spools[name].discard()
        return kept

    def complete(self) -> tuple[str, ...]:
        """Names whose bytes are all here, with something that vouches for them."""
        return tuple(name for name, draft in self.drafts.items() if draft.complete and not draft.doubted)

    def close(self) -> None:
        """Leave behind what can be gone on with, and nothing else."""
        for name, draft in self.drafts.items():
            self.spent[name] += draft.bad
            draft.pause()
        for name, spool in self.spools.items():
            spool.bad |= name in self.drafts and self.drafts[name].bad
            spool.pause()


def _end(draft: Draft) -> int | None:
    return None if draft.total is None else draft.first + draft.total
