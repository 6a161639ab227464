"""Images: the images of one row of a Parquet file, from the Hub into drafts.

The common case (one uncompressed value per chunk) is split out of one ranged GET for neighbouring columns while it
arrives; everything else is spooled to disk as the chunk it comes in, and read from there. Both go on where an earlier
transfer stopped. Does not decide where files live (fetch, cache).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.errors import HubCorrupt
from core.hub.attempt import Attempt
from core.hub.client import RemoteFile
from core.hub.columns import read_image
from core.hub.content import is_packed
from core.hub.draft import Draft
from core.hub.footer import Image, Row
from core.hub.page import HEAD_LIMIT, find_value, is_summed
from core.hub.proof import prove_chunk, prove_draft
from core.hub.ranges import Line, copy_range, wrong
from core.hub.shards import Shard

_WASTE = 0.02  # of the bytes wanted: gaps that may be fetched to save a request
_STEP = 2**20


class Span(Protocol):
    """Bytes start..stop (exclusive) of a file."""

    @property
    def start(self) -> int: ...

    @property
    def stop(self) -> int: ...


def plan(images: Mapping[str, Span]) -> tuple[tuple[str, ...], ...]:
    """Which spans share a request: neighbours whose gaps stay below _WASTE of their bytes, in file order."""
    groups: list[list[str]] = []
    waste = 0
    for name in sorted(images, key=lambda n: images[n].start):
        image = images[name]
        if groups:
            members = [images[n] for n in groups[-1]]
            gap = image.start - members[-1].stop
            wanted = sum(m.stop - m.start for m in members) + image.stop - image.start
            if gap >= 0 and waste + gap <= _WASTE * wanted:
                groups[-1].append(name)
                waste += gap
                continue
        groups.append([name])
        waste = 0
    return tuple(tuple(group) for group in groups)


def pull_images(
    line: Line,
    file: RemoteFile,
    shard: Shard,
    row: Row,
    images: Mapping[str, Image],
    attempt: Attempt,
) -> None:
    """Fetch the images' missing bytes into drafts, one for each image that is there; a null opens no draft.

    Args:
        file: the shard on the Hub, with its size.
        row, images: the row, and those of its images that are wanted, by modality.

    Raises:
        HubError, FetchCancelled, DiskFull, BadSettings.
    """
    line = attempt.line(line)
    rest = [name for name, image in images.items() if not image.plain or attempt.spooled(name)]
    readers = {name: _Reader(name, image, attempt) for name, image in images.items() if name not in rest}
    missing = {name: reader for name, reader in readers.items() if reader.start < reader.stop}
    for group in plan(missing):
        splitter = Splitter([missing[name] for name in group])
        copy_range(line, file, missing[group[0]].start, missing[group[-1]].stop, splitter.feed)
        rest += splitter.odd()
    for reader in readers.values():
        reader.prove(line, file)
    for name in rest:
        value = _read_odd(line, file, shard, row, name, images[name], attempt)
        if value is not None:
            draft = attempt.open(name, total=len(value), lasting=False)
            draft.trust()
            for at in range(0, len(value), _STEP):
                draft.write(value[at : at + _STEP])


class Splitter:
    """Takes the bytes of neighbouring spans in order and gives each its own."""

    def __init__(self, readers: Sequence[_Reader]) -> None:
        self._spans = [(reader.start, reader.stop, reader) for reader in readers]
        self._at = readers[0].start

    def feed(self, data: bytes) -> None:
        """The next bytes of the range."""
        view, start = memoryview(data), self._at
        self._at += len(data)
        for begin, stop, reader in self._spans:
            first, last = max(begin, start), min(stop, self._at)
            if first < last:
                reader.feed(view[first - start : last - start])

    def odd(self) -> list[str]:
        """Names of the chunks that were not one plain value."""
        return [reader.name for _, _, reader in self._spans if reader.odd]


class _Reader:
    """One chunk of one plain value: `start`..`stop` is what is missing of it on the Hub."""

    def __init__(self, name: str, image: Image, attempt: Attempt) -> None:
        self.name, self._image, self._attempt = name, image, attempt
        self._draft: Draft | None = attempt.resumed(name, image.start, image.stop)
        self._head = b""
        self.start = self._draft.first + self._draft.bytes if self._draft else image.start
        self.stop = image.stop
        self._seen = self.start - image.start

    @property
    def odd(self) -> bool:
        """Whether what came was not one plain value."""
        return self._draft is None

    def feed(self, data: memoryview) -> None:
        """The chunk's next bytes: its head is collected until the value can be found, the rest goes to the draft."""
        self._seen += len(data)
        chunk = self._image.stop - self._image.start
        if self._draft is not None:
            self._draft.write(data)
        elif len(self._head) < min(chunk, HEAD_LIMIT):
            self._head += bytes(data)
            if len(self._head) >= min(chunk, HEAD_LIMIT):
                self._begin(chunk)
        self._attempt.reached(self.name, self._seen)

    def prove(self, line: Line, file: RemoteFile) -> None:
        """See to it that something vouches for the value."""
        if self._draft is not None:
            prove_draft(line, file, self._draft, self._attempt)

    def _begin(self, chunk: int) -> None:
        value = find_value(self._head, chunk, self._image.levels)
        if value is not None:
            first, total = self._image.start + value.start, value.stop - value.start
            self._draft = self._attempt.open(self.name, first, total, page=value.page)
            self._draft.write(memoryview(self._head)[value.start :])


def _read_odd(
    line: Line, file: RemoteFile, shard: Shard, row: Row, name: str, image: Image, attempt: Attempt
) -> memoryview | None:
    """One image through a spooled copy of its column chunk; None for a null."""
    if image.stop == image.start:
        raise wrong(file, "holds an empty column")
    spool = attempt.spool(name, image.start, image.stop)

    def sink(data: bytes) -> None:
        spool.write(data)
        attempt.reached(name, spool.bytes)

    if image.start + spool.bytes < image.stop:
        copy_range(line, file, image.start + spool.bytes, image.stop, sink)
    try:
        with spool.mapped() as view:
            value = read_image(shard.size, shard.footer, row, image, [(image.start, view)])
            if value is not None and not is_packed(value) and not is_summed(view):
                prove_chunk(line, file, image.start, view, attempt)
            return value
    except HubCorrupt:
        spool.bad = True
        raise
