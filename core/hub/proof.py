"""Proof: bytes that no checksum vouches for are fetched a second time and compared, so that a flipped bit is noticed.

An unpacked NIfTI in a Parquet page without a CRC is such a one; a gzip has its own sums, a whole file those of the
Hub's list. Two equal answers are no proof against a source that is wrong itself. Keeps no bytes.
"""

from __future__ import annotations

import hashlib

from core.hub.attempt import Attempt
from core.hub.client import RemoteFile
from core.hub.content import damaged
from core.hub.draft import Draft
from core.hub.ranges import Line, copy_range

AGAIN = "no checksum came with it: fetching it again to compare"


def prove_draft(line: Line, file: RemoteFile, draft: Draft, attempt: Attempt) -> None:
    """Compare a draft, of which all bytes are here, with those on the Hub now, if nothing vouches for it.

    Raises:
        HubCorrupt: they differ. Other HubErrors, FetchCancelled: it stays unproven.
    """
    if draft.doubted and draft.complete:
        draft.prove(_sum_again(line, file, draft.first, draft.first + draft.bytes, attempt))


def prove_chunk(line: Line, file: RemoteFile, start: int, chunk: memoryview, attempt: Attempt) -> None:
    """Compare bytes that came from `start` of the file on with those on the Hub now.

    Raises:
        HubCorrupt: they differ. Other HubErrors, FetchCancelled.
    """
    sha256 = hashlib.sha256(chunk).hexdigest()
    if _sum_again(line, file, start, start + len(chunk), attempt) != sha256:
        raise damaged(file.path, "came differently when it was fetched again")


def _sum_again(line: Line, file: RemoteFile, start: int, stop: int, attempt: Attempt) -> str:
    found = hashlib.sha256()
    attempt.tell(AGAIN)
    copy_range(line, file, start, stop, found.update)
    attempt.tell("")
    return found.hexdigest()
