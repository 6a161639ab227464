"""Shards: one Parquet file of a dataset as a record: its rows, its footer, how it is kept and read from the Hub.

`fetch_shard` makes the record with one tail GET for most files, `load_shard` and `save_shard` keep it. Reads no image.
"""

from __future__ import annotations

import base64
import dataclasses
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import HubCorrupt
from core.hub.client import RemoteFile
from core.hub.columns import Segment, complete_rows
from core.hub.footer import MAX_FOOTER, TAIL, Image, Row, Unread, footer_start, parse_footer
from core.hub.policy import POLL_S, Cancelled, stop_if
from core.hub.ranges import MAX_READ, Line, read_range, read_tail, wrong
from core.hub.shelf import keep_record, read_record

_VERSION = 2
_PARSING = threading.Lock()  # one footer at a time: Python could not do two at once, and memory stays one's
_GAP = 16384  # unread chunks closer than this share a request


@dataclass(frozen=True)
class Shard:
    """One Parquet file at one commit.

    Attributes:
        path, size: in the repository; bytes.
        rows: in file order.
        footer: the file's last bytes, from the footer to the end.
    """

    path: str
    size: int
    rows: tuple[Row, ...]
    footer: bytes = field(repr=False)


def fetch_shard(line: Line, file: RemoteFile) -> Shard | None:
    """Read a shard's footer, and the few small columns that its statistics do not prove.

    Returns None when the file's size is unknown and the server needs it.

    Raises:
        HubError, FetchCancelled.
    """
    got = read_tail(line, file, TAIL)
    if got is None:
        return None
    tail, size = got
    file = dataclasses.replace(file, size=size)
    start, have = footer_start(tail, size), size - len(tail)
    data = read_range(line, file, start, have) + tail if start < have else tail[start - have :]
    with held(_PARSING, line.cancelled):
        footer = parse_footer(data, size)
    if not footer.unread:
        return Shard(file.path, size, footer.rows, data)
    segments = [(have, memoryview(tail)), *_fetch_chunks(line, file, footer.unread, have)]
    with held(_PARSING, line.cancelled):
        return Shard(file.path, size, complete_rows(size, data, footer, segments), data)


@contextmanager
def held(lock: threading.Lock, cancelled: Cancelled) -> Iterator[None]:
    """The lock, waited for as long as nobody stops. Raises FetchCancelled."""
    while not lock.acquire(timeout=POLL_S):
        stop_if(cancelled)
    try:
        stop_if(cancelled)
        yield
    finally:
        lock.release()


def _fetch_chunks(line: Line, file: RemoteFile, chunks: tuple[Unread, ...], have: int) -> list[Segment]:
    """The chunks that begin before `have`, neighbours together."""
    spans: list[tuple[int, int]] = []
    for start, stop in sorted({(chunk.start, chunk.stop) for chunk in chunks if chunk.start < have}):
        if spans and start - spans[-1][1] <= _GAP:
            spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
        else:
            spans.append((start, stop))
    if sum(stop - start for start, stop in spans) > MAX_READ:
        raise wrong(file, "has scalar columns too large for a table of cases")
    return [(start, memoryview(read_range(line, file, start, stop))) for start, stop in spans]


def save_shard(path: Path, shard: Shard) -> None:
    """Keep the shard's record at the path; a full disk only costs the memory of it."""
    layouts: dict[int, int] = {}  # the images of a row, mostly the same object for all rows of a group
    images: list[dict[str, list[object]]] = []
    rows = []
    for row in shard.rows:
        if id(row.images) not in layouts:
            layouts[id(row.images)] = len(images)
            images.append({name: list(dataclasses.astuple(image)) for name, image in row.images.items()})
        rows.append([row.group, row.number, dict(row.scalars), layouts[id(row.images)]])
    footer = base64.b64encode(zlib.compress(shard.footer, 6)).decode()
    record = {"v": _VERSION, "path": shard.path, "size": shard.size, "images": images, "rows": rows, "footer": footer}
    keep_record(path, record)


def load_shard(path: Path, shard_path: str) -> Shard | None:
    """The record at the path, if it is whole and of that shard."""
    record = read_record(path)
    if not isinstance(record, dict) or record.get("v") != _VERSION or record.get("path") != shard_path:
        return None
    try:
        inflate = zlib.decompressobj()
        footer = inflate.decompress(base64.b64decode(record["footer"]), MAX_FOOTER + 8)
        images = [{name: Image(*values) for name, values in layout.items()} for layout in record["images"]]
        rows = tuple(Row(group, number, scalars, images[at]) for group, number, scalars, at in record["rows"])
        return Shard(shard_path, int(record["size"]), rows, footer)
    except (LookupError, TypeError, ValueError, AttributeError, zlib.error):
        return None


def check_subject(shard: Shard, subject: str) -> None:
    """Raise HubCorrupt unless the shard holds exactly this one subject: never another patient's picture."""
    ids = [row.scalars.get("subject_id") for row in shard.rows]
    if ids != [subject]:
        raise HubCorrupt(
            f"{shard.path} does not hold the case that the list promises", hint="report it to the dataset's owner"
        )
