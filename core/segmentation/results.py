"""JobResult: what a segmentation found, in files and numbers.

Carries the result between processes as JSON. Measures nothing (lesions.py) and compares with no truth
(core.evaluation).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.errors import EngineError

_FILES = ("mask", "core", "probability", "disagreement", "sidecar")


@dataclass(frozen=True)
class LesionRow:
    """One 26-connected lesion.

    Attributes:
        index: 1 is the largest.
        side: the patient's "left" or "right", or "midline".
        volume_ml: ml.
        centre_mm: RAS+ mm of the lesion's voxel nearest to its centre of mass, so it lies inside the lesion.
        max_diameter_mm: largest distance between the centres of two of its voxels.
        mean_adc: 1e-6 mm2/s over its voxels with a positive ADC; None when unknown.
    """

    index: int
    side: str
    volume_ml: float
    centre_mm: tuple[float, float, float]
    max_diameter_mm: float
    mean_adc: float | None


@dataclass(frozen=True)
class JobResult:
    """The outcome of one job.

    Attributes:
        mask, core, probability, sidecar: files, where the Job said; core and probability None if the engine has none.
        volume_ml, core_volume_ml: ml.
        lesion_count: 26-connected components of the mask.
        lesions: one row each, the largest first; only the largest where there are very many (lesions.MOST_ROWS).
        seconds: wall time of the worker process.
        peak_rss_mb: its peak resident memory, MB (1e6 bytes).
        warnings: the engine's, in words.
        disagreement: a file as the others; None if there was one opinion only.
        threshold: the mask is where the probability is at least this.
        notes: facts for the provenance, plain values, e.g. {"teams": ["seals"]} or {"device": "cpu"}.
    """

    case_id: str | None
    engine: str
    engine_version: str
    mask: Path
    core: Path | None
    probability: Path | None
    sidecar: Path
    volume_ml: float
    core_volume_ml: float | None
    lesion_count: int
    lesions: tuple[LesionRow, ...]
    seconds: float
    peak_rss_mb: float
    warnings: tuple[str, ...]
    disagreement: Path | None = None
    threshold: float = 0.5
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that there are."""
        all_of_them = (self.mask, self.core, self.probability, self.disagreement, self.sidecar)
        return tuple(path for path in all_of_them if path is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; paths as text."""
        raw = asdict(self)
        for name in _FILES:
            raw[name] = None if raw[name] is None else str(raw[name])
        return raw

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> JobResult:
        """The result that `to_dict` gave, also after JSON.

        Raises:
            EngineError: it is not one.
        """
        try:
            values = dict(raw)
            for name in _FILES:
                values[name] = None if values.get(name) is None else Path(values[name])
            rows = (LesionRow(**{**row, "centre_mm": tuple(row["centre_mm"])}) for row in values["lesions"])
            return cls(**{**values, "lesions": tuple(rows), "warnings": tuple(values["warnings"])})
        except (KeyError, TypeError, ValueError):
            raise EngineError("the worker's result cannot be understood", hint="run the job again") from None

    @classmethod
    def from_json(cls, text: str) -> JobResult:
        """The result that `to_json` wrote. Raises as `from_dict`."""
        try:
            raw = json.loads(text)
        except ValueError:
            raw = {}
        return cls.from_dict(raw)
