"""Task: what a lane of the Hub's benchmark is told, and how it proves what it read. The standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Proof = Callable[[], str]  # asked when clock and memory were read
THREADS = 16


@dataclass(frozen=True)
class Task:
    """What a lane is told.

    Attributes:
        url: of the Hub.
        folder: where everything that the lane writes goes.
        repo, commit: the dataset of 149 shards, the first of real size; `paths` are its shards.
        small_repo, small_commit: 149 small shards. single_repo: the one of real size alone.
        path, case_id, names: the shard and case of real size, and the images wanted of it.
        span, header_span: first and last byte of those images, and of the 4D image's first KB, in that shard.
        starts, sizes: where each image itself lies in that shard, and its bytes.
        tail: last bytes of a shard that hold its footer.
    """

    repo: str
    commit: str
    small_repo: str
    small_commit: str
    single_repo: str
    path: str
    case_id: str
    names: tuple[str, ...]
    span: tuple[int, int]
    header_span: tuple[int, int]
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    paths: tuple[str, ...]
    tail: int
    url: str = ""
    folder: str = ""

    @property
    def columns(self) -> list[str]:
        """The leaves that hold the images' bytes."""
        return [f"{name}.bytes" for name in self.names]

    @property
    def place(self) -> Path:
        """`folder` as a path."""
        return Path(self.folder)

    def to_json(self) -> str:
        """For `from_json` in another process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Task:
        """The task as it was written."""
        fields: dict[str, Any] = json.loads(text)
        fields.update({key: tuple(value) for key, value in fields.items() if isinstance(value, list)})
        return Task(**fields)


def digest(parts: Iterable[bytes | Path]) -> str:
    """sha256 of the parts, one after the other."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part.read_bytes() if isinstance(part, Path) else part)
    return hasher.hexdigest()


@dataclass(frozen=True)
class Result:
    """What a lane's process says at its end: seconds of the work, peak RSS in MB (1e6 bytes), what was read."""

    seconds: float
    rss_mb: float
    proof: str

    def to_json(self) -> str:
        """One line, for `from_json`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Result:
        """The result as it was written."""
        return Result(**json.loads(text))
