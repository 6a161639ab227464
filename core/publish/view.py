"""View: a staging folder at one moment, read from its record.

Can be taken while another process works in the folder; changes nothing. The steps are staging.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import StagingForeign
from core.publish.journal import read_journal
from core.publish.records import (
    STATES,
    Header,
    Identity,
    ShardRecord,
    State,
    apply_entry,
    read_header,
    source_fingerprint,
    unreadable,
)

MANIFEST = "manifest.jsonl"
ROOT = "root"  # a note: the source's folder, if it is another one than at first
ALTERED = "altered"  # a note: indices of shards that came back otherwise than they were sent


@dataclass(frozen=True)
class View:
    """A staging folder at one moment.

    Attributes:
        damaged: lines of its record that could not be read and are left out.
        notes: what was noted by name, the latest of each.
    """

    folder: Path
    header: Header
    shards: tuple[ShardRecord, ...]
    damaged: int = 0
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        return self.header.identity

    @property
    def root(self) -> Path:
        """The source's folder, where it was last seen."""
        return Path(str(self.notes.get(ROOT, self.header.root)))

    @property
    def source(self) -> str:
        """Fingerprint of the source's paths, sizes and times."""
        return source_fingerprint(self.shards)

    @property
    def altered(self) -> frozenset[int]:
        """Shards that the repository was seen to give otherwise than they were sent, and not yet as they were."""
        kept = self.notes.get(ALTERED)
        return frozenset(one for one in kept if isinstance(one, int)) if isinstance(kept, list) else frozenset()

    def counts(self) -> Mapping[State, int]:
        """Shards in each state."""
        return {state: sum(1 for shard in self.shards if shard.state == state) for state in STATES}

    def place(self, index: int) -> Path:
        """Where a shard lies, or would."""
        return self.folder / self.shards[index].name


def look(folder: Path) -> View:
    """How far a staging folder is; at any moment, also while another process works in it.

    Raises:
        StagingForeign: it is no staging folder. StagingDamaged: its record cannot be read.
    """
    return look_closely(folder.expanduser().absolute())[0]


def look_closely(folder: Path) -> tuple[View, int]:
    """The folder, and how many bytes of its record are good."""
    try:
        read = read_journal(folder / MANIFEST)
    except FileNotFoundError:
        raise unknown() from None
    except OSError:
        raise unreadable() from None
    header = read_header(read.entries.get(0))
    shards: dict[int, ShardRecord] = {}
    notes: dict[str, object] = {}
    for number, entry in sorted(read.entries.items()):
        if "note" in entry:
            notes[str(entry["note"])] = entry.get("value")
        elif number:
            apply_entry(shards, entry)
    if sorted(shards) != list(range(header.identity.shards)):
        raise unreadable()
    return View(folder, header, tuple(shards[at] for at in range(len(shards))), read.damaged, notes), read.bytes


def unknown() -> StagingForeign:
    """The error for a folder without a record."""
    return StagingForeign("this is no staging folder: it has no record", hint="give the folder that was built into")
