"""Ranges: bytes of one remote file, exactly the ones asked for or an error.

Every answer is held against its request: status 206, Content-Range, length. A transfer that breaks goes on where it
stopped. The bytes' meaning is checked elsewhere (footer, draft). Writes nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import HubCorrupt, StrokescopeError
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled, Patience, Policy, Tell, tell_nobody
from core.hub.retrying import retrying
from core.hub.wire import Answer, Traffic

MAX_READ = 64 * 2**20  # bytes that may be held in memory at once
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
Sink = Callable[[bytes], None]


@dataclass(frozen=True)
class Line:
    """Who asks, and how: what every transfer needs beside its range.

    Attributes:
        traffic: counts what this purpose costs.
        cancelled: asked every tenth of a second.
        tell: told in a few words what a transfer waits for, and "" when bytes flow again.
    """

    hub: Hub
    policy: Policy
    cancelled: Cancelled
    traffic: Traffic = field(default_factory=Traffic)
    tell: Tell = tell_nobody


def copy_range(line: Line, file: RemoteFile, start: int, stop: int, sink: Sink) -> None:
    """Give the bytes start..stop (exclusive) to the sink, in order, each once.

    Raises:
        HubError, FetchCancelled; and whatever the sink raises, at once. The sink may have seen a part by then.
    """
    if stop > start:
        _copy(line, file, _Cursor(start, stop, sink), whole=False)


def copy_whole(line: Line, file: RemoteFile, size: int, sink: Sink) -> None:
    """Give the whole file to the sink, in order, each byte once.

    Raises:
        HubError, FetchCancelled; and whatever the sink raises, at once.
    """
    _copy(line, file, _Cursor(0, size, sink), whole=True)


def read_range(line: Line, file: RemoteFile, start: int, stop: int) -> bytes:
    """The bytes start..stop (exclusive), at most MAX_READ of them.

    Raises:
        HubError, FetchCancelled.
    """
    if not 0 <= start <= stop or stop - start > MAX_READ:
        raise wrong(file, "describes a part that cannot be read")
    body = bytearray()
    copy_range(line, file, start, stop, body.extend)
    return bytes(body)


def read_tail(line: Line, file: RemoteFile, length: int) -> tuple[bytes, int] | None:
    """The file's last bytes, `length` or all of them, and the file's size, which need not be known before.

    Returns None when the size is unknown and the server does not understand "the last n bytes".

    Raises:
        HubError, FetchCancelled.
    """
    if file.size is not None:
        return read_range(line, file, max(0, file.size - length), file.size), file.size
    patience = Patience(line.policy, length, tell=line.tell)

    def once() -> tuple[bytes, int] | None:
        headers = {"Range": f"bytes=-{length}"}
        with line.hub.open(line.hub.file_url(file), headers, patience, line.traffic, line.cancelled) as answer:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
            if answer.status != 206 or not found:
                return None
            total, body = int(found[3]), bytearray()
            cursor = _Cursor(max(0, total - length), total, body.extend)
            check_range(answer, file, cursor.at, total)
            cursor.drain(answer, file)
            return bytes(body), total

    return retrying(once, patience, line.cancelled)


def check_range(answer: Answer, file: RemoteFile, start: int, stop: int) -> None:
    """Raise HubCorrupt unless the answer's head promises exactly the bytes start..stop (exclusive) of this file."""
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status != 206 or not found:
        raise wrong(file, "came as something else than the part asked for")
    first, last, total = (int(n) for n in found.groups())
    if (first, last + 1) != (start, stop) or total < stop or (file.size is not None and total != file.size):
        raise wrong(file, "came as another part than asked")
    if answer.headers.get("content-length", str(stop - start)) != str(stop - start):
        raise wrong(file, "came with another length than asked")


def wrong(file: RemoteFile, how: str) -> HubCorrupt:
    """The error for a file whose bytes are not what was promised."""
    return HubCorrupt(f"{file.path} {how}", hint="try again; if it stays, report it to the dataset's owner")


class _SinkFailed(Exception):
    """The receiver of the bytes raised: asking again for the same bytes would give them to it twice."""


@dataclass
class _Cursor:
    """How far a transfer is; what the sink has seen is never asked for again."""

    at: int
    stop: int
    sink: Sink

    def drain(self, answer: Answer, file: RemoteFile) -> None:
        """Feed the body to the sink, which must end exactly at `stop`."""
        for chunk in answer.chunks:
            if self.at + len(chunk) > self.stop:
                raise wrong(file, "came longer than asked")
            try:
                self.sink(chunk)
            except StrokescopeError as error:
                raise _SinkFailed from error
            self.at += len(chunk)
        if self.at != self.stop:
            raise wrong(file, "came shorter than asked")


def _copy(line: Line, file: RemoteFile, cursor: _Cursor, whole: bool) -> None:
    patience = Patience(line.policy, cursor.stop - cursor.at, tell=line.tell)

    def once() -> None:
        plain = whole and cursor.at == 0
        headers = {} if plain else {"Range": f"bytes={cursor.at}-{cursor.stop - 1}"}
        with line.hub.open(line.hub.file_url(file), headers, patience, line.traffic, line.cancelled) as answer:
            if not plain:
                check_range(answer, file, cursor.at, cursor.stop)
            elif answer.status != 200 or answer.headers.get("content-length", str(cursor.stop)) != str(cursor.stop):
                raise wrong(file, "has another length than the Hub's list says")
            cursor.drain(answer, file)

    try:
        retrying(once, patience, line.cancelled)
    except _SinkFailed as failed:
        assert failed.__cause__ is not None
        raise failed.__cause__ from None
