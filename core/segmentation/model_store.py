"""Model store: the models that were fetched and lie in the cache, to be told and removed.

Fetches nothing (model_hub.py) and opens nothing.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.hub.client import is_commit

PART = ".part"


@dataclass(frozen=True)
class StoredModel:
    """One model at one commit. `unfinished`: its weights are not all here."""

    name: str
    folder: Path
    bytes: int
    unfinished: bool


@dataclass(frozen=True)
class ModelStore:
    """The folder of models below the cache directory; one for each repository, in it one for each commit."""

    root: Path

    def entries(self) -> tuple[StoredModel, ...]:
        """All of them, by name."""
        found = []
        for home in sorted(_folders(self.root)):
            for folder in sorted(_folders(home)):
                commit = folder.name.removesuffix(PART)
                if is_commit(commit):
                    name = f"{home.name.replace('--', '/', 1)}@{commit[:12]}"
                    found.append(StoredModel(name, folder, _size(folder), folder.name.endswith(PART)))
        return tuple(found)

    def clear(self) -> int:
        """Remove all of them; returns the bytes freed. Who computes with one has read it by then."""
        return sum(self.remove(entry) for entry in self.entries())

    def remove(self, entry: StoredModel) -> int:
        """Remove one; returns the bytes freed."""
        shutil.rmtree(entry.folder, ignore_errors=True)
        return entry.bytes if not entry.folder.exists() else 0


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            total += path.lstat().st_size
    return total
