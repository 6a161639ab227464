"""Kept: finished results on this disk, found again by exactly what they were made of.

One folder per recipe (source, case, engine, version, parameters, digests of the inputs). Only the newest stay; all of
them can be computed again. Runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import EngineError
from core.segmentation.engine_info import EngineInfo, Value
from core.segmentation.results import JobResult

KEEP = 200
_RECORD = "result.json"


@dataclass(frozen=True)
class Kept:
    """One kept result. `bytes` counts all of its files."""

    key: str
    folder: Path
    bytes: int


class Results:
    """The folder of results below the cache directory."""

    def __init__(self, cache_dir: Path) -> None:
        self._root = cache_dir / "results"

    def folder(
        self,
        engine: EngineInfo,
        parameters: Mapping[str, Value],
        digests: Sequence[str],
        case_id: str | None,
        source: str | None,
        labels: Mapping[str, str] | None = None,
    ) -> Path:
        """Where the result of exactly this lies, or will lie.

        Args:
            labels: as the job's, where what an input is called matters to the result.

        Raises:
            BadParameter: the engine does not take these parameters.
        """
        recipe = [
            source,
            case_id,
            engine.name,
            engine.version,
            sorted(engine.settle(parameters).items()),
            list(digests),
            *([sorted(labels.items())] if labels else []),
        ]
        return self._root / hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]

    def find(self, folder: Path) -> JobResult | None:
        """The finished result in that folder, if there is one and all its files are still there."""
        try:
            result = JobResult.from_json((folder / _RECORD).read_text(encoding="utf-8"))
        except (EngineError, OSError, ValueError):
            return None
        return result if all(f.is_file() for f in result.files) else None

    def keep(self, folder: Path, result: JobResult, most: int = KEEP) -> None:
        """Note a finished result in its folder, and let the oldest go. A full disk only costs the memory of it."""
        beside = folder / f".result.{uuid.uuid4().hex}.part"
        try:
            beside.write_text(result.to_json(), encoding="utf-8")
            beside.replace(folder / _RECORD)
        except OSError:
            with suppress(OSError):
                beside.unlink()
        for old in self._oldest_first()[:-most]:
            shutil.rmtree(old, ignore_errors=True)

    def entries(self) -> tuple[Kept, ...]:
        """All of them, oldest first."""
        return tuple(Kept(f.name, f, _bytes(f)) for f in self._oldest_first())

    def clear(self) -> int:
        """Remove all. Returns the bytes freed."""
        found = self.entries()
        for entry in found:
            shutil.rmtree(entry.folder, ignore_errors=True)
        return sum(entry.bytes for entry in found)

    def _oldest_first(self) -> list[Path]:
        try:
            return sorted((p for p in self._root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        except OSError:
            return []


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
