"""Job: one segmentation to be made, and exactly where its outputs will lie.

A frozen description that travels to the worker as JSON. Output paths follow from the job alone, so nobody ever has to
search for a result. Reads no images and runs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.case import check_case_id
from core.errors import BadInput
from core.segmentation.engine_info import Value

_NAME = re.compile(r"[A-Za-z0-9]{1,40}")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
UNNAMED = "case"  # the stem of outputs for images that belong to no case; never a user's file name


@dataclass(frozen=True)
class Job:
    """What to segment, how, and where to.

    Attributes:
        job_id: letters, digits and "-"; unique while it runs.
        case_id: passes `check_case_id`; None for images that belong to no case.
        engine: key in ENGINES, letters and digits.
        inputs: modality -> path; made absolute.
        parameters: engine parameters by name, numbers or words; the rest are its defaults.
        out_dir: folder for the outputs; made absolute. Never a folder that holds the truth.
        source: where the case came from, e.g. "sample"; None when unknown.
        model: a verified local folder, for an engine that is nothing without one; made absolute.
        labels: input -> what it is in words, where its name does not tell, e.g. {"mask1": "diffusion 1.0"}.
        digests: input -> sha256 that its bytes must have; inputs that are not named here may be any.
        version: that the engine, and so a brought model, must have; None for any.
        images: image -> sha256 of what the inputs were made from, where they are results themselves.

    Raises:
        BadInput: an id or name that may not appear in a file name, or an output that would overwrite an input.
        CaseNotFound: the case id is not one.
    """

    job_id: str
    case_id: str | None
    engine: str
    inputs: Mapping[str, Path]
    parameters: Mapping[str, Value]
    out_dir: Path
    source: str | None = None
    model: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _JOB_ID.fullmatch(self.job_id):
            raise BadInput("that is not a job id", hint="use letters, digits and '-'")
        if not _NAME.fullmatch(self.engine):
            raise BadInput("that is not the name of an engine", hint="choose one from the list")
        if self.case_id is not None:
            check_case_id(self.case_id)
        object.__setattr__(self, "inputs", {name: Path(path).absolute() for name, path in self.inputs.items()})
        settled = {n: value if isinstance(value, str) else float(value) for n, value in self.parameters.items()}
        object.__setattr__(self, "parameters", settled)
        object.__setattr__(self, "out_dir", Path(self.out_dir).absolute())
        object.__setattr__(self, "model", None if self.model is None else Path(self.model).absolute())
        for words in ("labels", "digests", "images"):
            told: Mapping[str, str] = getattr(self, words)
            object.__setattr__(self, words, {str(name): str(word) for name, word in told.items()})
        taken = {path.resolve() for path in self.inputs.values()}
        if any(path.resolve() in taken for path in self.outputs):
            raise BadInput("an output would overwrite an input", hint="choose another output folder")

    def _path(self, description: str, suffix: str) -> Path:
        return self.out_dir / f"{self.case_id or UNNAMED}_space-orig_label-L_desc-{description}_{suffix}"

    @property
    def mask_path(self) -> Path:
        """The lesion, uint8 0/1 on the grid of the engine's first input."""
        return self._path(self.engine, "mask.nii.gz")

    @property
    def core_path(self) -> Path:
        """The core, uint8 0/1, same grid; written if the engine can tell it."""
        return self._path(f"{self.engine}core", "mask.nii.gz")

    @property
    def probability_path(self) -> Path:
        """Scores 0..1, same grid; written if the engine has them."""
        return self._path(self.engine, "probseg.nii.gz")

    @property
    def disagreement_path(self) -> Path:
        """How far several opinions lie apart, 0..1, same grid; written if there are several."""
        return self._path(f"{self.engine}disagreement", "probseg.nii.gz")

    @property
    def sidecar_path(self) -> Path:
        """JSON: engine, parameters, inputs' sha256, volumes with their definitions, warnings. Written last."""
        return self._path(self.engine, "mask.json")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Everything a worker may leave behind, in the order it is put in place."""
        return self.core_path, self.disagreement_path, self.probability_path, self.mask_path, self.sidecar_path

    @property
    def staging_dir(self) -> Path:
        """Where outputs are written before they are renamed into place; gone when the job has ended."""
        return self.out_dir / f".strokescope-{self.job_id}.partial"

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads."""
        return json.dumps(
            {
                "job_id": self.job_id,
                "case_id": self.case_id,
                "engine": self.engine,
                "inputs": {name: str(path) for name, path in self.inputs.items()},
                "parameters": dict(self.parameters),
                "out_dir": str(self.out_dir),
                "source": self.source,
                "model": None if self.model is None else str(self.model),
                "labels": dict(self.labels),
                "digests": dict(self.digests),
                "version": self.version,
                "images": dict(self.images),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that `to_json` wrote.

        Raises:
            BadInput: the text is not a job.
        """
        try:
            raw = json.loads(text)
            return cls(
                job_id=raw["job_id"],
                case_id=raw["case_id"],
                engine=raw["engine"],
                inputs={name: Path(path) for name, path in raw["inputs"].items()},
                parameters=raw["parameters"],
                out_dir=Path(raw["out_dir"]),
                source=raw["source"],
                model=None if raw.get("model") is None else Path(raw["model"]),
                labels=raw.get("labels", {}),
                digests=raw.get("digests", {}),
                version=raw.get("version"),
                images=raw.get("images", {}),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadInput("the job file cannot be understood", hint="start the job again") from None
