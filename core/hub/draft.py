"""Draft: an image that is being written beside its final place, and checked while the bytes pass.

Lies at `.part-<modality>`, with a record of what it is a part of once it is worth going on with: after a break, a
cancel or a kill, `resume` reads it through and goes on, in any process. Who writes it holds the key's lock; without a
lock it lies under a name of its own and is not gone on with. Does not fetch.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.errors import BadVolume, FetchCancelled, HubCorrupt, StrokescopeError
from core.hub.cache import Cache
from core.hub.content import Content, Promised, damaged
from core.hub.entries import Kept, Key, sidecar
from core.hub.part import UNSAID, Part, Promise, discard_part, note_part, open_part, part_at, remove
from core.hub.shelf import KEEP_BYTES, disk_error, draft_name

_READ = 65536
_NOTE_EVERY = 2**20  # bytes after which the sum so far is noted again: a kill costs no more of an unpacked image
Check = Callable[[Path], object]  # raises BadVolume; its answer is not asked


class Draft:
    """One image on its way to the cache. Used by one thread.

    Args:
        key: where it will live. Whoever makes a shared draft holds its lock.
        promise: what it must turn out to be.
        first: where its first byte lies on the Hub; kept for who goes on with it.
        total: bytes that it will have, if known.
        promised: the decoded size by the image's header.
        shared: it may be gone on with by others later.
        fresh: begin anew, whatever lies there.
        page: CRC-32 of what precedes the image in its Parquet page, and of the whole page (core.hub.page.Value).

    Raises:
        DiskFull, BadSettings: it cannot be written.
    """

    def __init__(
        self,
        cache: Cache,
        key: Key,
        promise: Promise = UNSAID,
        first: int = 0,
        total: int | None = None,
        promised: Promised | None = None,
        shared: bool = True,
        fresh: bool = True,
        page: tuple[int, int] | None = None,
    ) -> None:
        self._cache, self._key, self._promise = cache, key, promise
        self.first, self.total, self.bytes, self.bad = first, total, 0, False
        self._what = f"{key.modality} of {key.case_id}"
        self._content = Content(self._what, promised)
        self._sha256 = hashlib.sha256()
        self._page, self._crc = page, page[0] if page else 0
        self._proven = False
        self._git = hashlib.sha1(f"blob {promise.size}\0".encode(), usedforsecurity=False)
        self._shared, self._noted, self._torn = shared, 0, False
        self._here = True  # neither finished nor left
        self._path = cache.root / (key.part if shared else key.folder / draft_name(key.modality))
        if fresh:
            remove(sidecar(self._path))
        self._file = open_part(self._path, "wb" if fresh else "r+b")

    @property
    def complete(self) -> bool:
        """Whether all of its bytes are here, though not yet judged as a whole."""
        return self.bytes == self.total and not self.bad

    @property
    def doubted(self) -> bool:
        """Whether a damaged byte would not show: no checksum came with it, and nobody has compared it yet."""
        return not self._vouched and not self._proven

    def prove(self, sha256: str) -> None:
        """Hold what is here against the sum of the same bytes, fetched another time.

        Raises:
            HubCorrupt: they differ; which of the two is wrong nobody knows.
        """
        if self._sha256.hexdigest() != sha256:
            self.bad = True
            raise damaged(self._what, "came differently when it was fetched again")
        self._proven = True

    def trust(self) -> None:
        """Whoever writes it has checked it already."""
        self._proven = True

    def write(self, data: bytes | memoryview) -> None:
        """Append the next bytes.

        Raises:
            HubCorrupt: they are no NIfTI, or damaged.
            DiskFull, BadSettings: they cannot be written.
        """
        self._judge(data)
        rest = memoryview(data)
        try:
            while len(rest):
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self._torn = True
            raise disk_error(error) from None
        since, due = self.bytes - self._noted, _NOTE_EVERY if self._noted else KEEP_BYTES
        if self._shared and since and (since >= due or (self.complete and self.bytes >= KEEP_BYTES)):
            self._note()

    def read_through(self, summed: int, sha256: str, seen: Callable[[int], None]) -> None:
        """Judge the bytes that an earlier transfer left, as if they came now; those that nothing vouches for go.

        Args:
            summed, sha256: the sum of so many first bytes. Beyond it only sums that come with the image vouch.
            seen: told how many bytes were read; may raise to stop.

        Raises:
            HubCorrupt: they are damaged.
        """
        agreed = False
        try:
            while data := self._file.read(_READ if agreed else min(_READ, summed - self.bytes)):
                self._judge(data)
                seen(self.bytes)
                if not agreed and self.bytes == summed:
                    agreed = self._sha256.hexdigest() == sha256
                    if not agreed or not self._vouched:
                        break
            if not agreed:
                self.bad = True
                raise damaged(self._what, "was changed while it lay unfinished")
            self._file.truncate(self.bytes)
            self._noted = self.bytes
        except OSError as error:
            raise disk_error(error) from None

    def finish(self, check: Check) -> Kept:
        """Verify the whole and move it to its place.

        Raises:
            HubCorrupt: it is not what was promised, or `check` refuses it. DiskFull, BadSettings.
        """
        sha256, promise = self._sha256.hexdigest(), self._promise
        try:
            self._content.finish()
            known = ((promise.size, self.bytes), (self.total, self.bytes), (promise.sha256, sha256))
            if any(said not in (None, found) for said, found in (*known, (promise.git_oid, self._git.hexdigest()))):
                raise damaged(self._what, "is not the file that the Hub lists")
            if self._page and self._crc != self._page[1]:
                raise damaged(self._what, "does not have the checksum that came with it")
            self._sync()
            check(self._path)
        except HubCorrupt:
            self.bad = True
            raise
        except BadVolume as error:
            self.bad = True
            raise damaged(self._what, f"is no image that can be read: {error}") from None
        kept = self._cache.keep(
            self._key, self._path, ".nii.gz" if self._content.packed else ".nii", sha256, promise.place
        )
        self._here = False
        remove(sidecar(self._path))
        return kept

    def pause(self) -> None:
        """Keep what is here for who goes on, if that is worth it. Harmless after `finish` and `discard`."""
        if self.bad or not self._shared or self.bytes < KEEP_BYTES or not self._path.exists():
            self.discard()
        elif self._here:
            if not self._torn:  # or fewer bytes lie there than were judged: the last note stands
                self._note()
            self.close()

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `finish` and `pause`."""
        if self._here:
            self.close()
            discard_part(self._path)

    def close(self) -> None:
        """Leave the file as it is."""
        self._here = False
        with suppress(OSError):
            self._file.close()

    @property
    def _vouched(self) -> bool:
        """Whether a damaged byte would show at the end at the latest."""
        sums = (self._promise.sha256, self._promise.git_oid, self._page)
        return self._content.packed or any(one is not None for one in sums)

    def _judge(self, data: bytes | memoryview) -> None:
        try:
            if self.total is not None and self.bytes + len(data) > self.total:
                raise damaged(self._what, "is longer than it should be")
            self._content.feed(data)
        except HubCorrupt:
            self.bad = True
            raise
        self._sha256.update(data)
        if self._page:
            self._crc = zlib.crc32(data, self._crc)
        if self._promise.git_oid:
            self._git.update(data)
        self.bytes += len(data)

    def _note(self) -> None:
        self._noted = self.bytes
        sha256 = self._sha256.hexdigest()
        note_part(self._path, Part(self._promise, self.first, self.total, self.bytes, sha256, self._page))

    def _sync(self) -> None:
        """Bring the bytes to the disk, and make sure that it is these that lie at the path."""
        try:
            os.fsync(self._file.fileno())
            whole = os.fstat(self._file.fileno())
            self._file.close()
            if whole.st_size != self.bytes or not os.path.samestat(whole, self._path.stat()):
                raise damaged(self._what, "was changed while it was written")
        except OSError as error:
            raise disk_error(error) from None


def resume(
    cache: Cache, key: Key, promise: Promise, promised: Promised | None, seen: Callable[[int], None]
) -> Draft | None:
    """The draft that an earlier transfer left, read through; None if none is there that fits, and nothing is then.

    Args:
        seen: told how many bytes were read; may raise to stop, which leaves the part as it is.

    Raises:
        HubCorrupt: it is damaged; nothing of it is left. DiskFull, BadSettings: it cannot be read.
    """
    path = cache.root / key.part
    part = part_at(path)
    if part is None or part.chunk or part.promise != promise:
        discard_part(path)
        return None
    draft = Draft(cache, key, promise, part.first, part.total, promised, fresh=False, page=part.page)
    try:
        draft.read_through(part.summed, part.sha256, seen)
    except FetchCancelled:
        draft.close()
        raise
    except StrokescopeError:
        draft.discard()
        raise
    return draft
