"""Ask: one question to an engine: which images, with which engine or model and which parameters.

Everything that a result depends on, and so the name of the folder in which the answer lies. Opens no image's voxels and
runs nothing.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from core.errors import BadInput
from core.imaging.nifti import read_header
from core.resources.cost import Step, engine_step
from core.segmentation.consensus import consensus_job
from core.segmentation.engine import Engine, EngineInfo, Needs, Value, load_engine
from core.segmentation.job import Job
from core.segmentation.kept import Results
from core.segmentation.kept_record import agree
from core.segmentation.kept_record import images_of as made_from
from core.segmentation.models import ModelFolder
from core.segmentation.results import JobResult
from core.sources.protocol import LocalFile

PATIENCE_S = 1800.0  # of the runner, for engines that are done long before


@dataclass(frozen=True)
class Ask:
    """What is to be segmented, and how.

    Attributes:
        engine: a name in ENGINES or COMBINERS.
        inputs: what the engine calls an image -> the verified file; never the truth.
        parameters: chosen ones; the rest are the engine's defaults.
        case_id, source: None for images that belong to no case; the source by its canonical spec.
        model: for an engine that is nothing without one.
        labels: as Job's.
        members: keys of the kept results that a consensus joins, in the order of its masks.
        images: as Job's.

    Raises:
        BadParameter: no such engine; a parameter it does not take; a model where none is taken, or none where needed.
        BadInput: an image that the engine needs is not given.
        BadModel: the model's folder holds none.
    """

    engine: str
    inputs: Mapping[str, LocalFile]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    case_id: str | None = None
    source: str | None = None
    model: ModelFolder | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self.info.settle(self.parameters))
        missing = [name for name in self.info.inputs if name not in self.inputs]
        if missing:
            lacks = " and ".join(name.upper() for name in missing)
            raise BadInput(f"{self.engine} needs {lacks}", hint=f"give --{missing[0]} FILE")
        known = {*self.info.inputs, *self.info.optional}
        object.__setattr__(self, "inputs", {n: file for n, file in self.inputs.items() if n in known})

    @cached_property
    def opened(self) -> Engine:
        """The engine."""
        return load_engine(self.engine, None if self.model is None else self.model.folder)

    @property
    def info(self) -> EngineInfo:
        """What the engine is."""
        return self.opened.info

    @cached_property
    def voxels(self) -> int:
        """Voxels of the engine's native grid, from the first image's header.

        Raises:
            BadVolume: it is no readable NIfTI image.
        """
        return math.prod(read_header(self.inputs[self.info.inputs[0]].path).grid)

    @cached_property
    def needs(self) -> Needs:
        """What the job will take, predicted."""
        return self.opened.needs(self.voxels, self.parameters)

    @property
    def model_spec(self) -> str | None:
        """What find_model takes to find the model again; may name a folder of this machine."""
        if self.model is None:
            return None
        return f"local:{self.model.folder}" if self.model.source == "local" else self.model.source

    @property
    def timeout_s(self) -> float:
        """Wall seconds after which the runner ends the worker."""
        return max(PATIENCE_S, 10 * self.needs.seconds)

    def step(self, word: str = "") -> Step:
        """The job as the door sees it; `word` is the case as the record may name it."""
        needs = self.needs
        return engine_step(self.engine, needs.memory_mb, self.voxels, word, needs.disk_mb)

    def folder(self, results: Results) -> Path:
        """Where the answer lies, or will lie."""
        digests = [f"{name} {file.sha256}" for name, file in sorted(self.inputs.items())]
        return results.folder(self.info, self.parameters, digests, self.case_id, self.source, self.labels)

    def job(self, out_dir: Path, job_id: str | None = None) -> Job:
        """The job for the worker."""
        paths = {name: file.path for name, file in self.inputs.items()}
        folder = None if self.model is None else self.model.folder
        digests = {name: file.sha256 for name, file in self.inputs.items()}
        return Job(
            job_id or uuid.uuid4().hex, self.case_id, self.engine, paths, self.parameters, out_dir, self.source,
            folder, self.labels, digests, self.info.version, self.images,
        )  # fmt: skip


def ask_consensus(
    results: Mapping[str, JobResult],
    rule: str,
    files: Mapping[Path, LocalFile],
    source: str | None = None,
    adc: LocalFile | None = None,
) -> Ask:
    """The question that joins these results.

    Args:
        results: key of a kept result -> the result, 2 to 6 of one case.
        files: their masks and probabilities, verified.
        adc: of the same grid, for the lesions' mean ADC.

    Raises:
        BadInput: as `consensus_job`, or they were made from different images.
        BadParameter: as `consensus_job`.
    """
    members = list(results.values())
    told = [made_from(result.sidecar) for result in members]
    if adc is not None:
        told.append({"adc": adc.sha256})
    if not agree(told):
        raise BadInput("the results were made from different images", hint="choose results of the same images")
    job = consensus_job(members, rule, Path("unused"), "unused", source, None if adc is None else adc.path)
    known = {path.absolute(): file for path, file in files.items()}
    if adc is not None:
        known[adc.path.absolute()] = adc
    inputs = {name: known[path] for name, path in job.inputs.items()}
    parameters: Mapping[str, Value] = {"rule": rule}
    return Ask(job.engine, inputs, parameters, job.case_id, source, None, job.labels, tuple(results),
               {name: digest for images in told for name, digest in images.items()})  # fmt: skip


def images_of(result: JobResult) -> Sequence[Path]:
    """What a consensus may read of a result."""
    return [path for path in (result.mask, result.probability) if path is not None]
