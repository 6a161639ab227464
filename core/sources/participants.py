"""Participants: the one small table (BIDS participants.tsv) of a dataset that lies on the Hub as files.

Fetched only when somebody asks for clinical values, held against what the tree says of it, and kept beside the commit's
other records. A table that cannot be understood gives nothing; one whose bytes are wrong is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from core.case import Clinical
from core.errors import HubCorrupt
from core.hub.client import RemoteFile
from core.hub.ranges import Line, copy_whole
from core.hub.shelf import keep_record, read_record
from core.sources.clinical_tables import parse_participants

NAME = "participants.tsv"
MOST = 1_000_000  # bytes; a larger one is no table of a few thousand patients


def find_table(files: Sequence[RemoteFile]) -> RemoteFile | None:
    """The table nearest to the root, if there is one of a bearable size."""
    tables = [f for f in files if PurePosixPath(f.path).name == NAME and f.size and f.size <= MOST]
    return min(tables, key=lambda f: (f.path.count("/"), f.path), default=None)


class Participants:
    """The clinical values of one commit. Safe to use from several threads.

    Args:
        file: the table; None where the dataset has none.
        record: where its text is kept.
    """

    def __init__(self, file: RemoteFile | None, record: Path) -> None:
        self._file, self._record = file, record
        self._known: Mapping[str, Clinical] | None = {} if file is None else None

    def known(self) -> Mapping[str, Clinical] | None:
        """participant_id -> scalars, from memory or disk; None while the table was not fetched. Makes no request."""
        if self._known is None:
            record = read_record(self._record)
            text = record.get("text") if isinstance(record, dict) else None
            self._known = parse_participants(text) if isinstance(text, str) else None
        return self._known

    def fetch(self, line: Line) -> Mapping[str, Clinical]:
        """The same, after one request if need be; wrong bytes are asked for once more.

        Raises:
            HubError, FetchCancelled.
        """
        known = self.known()
        if known is None and self._file is not None:
            data = _verified(line, self._file)
            text = data.decode("utf-8-sig", "replace")
            keep_record(self._record, {"text": text})
            known = self._known = parse_participants(text)
        return known or {}


def _verified(line: Line, file: RemoteFile) -> bytes:
    for _ in range(2):
        body = bytearray()
        copy_whole(line, file, file.size or 0, body.extend)
        sha256 = hashlib.sha256(body).hexdigest()
        git = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
        if file.sha256 in (None, sha256) and file.git_oid in (None, git):
            return bytes(body)
    raise HubCorrupt(f"{file.path} is not the file that the Hub lists", hint="try again later")
