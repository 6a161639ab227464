"""Records: what is kept on disk about one dataset, so that it opens without a request.

The commit in use for each branch, a newer one that the branch was seen to name, and the file trees of commits. Asks
nobody and switches nothing by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.hub.client import RemoteFile, is_commit
from core.hub.shelf import keep_record, read_record


@dataclass(frozen=True)
class Records:
    """The records below one folder; those that the disk has no room for are left out."""

    root: Path

    def commit(self, commit: str) -> Path:
        """Folder for the records of one commit."""
        return self.root / commit

    def last_commit(self, revision: str) -> str | None:
        """The commit that is in use for the revision."""
        return _commit_in(read_record(self._ref(revision)), "commit")

    def note_commit(self, revision: str, commit: str) -> None:
        """Remember the commit that is in use for the revision from now on."""
        keep_record(self._ref(revision), {"revision": revision, "commit": commit})

    def note_newest(self, revision: str, newest: str) -> None:
        """Remember what the revision names now; what is in use for it stays."""
        record = read_record(self._ref(revision))
        if isinstance(record, dict) and record.get("newest", record.get("commit")) != newest:
            keep_record(self._ref(revision), {**record, "newest": newest})

    def accept(self, commit: str) -> None:
        """Use the commit from now on for each revision that was seen to name it: somebody has opened it."""
        for path in (self.root / "refs").glob("*.json"):
            record = read_record(path)
            if isinstance(record, dict) and _commit_in(record, "newest") == commit != record.get("commit"):
                keep_record(path, {**record, "commit": commit})

    def tree(self, repo: str, commit: str) -> tuple[RemoteFile, ...] | None:
        """The commit's files, if they were listed before."""
        record = read_record(self.commit(commit) / "tree.json")
        try:
            rows = record["files"] if isinstance(record, dict) else None
            return tuple(RemoteFile(repo, commit, *row) for row in rows) if rows is not None else None
        except (KeyError, TypeError):
            return None

    def note_tree(self, commit: str, files: Sequence[RemoteFile]) -> None:
        """Remember the commit's files."""
        rows = [[file.path, file.size, file.sha256, file.git_oid] for file in files]
        keep_record(self.commit(commit) / "tree.json", {"files": rows})

    def _ref(self, revision: str) -> Path:
        return self.root / "refs" / f"{hashlib.sha256(revision.encode()).hexdigest()[:24]}.json"


def _commit_in(record: object, name: str) -> str | None:
    commit = record.get(name) if isinstance(record, dict) else None
    return commit if isinstance(commit, str) and is_commit(commit) else None
