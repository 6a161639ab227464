"""Follow: a staging folder that somebody works in, looked at again and again: only what is new in its record is read.

Gives what view.look gives. Changes nothing.
"""

from __future__ import annotations

import threading
from pathlib import Path

from core.publish.journal import Read, read_journal
from core.publish.records import Header, ShardRecord, apply_entry, read_header, unreadable
from core.publish.view import MANIFEST, View, unknown


class Follower:
    """One folder, followed. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self._lock = threading.Lock()
        self._begin((0, 0))

    def look(self) -> View:
        """How far it is now.

        Raises:
            StagingForeign: it is no staging folder. StagingDamaged: its record cannot be read.
        """
        with self._lock:
            known = False
            try:
                view = self._follow()
                known = True
            finally:
                if not known:
                    self._begin((0, 0))
            return view

    def _begin(self, file: tuple[int, int]) -> None:
        """Nothing is known of this file yet."""
        self._file, self._at, self._damaged = file, 0, 0
        self._header: Header | None = None
        self._shards: dict[int, ShardRecord] = {}
        self._notes: dict[str, object] = {}

    def _follow(self) -> View:
        path = self._folder / MANIFEST
        try:
            found = path.stat()
            if (found.st_dev, found.st_ino) != self._file or found.st_size < self._at:
                self._begin((found.st_dev, found.st_ino))
            read = read_journal(path, self._at)
        except FileNotFoundError:
            raise unknown() from None
        except OSError:
            raise unreadable() from None
        header = self._take(read)
        if sorted(self._shards) != list(range(header.identity.shards)):
            raise unreadable()
        shards = tuple(self._shards[at] for at in range(len(self._shards)))
        return View(self._folder, header, shards, self._damaged, dict(self._notes))

    def _take(self, read: Read) -> Header:
        """What is new becomes part of what is known."""
        header = self._header or read_header(read.entries.get(0))
        for number, entry in sorted(read.entries.items()):
            if "note" in entry:
                self._notes[str(entry["note"])] = entry.get("value")
            elif self._header is not None or number:
                apply_entry(self._shards, entry)
        self._header, self._at, self._damaged = header, read.bytes, self._damaged + read.damaged
        return header
