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
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from core.errors import BadInput, StrokescopeError
from core.imaging import nifti
from core.imaging.volume import Volume
from core.resources.child import expendable, peak_rss_mb
from core.segmentation.engine import Engine, EngineInfo, Segmentation, load_engine
from core.segmentation.job import Job
from core.segmentation.lesions import lesion_rows
from core.segmentation.results import JobResult, LesionRow

NOTICE = "Research use only, not a medical device."
READING, SEGMENTING = 0.15, 0.85  # fractions of the whole at which these phases end
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
    engine = load_engine(job.engine)
    parameters = engine.info.settle(job.parameters)
    inputs, digests = read_inputs(job, engine.info, say)

    def within(name: str, done: float) -> None:
        say(name, READING + (SEGMENTING - READING) * min(1.0, max(0.0, done)))

    found = engine.segment(inputs, parameters, within)
    unsure = [name.upper() for name in engine.info.inputs if not nifti.read_header(job.inputs[name]).oriented]
    if unsure:
        said = f"The header of {' and '.join(unsure)} does not say how it lies in the body: left and right are a guess."
        found = replace(found, warnings=(said, *found.warnings))
    say("Measuring lesions", SEGMENTING)
    rows = lesion_rows(found.mask, inputs.get("adc"), found.adc_scale, found.midplane)
    like = job.inputs[engine.info.inputs[0]]
    say("Writing the mask", 0.9)
    try:
        job.staging_dir.mkdir(parents=True, exist_ok=False)
    except OSError as error:
        raise BadInput(f"the output folder cannot be used ({error.strerror})", hint="choose another folder") from None
    result = as_result(job, engine, found, rows)
    write_outputs(job, found, like)
    (job.staging_dir / job.sidecar_path.name).write_text(
        json.dumps(sidecar(job, engine, parameters, digests, result), indent=2, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    put_in_place(job)
    say("Done", 1.0)
    return result


def read_inputs(job: Job, info: EngineInfo, say: Say) -> tuple[dict[str, Volume], dict[str, str]]:
    """The volumes the engine uses, and the sha256 of every file read.

    Raises:
        BadInput: a needed image was not given, or its file is gone.
        BadVolume: an image is damaged.
    """
    for name in info.inputs:
        if name not in job.inputs:
            given = ", ".join(job.inputs) or "none"
            raise BadInput(
                f"there is no {name.upper()}", hint=f"{info.name} needs {', '.join(info.inputs)}; given: {given}"
            )
    used = [name for name in (*info.inputs, *info.optional) if name in job.inputs]
    volumes, digests = {}, {}
    for done, name in enumerate(used):
        say(f"Reading {name.upper()}", READING * done / len(used))
        try:
            with job.inputs[name].open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            hint = "choose the image again"
            raise BadInput(f"the {name.upper()} cannot be read ({error.strerror})", hint=hint) from None
        volumes[name] = nifti.read_volume(job.inputs[name])
    return volumes, digests


def write_outputs(job: Job, found: Segmentation, like: Path) -> None:
    """All images into the staging folder, on the grid and with the spatial header of `like`."""
    stage = job.staging_dir
    nifti.write_mask(found.mask, stage / job.mask_path.name, like)
    if found.core is not None:
        nifti.write_mask(found.core, stage / job.core_path.name, like)
    if found.probability is not None:
        nifti.write_probability(found.probability, stage / job.probability_path.name, like)


def put_in_place(job: Job) -> None:
    """Rename the staged files to where the job says; an older result's files that have no successor go."""
    for path in job.outputs:
        staged = job.staging_dir / path.name
        if staged.exists():
            staged.replace(path)
        else:
            path.unlink(missing_ok=True)
    job.staging_dir.rmdir()


def as_result(job: Job, engine: Engine, found: Segmentation, rows: tuple[LesionRow, ...]) -> JobResult:
    """The numbers of a segmentation; time and memory are the runner's to fill in."""
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
        lesion_count=len(rows),
        lesions=rows,
        seconds=0.0,
        peak_rss_mb=peak_mb(),
        warnings=found.warnings,
    )


def sidecar(
    job: Job, engine: Engine, parameters: Mapping[str, float], digests: Mapping[str, str], result: JobResult
) -> dict[str, Any]:
    """What must travel with the mask; holds no path of this machine."""
    info = engine.info
    volumes: dict[str, Any] = {
        "lesion": {"value": result.volume_ml, "unit": "ml", "definition": "voxels of the mask x voxel volume"}
    }
    if result.core_volume_ml is not None:
        below = f" below {parameters['adc_core']:g} x 1e-6 mm2/s" if "adc_core" in parameters else " below the limit"
        definition = f"voxels of the mask with ADC{below} x voxel volume"
        volumes["core"] = {"value": result.core_volume_ml, "unit": "ml", "definition": definition}
    return {
        "Notice": NOTICE,
        "Type": "Lesion",
        "SpatialReference": "orig",
        "CaseId": job.case_id,
        "Source": "local" if (job.source or "").startswith("local:") else job.source,
        "GeneratedBy": {"Name": "Strokescope", "Engine": info.name, "Version": info.version, "Label": info.label},
        "Parameters": {p.name: {"value": parameters[p.name], "unit": p.unit} for p in info.parameters},
        "Inputs": {name: {"sha256": digest} for name, digest in digests.items()},
        "Volumes": volumes,
        "LesionCount": {"value": result.lesion_count, "definition": "26-connected components of the mask"},
        "Lesions": [asdict(row) for row in result.lesions],
        "Probability": "a rank from 0 to 1, not calibrated; the mask is where it is at least 0.5",
        "Warnings": list(result.warnings),
        "Validated": info.validated,
        "KnownFailures": list(info.failures),
    }


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
