"""What a kept result's folder says of itself: its record, and what its sidecar tells beyond it.

A record names files, never paths, so a cache may be moved. A damaged or foreign folder is no result, never an error.
Writes, holds and removes nothing (kept.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from core.errors import EngineError
from core.segmentation.engine_info import EngineInfo, Value
from core.segmentation.results import JobResult

RECORD = "result.json"
LARGEST = 32_000_000  # bytes of a record or a sidecar; a result with 50 000 lesions has less
_FILES = ("mask", "core", "probability", "disagreement", "sidecar")
_OPINION = re.compile(r"(mask|probability)\d+")  # of a consensus: results, not images
LOCAL = "local"  # what a model of a folder is called, whose path nobody is told


@dataclass(frozen=True)
class Origin:
    """Where a result comes from, beyond what its sidecar tells.

    Attributes:
        source: canonical spec of the case's source, None for images of no case.
        parameters: those that differ from the engine's defaults.
        model: "hub:OWNER/NAME@COMMIT" or LOCAL; None for an engine without one.
    """

    source: str | None
    parameters: Mapping[str, Value]
    model: str | None = None


def origin_of(info: EngineInfo, parameters: Mapping[str, Value], source: str | None, model: str | None) -> Origin:
    """The origin, from all parameters."""
    defaults = {p.name: p.default for p in info.parameters}
    other = {name: value for name, value in parameters.items() if value != defaults.get(name)}
    return Origin(source, other, model)


@dataclass(frozen=True)
class KeptResult:
    """One finished result.

    Attributes:
        key: name of its folder, 32 hex digits.
        label: the engine's honest name for the screen.
        parameters: as Origin's; all of them where the record does not know which are defaults.
        model: as Origin's.
        made: when, epoch seconds.
        bytes: of all its files.
        source, case_id: where its images come from; None when unknown.
        images: image -> sha256 of what it was made from, through the results that it joins; empty when unknown.
    """

    key: str
    result: JobResult
    label: str
    parameters: Mapping[str, Value]
    model: str | None
    made: float
    bytes: int
    source: str | None
    case_id: str | None
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Engine and version, short enough for the head of a picture; a brought model by its own name and version."""
        name, _, build = self.result.engine_version.partition("+")
        engine = self.result.engine if self.model is None else self.label.rpartition(" (")[0] or self.result.engine
        return f"{engine} {name}" + (f"+{build[:6]}" if build else "")

    @property
    def changes(self) -> str:
        """The model's repository and the parameters that differ, in words; "" for the defaults."""
        model = [] if self.model in (None, LOCAL) else [str(self.model).removeprefix("hub:").partition("@")[0]]
        said = (f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in self._sorted)
        return ", ".join([*model, *said])

    @property
    def _sorted(self) -> list[tuple[str, Value]]:
        return sorted(self.parameters.items())

    def belongs_to(self, source: str, case_id: str) -> bool:
        """Whether it was made from this case of this source."""
        return (self.source, self.case_id) == (source, case_id)

    def is_of(self, digests: Mapping[str, str]) -> bool:
        """Whether it was made from these images and no others (name -> sha256); those of one side tell nothing."""
        return agree((self.images, digests))


@dataclass(frozen=True)
class Kept:
    """One folder of the cache. `bytes` counts all of its files; `found` is None for one that holds no result."""

    key: str
    folder: Path
    bytes: int
    found: KeptResult | None = None


def agree(told: Iterable[Mapping[str, str]]) -> bool:
    """Whether images (name -> sha256) of one name are the same wherever they are told."""
    seen: dict[str, str] = {}
    return all(seen.setdefault(name, digest) == digest for images in told for name, digest in images.items())


def images_of(sidecar: Path) -> dict[str, str]:
    """Image -> sha256 of what a result was made from, as its sidecar tells; empty where it does not."""
    return _images(_json(sidecar))


def _images(told: Mapping[str, Any]) -> dict[str, str]:
    inputs = {name: _mapping(said).get("sha256") for name, said in _mapping(told.get("Inputs")).items()}
    known = {**inputs, **_mapping(told.get("Images"))}
    return {n: said for n, said in known.items() if isinstance(said, str) and not _OPINION.fullmatch(n)}


