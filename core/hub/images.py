"""Images: the images of one row of a Parquet file, from the Hub into drafts.

The common case (one uncompressed value per chunk) is split out of one ranged GET for neighbouring columns while it
arrives, and goes on where an earlier transfer stopped; everything else is spooled to disk, read by pyarrow, and begins
anew each time. Does not decide where files live (fetch, cache).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from core.hub.attempt import Attempt
from core.hub.client import RemoteFile
from core.hub.columns import read_image
from core.hub.draft import Draft
from core.hub.footer import Image, Row
from core.hub.page import HEAD_LIMIT, find_value
from core.hub.ranges import Line, copy_range, wrong
from core.hub.shards import Shard
from core.hub.shelf import disk_error

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
    spool_dir: Path,
) -> None:
    """Fetch the images' missing bytes into drafts, one for each image that is there; a null opens no draft.

    Args:
        file: the shard on the Hub, with its size.
        row, images: the row, and those of its images that are wanted, by modality.
        spool_dir: where column chunks may lie for a moment, in files without a name.

    Raises:
        HubError, FetchCancelled, DiskFull, BadSettings.
    """
    line = attempt.line(line)
    readers = {name: _Reader(name, image, attempt) for name, image in images.items() if image.plain}
    rest = [name for name in images if name not in readers]
    missing = {name: reader for name, reader in readers.items() if reader.start < reader.stop}
    for group in plan(missing):
        splitter = Splitter([missing[name] for name in group])
        copy_range(line, file, missing[group[0]].start, missing[group[-1]].stop, splitter.feed)
        rest += splitter.odd()
    for name in rest:
        value = _read_odd(line, file, shard, row, name, images[name], attempt, spool_dir)
        if value is not None:
            draft = attempt.open(name, lasting=False)
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

    def _begin(self, chunk: int) -> None:
        value = find_value(self._head, chunk, self._image.levels)
        if value is not None:
            first, total = self._image.start + value.start, value.stop - value.start
            self._draft = self._attempt.open(self.name, first, total)
            self._draft.write(memoryview(self._head)[value.start :])


def _read_odd(
    line: Line,
    file: RemoteFile,
    shard: Shard,
    row: Row,
    name: str,
    image: Image,
    attempt: Attempt,
    spool_dir: Path,
) -> memoryview | None:
    """One image through a spooled copy of its column chunk; None for a null."""
    size = image.stop - image.start
    if size == 0:
        raise wrong(file, "holds an empty column")
    with _spool(spool_dir) as spool:

        def sink(data: bytes) -> None:
            try:
                spool.write(data)
                attempt.reached(name, spool.tell())
            except OSError as error:
                raise disk_error(error) from None

        copy_range(line, file, image.start, image.stop, sink)
        try:
            spool.flush()
        except OSError as error:
            raise disk_error(error) from None
        with mmap.mmap(spool.fileno(), size, access=mmap.ACCESS_READ) as chunk, memoryview(chunk) as view:
            return read_image(shard.size, shard.footer, row, image, [(image.start, view)])


def _spool(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise disk_error(error) from None
