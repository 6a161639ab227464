"""The worker: `python -m core.segmentation.worker job.json` makes one segmentation and ends.

Prints progress as JSON lines on stdout and, last, its result or its error; writes every output beside, then renames.
It may be killed at any time: it offers itself to the kernel's OOM killer first and dies with the thread that started
it. Does not choose what to run (runner.py) and keeps nothing between jobs.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from core.errors import BadInput, StrokescopeError
from core.imaging import nifti
from core.resources.cgroup import read_groups
from core.resources.child import expendable, peak_rss_mb
from core.segmentation import unchanged
from core.segmentation.engine import (
    Choice,
    Engine,
    EngineInfo,
    Image,
    Parameter,
    Segmentation,
    Value,
    load_engine,
)
from core.segmentation.job import Job
from core.segmentation.lesions import MOST_ROWS, count_lesions, lesion_rows
from core.segmentation.results import JobResult, LesionRow

NOTICE = "Research use only, not a medical device."
READING, SEGMENTING = 0.05, 0.85  # fractions of the whole at which these phases end
EXIT_FAILED = 3
Say = Callable[[str, float], None]


def main(argv: list[str]) -> int:
    """Run the job named on the command line; 0 done, EXIT_FAILED with an error line."""
    stream = private_stdout()
    expendable()
    try:
        job = Job.from_json(Path(argv[0]).read_text(encoding="utf-8"))
        result = work(job, lambda name, done: tell(stream, phase=name, fraction=done, rss_mb=round(peak_mb(), 1)))
    except StrokescopeError as error:
        tell(stream, error={"kind": type(error).__name__, "message": str(error), "hint": error.hint})
        return EXIT_FAILED
    except MemoryError:
        hint = "close other images, or choose a smaller one"
        tell(
            stream, error={"kind": "WorkerDied", "message": "there was not enough memory for this image", "hint": hint}
        )
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001  # the worker's outermost edge
        # The message may name files of a patient, so only where it happened is kept.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + "\n")
        said = f"the engine failed unexpectedly ({type(error).__name__})"
        tell(stream, error={"kind": "EngineError", "message": said, "hint": "report this with the engine's name"})
        return EXIT_FAILED
    tell(stream, result=result.to_dict())
    return 0


def work(job: Job, say: Say) -> JobResult:
    """Read, segment, write; outputs appear only when all of them are complete."""
    engine = load_engine(job.engine, job.model)
    unchanged.check_version(job, engine.info.version)
    parameters, stamps = engine.info.settle(job.parameters), unchanged.stamps_of(job)
    inputs = read_inputs(job, engine.info, say)
    try:
        job.staging_dir.mkdir(parents=True, exist_ok=False)
    except OSError as error:
        raise BadInput(f"the output folder cannot be used ({error.strerror})", hint="choose another folder") from None

    def within(name: str, done: float) -> None:
        say(name, READING + (SEGMENTING - READING) * min(1.0, max(0.0, done)))

    found = in_scratch(job, engine, inputs, parameters, within)
    unsure = [inputs[name].title for name in engine.info.inputs if not inputs[name].header.oriented]
    if unsure:
        said = f"The header of {' and '.join(unsure)} does not say how it lies in the body: left and right are a guess."
        found = replace(found, warnings=(said, *found.warnings))
    say("Measuring lesions", SEGMENTING)
    adc = inputs["adc"].volume() if "adc" in inputs and found.adc_scale is not None else None
    unchanged.check_stamps(job, stamps)
    rows = lesion_rows(found.mask, adc, found.adc_scale, found.midplane)
    count = len(rows) if len(rows) < MOST_ROWS else count_lesions(found.mask)
    if count > len(rows):
        said = f"The mask falls into {count:,} parts, as noise does; only the {len(rows):,} largest are listed."
        found = replace(found, warnings=(said, *found.warnings))
    say("Writing the mask", 0.9)
    result = as_result(job, engine, found, rows, count)
    write_outputs(job, found, job.inputs[engine.info.inputs[0]])
    (job.staging_dir / job.sidecar_path.name).write_text(
        json.dumps(sidecar(job, engine, parameters, inputs, result, found), indent=2, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    put_in_place(job)
    say("Done", 1.0)
    return result


def in_scratch(
    job: Job, engine: Engine, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Say
) -> Segmentation:
    """Segment with an empty scratch folder that is gone afterwards."""
    scratch = job.staging_dir / "scratch"
    scratch.mkdir()
    try:
        return engine.segment(inputs, parameters, phase, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_inputs(job: Job, info: EngineInfo, say: Say) -> dict[str, Image]:
    """The images the engine uses, with the sha256 of every file; no voxel is decoded yet.

    Raises:
        BadInput: a needed image was not given, or its file is gone or another one than the job was made for.
        BadVolume: a file is no image.
    """
    for name in info.inputs:
        if name not in job.inputs:
            given = ", ".join(job.inputs) or "none"
            raise BadInput(
                f"there is no {name.upper()}", hint=f"{info.name} needs {', '.join(info.inputs)}; given: {given}"
            )
    used = [name for name in (*info.inputs, *info.optional) if name in job.inputs]
    images = {}
    for done, name in enumerate(used):
        say(f"Reading {name.upper()}", READING * done / len(used))
        try:
            with job.inputs[name].open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            hint = "choose the image again"
            raise BadInput(f"the {name.upper()} cannot be read ({error.strerror})", hint=hint) from None
        unchanged.check_digest(job, name, digest)
        images[name] = Image(name, job.inputs[name], digest, job.labels.get(name, ""))
    return images


def write_outputs(job: Job, found: Segmentation, like: Path) -> None:
    """All images into the staging folder, on the grid and with the spatial header of `like`."""
    stage = job.staging_dir
    nifti.write_mask(found.mask, stage / job.mask_path.name, like)
    if found.core is not None:
        nifti.write_mask(found.core, stage / job.core_path.name, like)
    if found.probability is not None:
        nifti.write_probability(found.probability, stage / job.probability_path.name, like)
    if found.disagreement is not None:
        nifti.write_probability(found.disagreement, stage / job.disagreement_path.name, like)


def put_in_place(job: Job) -> None:
    """Rename the staged files to where the job says; an older result's files that have no successor go."""
    for path in job.outputs:
        staged = job.staging_dir / path.name
        if staged.exists():
            staged.replace(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(job.staging_dir, ignore_errors=True)


def as_result(job: Job, engine: Engine, found: Segmentation, rows: tuple[LesionRow, ...], count: int) -> JobResult:
    """The numbers of a segmentation of `count` lesions; time and memory are the runner's to fill in."""
    return JobResult(
        case_id=job.case_id,
        engine=engine.info.name,
        engine_version=engine.info.version,
        mask=job.mask_path,
        core=None if found.core is None else job.core_path,
        probability=None if found.probability is None else job.probability_path,
        sidecar=job.sidecar_path,
        volume_ml=found.mask.volume_ml,
        core_volume_ml=None if found.core is None else found.core.volume_ml,
        lesion_count=count,
        lesions=rows,
        seconds=0.0,
        peak_rss_mb=peak_mb(),
        warnings=found.warnings,
        disagreement=None if found.disagreement is None else job.disagreement_path,
        threshold=found.threshold,
        notes=found.notes,
    )


def sidecar(
    job: Job,
    engine: Engine,
    parameters: Mapping[str, Value],
    inputs: Mapping[str, Image],
    result: JobResult,
    found: Segmentation,
) -> dict[str, Any]:
    """What must travel with the mask; holds no path and no name of this machine."""
    info = engine.info
    maker = {"Engine": info.name, "Version": info.version, "Label": info.label, "Task": info.task}
    told: dict[str, Any] = {
        "Notice": NOTICE,
        "Type": "Lesion",
        "SpatialReference": "orig",
        "CaseId": job.case_id,
        "Source": "local" if (job.source or "").startswith("local:") else job.source,
        "Revision": (job.source or "").partition("@")[2] or None if (job.source or "").startswith("hub:") else None,
        "GeneratedBy": {"Name": "Strokescope", **maker, "Licence": info.licence, "Citation": info.citation},
        "Parameters": {p.name: _parameter(p, parameters[p.name]) for p in info.parameters},
        "Inputs": {name: _input(image) for name, image in inputs.items()},
        "Images": dict(job.images),
        "Volumes": _volumes(result, parameters),
        "LesionCount": {"value": result.lesion_count, "definition": "26-connected components of the mask"},
        "Lesions": [asdict(row) for row in result.lesions],
        "Probability": info.probability if result.probability is not None else None,
        "Threshold": result.threshold if result.probability is not None else None,
        "Warnings": list(result.warnings),
        "Validated": info.validated,
        "KnownFailures": list(info.failures),
        "AdcScale": found.adc_scale,
        "MidPlane": found.midplane,
        "Host": {"Processors": os.cpu_count(), "MemoryLimitMB": memory_limit_mb(), "System": sys.platform},
        "PeakMemoryMB": round(result.peak_rss_mb, 1),
        "Notes": dict(result.notes),
    }
    optional = ("Probability", "Threshold", "Images")
    return {key: value for key, value in told.items() if key not in optional or value not in (None, {})}


def _volumes(result: JobResult, parameters: Mapping[str, Value]) -> dict[str, Any]:
    volumes: dict[str, Any] = {
        "lesion": {"value": result.volume_ml, "unit": "ml", "definition": "voxels of the mask x voxel volume"}
    }
    if result.core_volume_ml is not None:
        below = f" below {parameters['adc_core']:g} x 1e-6 mm2/s" if "adc_core" in parameters else " below the limit"
        definition = f"voxels of the mask with ADC{below} x voxel volume"
        volumes["core"] = {"value": result.core_volume_ml, "unit": "ml", "definition": definition}
    return volumes


def _parameter(parameter: Parameter | Choice, value: Value) -> dict[str, Value]:
    return {"value": value, "unit": parameter.unit} if isinstance(parameter, Parameter) else {"value": value}


def _input(image: Image) -> dict[str, str]:
    return {"sha256": image.sha256, **({"label": image.label} if image.label else {})}


def memory_limit_mb() -> float:
    """RAM that this process may have, MB (1e6 bytes): of the machine, or less where a container allows less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = [g.limit_bytes for g in read_groups(Path("/sys/fs/cgroup")) if g.limit_bytes is not None]
    return round(min([total, *allowed]) / 1e6, 1)


def private_stdout() -> IO[str]:
    """The real stdout for our lines alone; whatever a library prints goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def tell(stream: IO[str], **line: object) -> None:
    """One JSON object on one line."""
    stream.write(json.dumps(line) + "\n")
    stream.flush()


def peak_mb() -> float:
    """Peak resident memory so far, MB (1e6 bytes); getrusage where the kernel shows no VmHWM."""
    units = 1.0 if sys.platform == "darwin" else 1024.0
    return peak_rss_mb() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * units / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