def written(result: JobResult, origin: Origin | None, made: float) -> str:
    """The record's text."""
    raw = result.to_dict()
    sizes = {}
    for name in _FILES:
        path: Path | None = getattr(result, name)
        if path is not None:
            raw[name] = path.name
            sizes[path.name] = path.stat().st_size
    kept: dict[str, Any] = {"made": made, "sizes": sizes}
    if origin is not None:
        kept |= {"source": origin.source, "parameters": dict(origin.parameters), "model": origin.model}
    return json.dumps({**raw, "kept": kept})


def read(folder: Path) -> tuple[JobResult, Mapping[str, Any]] | None:
    """The result in a folder and what was kept beside it; None where there is none, or a file of it is not whole."""
    raw = _json(folder / RECORD)
    kept = raw.pop("kept", {}) if raw else {}
    if not raw or not isinstance(kept, dict):
        return None
    try:
        result = JobResult.from_dict(raw)
    except EngineError:
        return None
    if not _sane(result):
        return None
    result = replace(result, **_inside(folder, result))
    sizes = kept.get("sizes")
    whole = all(_is_whole(path, sizes if isinstance(sizes, dict) else {}) for path in result.files)
    return (result, kept) if whole else None


def entry_of(folder: Path) -> KeptResult | None:
    """The folder as a list shows it."""
    found = read(folder)
    if found is None:
        return None
    result, kept = found
    told = _json(result.sidecar)
    made_by, said = _mapping(told.get("GeneratedBy")), kept.get("made")
    knows = isinstance(kept.get("parameters"), dict)
    source = kept.get("source") if knows else told.get("Source")
    model = kept.get("model")
    return KeptResult(
        key=folder.name,
        result=result,
        label=str(made_by.get("Label") or result.engine),
        parameters=_values(kept["parameters"] if knows else told.get("Parameters")),
        model=model if isinstance(model, str) else None,
        made=float(said) if _number(said) else _modified(folder / RECORD),
        bytes=size_of(folder),
        source=source if isinstance(source, str) else None,
        case_id=result.case_id,
        images=_images(told),
    )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            with suppress(OSError):
                total += path.lstat().st_size if path.is_file() else 0
    return total


def _inside(folder: Path, result: JobResult) -> dict[str, Any]:
    """The files that a record names, in the folder where the record lies."""
    named: dict[str, Path | None] = {name: getattr(result, name) for name in _FILES}
    return {name: None if path is None else folder / path.name for name, path in named.items()}


def _json(path: Path) -> dict[str, Any]:
    """A file's JSON object, {} where there is none."""
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST:
            return {}
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _values(told: object) -> dict[str, Value]:
    """Parameters as name -> value, from a record's or a sidecar's way to write them."""
    found: dict[str, Value] = {}
    for name, value in _mapping(told).items():
        plain = value.get("value") if isinstance(value, dict) else value
        if isinstance(plain, str) or _number(plain):
            found[name] = plain if isinstance(plain, str) else float(plain)
    return found


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _sane(result: JobResult) -> bool:
    """Whether the values are of the kind that a page can show."""
    numbers = [result.volume_ml, result.lesion_count, result.seconds, result.peak_rss_mb, result.threshold]
    numbers += [] if result.core_volume_ml is None else [result.core_volume_ml]
    for row in result.lesions:
        numbers += [
            row.index,
            row.volume_ml,
            row.max_diameter_mm,
            *row.centre_mm,
            *([row.mean_adc] if row.mean_adc else []),
        ]
    words = [result.engine, result.engine_version, *result.warnings, *(row.side for row in result.lesions)]
    named = (result.case_id is None or isinstance(result.case_id, str)) and isinstance(result.notes, Mapping)
    places = all(len(row.centre_mm) == 3 for row in result.lesions)
    return named and places and all(map(_number, numbers)) and all(isinstance(w, str) for w in words)


def _is_whole(path: Path, sizes: Mapping[str, Any]) -> bool:
    try:
        size = path.stat().st_size
    except OSError:
        return False
    return path.is_file() and not path.is_symlink() and sizes.get(path.name, size) == size


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
