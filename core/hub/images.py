"""Images: the images of one row of a Parquet file, from the Hub into drafts.

The common case (one uncompressed value per chunk) is split out of one ranged GET for neighbouring columns while it
arrives; everything else is spooled to disk and read by pyarrow. Does not decide where files live (fetch, cache).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.hub.client import RemoteFile
from core.hub.columns import read_image
from core.hub.draft import Draft
from core.hub.footer import Image, Row
from core.hub.page import HEAD_LIMIT, Value, find_value
from core.hub.ranges import Line, copy_range, wrong
from core.hub.shards import Shard
from core.hub.shelf import disk_error

_WASTE = 0.02  # of the bytes wanted: gaps that may be fetched to save a request
_STEP = 2**20
OpenDraft = Callable[[str], Draft]
Advance = Callable[[int], None]


def plan(images: Mapping[str, Image]) -> tuple[tuple[str, ...], ...]:
    """Which chunks share a request: neighbours whose gaps stay below _WASTE of their bytes, in file order."""
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
    open_draft: OpenDraft,
    advance: Advance,
    spool_dir: Path,
) -> None:
    """Fetch the images' bytes into drafts, one for each image that is there; a null opens no draft.

    Args:
        file: the shard on the Hub, with its size.
        row, images: the row, and those of its images that are wanted, by modality.
        open_draft: called once per modality, when its first bytes are known.
        advance: told of every byte received.
        spool_dir: where column chunks may lie for a moment, in files without a name.

    Raises:
        HubError, FetchCancelled, DiskFull, BadSettings.
    """
    plain = {name: image for name, image in images.items() if image.plain}
    rest = [name for name in images if name not in plain]
    for group in plan(plain):
        splitter = Splitter([(name, plain[name]) for name in group], open_draft)

        def sink(data: bytes, splitter: Splitter = splitter) -> None:
            splitter.feed(data)
            advance(len(data))

        copy_range(line, file, plain[group[0]].start, plain[group[-1]].stop, sink)
        rest += splitter.odd()
    for name in rest:
        value = _read_odd(line, file, shard, row, images[name], advance, spool_dir)
        if value is not None:
            draft = open_draft(name)
            for at in range(0, len(value), _STEP):
                draft.write(value[at : at + _STEP])


class Splitter:
    """Takes the bytes of neighbouring chunks in order and gives each chunk's value to its draft."""

    def __init__(self, chunks: Sequence[tuple[str, Image]], open_draft: OpenDraft) -> None:
        self._readers = [_Reader(name, image, open_draft) for name, image in chunks]
        self._at = chunks[0][1].start

    def feed(self, data: bytes) -> None:
        """The next bytes of the range."""
        view, start = memoryview(data), self._at
        self._at += len(data)
        for reader in self._readers:
            first, last = max(reader.image.start, start), min(reader.image.stop, self._at)
            if first < last:
                reader.feed(view[first - start : last - start])

    def odd(self) -> list[str]:
        """Names of the chunks that were not one plain value."""
        return [reader.name for reader in self._readers if reader.value is None]


@dataclass
class _Reader:
    name: str
    image: Image
    open_draft: OpenDraft
    value: Value | None = None
    _draft: Draft | None = None
    _seen: int = 0
    _head: bytes = b""

    def feed(self, data: memoryview) -> None:
        """The chunk's next bytes: its head is collected until the value can be found, the rest goes to the draft."""
        self._seen += len(data)
        if self._draft is not None:
            self._draft.write(data)
            return
        chunk = self.image.stop - self.image.start
        if len(self._head) < min(chunk, HEAD_LIMIT):
            self._head += bytes(data)
            if len(self._head) < min(chunk, HEAD_LIMIT):
                return
            self.value = find_value(self._head, chunk, self.image.levels)
            if self.value is not None:
                self._draft = self.open_draft(self.name)
                self._draft.write(memoryview(self._head)[self.value.start :])


def _read_odd(
    line: Line, file: RemoteFile, shard: Shard, row: Row, image: Image, advance: Advance, spool_dir: Path
) -> memoryview | None:
    """One image through a spooled copy of its column chunk; None for a null."""
    size = image.stop - image.start
    if size == 0:
        raise wrong(file, "holds an empty column")
    with _spool(spool_dir) as spool:

        def sink(data: bytes) -> None:
            try:
                spool.write(data)
            except OSError as error:
                raise disk_error(error) from None
            advance(len(data))

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
