"""Written: a result that lies in a folder of a person's own, as the command `segment` left it.

Read from its sidecar, which says what made it and so how each of its files is called. Writes the dataset and the report
that a command asks for.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.case import check_case_id
from core.errors import BadInput, CaseNotFound
from core.imaging.stream import beside, make_folder
from core.segmentation.job import UNNAMED, Job
from core.segmentation.kept_record import agree, images_of
from core.segmentation.results import JobResult
from core.workflows.export import bids_zip, read_sidecar
from core.workflows.members import with_members
from core.workflows.origin import origin_of
from core.workflows.report import MADE, html_report, subject_of_report

ENDING = "_mask.json"
MOST_BYTES = 32_000_000  # of a sidecar
HINT = "name a folder that segment wrote, or the sidecar of one result (…_mask.json)"


@dataclass(frozen=True)
class Written:
    """One result.

    Attributes:
        result: its files and numbers, as far as its sidecar has them.
        source: canonical spec of its source as the sidecar tells it; "local" for a folder, None for no source.
    """

    result: JobResult
    source: str | None

    @property
    def sidecar(self) -> Path:
        """The file that tells of it."""
        return self.result.sidecar


def read_written(place: Path) -> Written:
    """The result of a folder that holds exactly one, or of this sidecar.

    Raises:
        BadInput: there is none, or several, or its files are not all there.
    """
    sidecar = place if place.suffix == ".json" else _only_sidecar(place)
    told = _told(sidecar)
    try:
        maker, case_id = told["GeneratedBy"], told["CaseId"]
        engine, version = str(maker["Engine"]), str(maker["Version"])
        if case_id is not None:
            check_case_id(case_id)
        names = Job("read", case_id, engine, {}, {}, sidecar.parent)
        probability = names.probability_path if told.get("Probability") else None
        result = JobResult(
            case_id, engine, version, names.mask_path, None, probability, sidecar,
            volume_ml=float(told["Volumes"]["lesion"]["value"]), core_volume_ml=None,
            lesion_count=int(told["LesionCount"]["value"]), lesions=(), seconds=0.0, peak_rss_mb=0.0,
            warnings=tuple(str(said) for said in told["Warnings"]), threshold=float(told.get("Threshold", 0.5)),
        )  # fmt: skip
        source = told["Source"]
        if not all(map(math.isfinite, (result.volume_ml, result.threshold))):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, BadInput, CaseNotFound):
        raise BadInput(f"{sidecar.name} is no sidecar of a result", hint=HINT) from None
    gone = [path.name for path in (result.mask, probability) if path is not None and not path.is_file()]
    if gone or names.sidecar_path.name != sidecar.name:
        said = f"{gone[0]} is not there" if gone else f"{sidecar.name} was renamed"
        raise BadInput(f"the result of {sidecar.name} is not whole: {said}", hint="segment the case again")
    return Written(result, source if isinstance(source, str) else None)


def members_of(found: Sequence[Written]) -> tuple[dict[str, JobResult], str | None]:
    """The results by a name of their own, and the source they share; None where they name several or a folder.

    Raises:
        BadInput: one result is named twice.
    """
    paths = [one.result.mask.resolve() for one in found]
    if len(set(paths)) < len(paths):
        raise BadInput("one result is named twice", hint="name results that were made apart from each other")
    sources = {one.source for one in found}
    source = next(iter(sources)) if len(sources) == 1 else None
    return {f"member{n}": one.result for n, one in enumerate(found, 1)}, None if source == "local" else source


def check_out(folder: Path, case_id: str | None, images: Mapping[str, str]) -> None:
    """That this folder holds no result of the same name that was made from other images (name -> sha256).

    Raises:
        BadInput: it does.
    """
    stem = f"{case_id or UNNAMED}_"
    try:
        there = sorted(p for p in folder.iterdir() if p.name.startswith(stem) and p.name.endswith(ENDING))
    except OSError:
        return  # who writes there says what is wrong with it
    for sidecar in there:
        if not agree((images, images_of(sidecar))):
            said = f"the folder {folder.name} holds a result of other images ({sidecar.name})"
            raise BadInput(said, hint="name another folder with --out, so that it stays")


def write_bids(
    result: JobResult, spec: str | None, images: Mapping[str, Path], out: Path, others: Sequence[Written] = ()
) -> Path:
    """The result as a BIDS derivative; `others` are the members of a consensus. Raises as bids_zip."""
    return bids_zip(result, origin_of(spec, images), out, _with(result, others))


def write_report(
    result: JobResult, spec: str | None, images: Mapping[str, Path], out: Path, others: Sequence[Written] = ()
) -> Path:
    """The result as a self-contained report; `others` are the members of a consensus.

    Raises:
        BadInput, BadVolume: its files cannot be read. DiskFull: the report cannot be written.
    """
    made = time.strftime(MADE, time.gmtime())
    page = html_report(result, _with(result, others), subject_of_report(origin_of(spec, images), images, made))
    make_folder(out.parent)
    with beside(out) as part:
        part.write_bytes(page)
    return out


def _with(result: JobResult, others: Sequence[Written]) -> dict[str, Any]:
    return with_members(read_sidecar(result), [_told(other.sidecar) for other in others])


def _only_sidecar(folder: Path) -> Path:
    try:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(ENDING))
    except OSError as error:
        raise BadInput(f"the folder {folder.name} cannot be read ({error.strerror})", hint=HINT) from None
    if len(found) != 1:
        count = "no result" if not found else f"{len(found)} results"
        raise BadInput(f"the folder {folder.name} holds {count}", hint=HINT)
    return found[0]


def _told(sidecar: Path) -> Mapping[str, Any]:
    try:
        if sidecar.stat().st_size > MOST_BYTES:
            raise BadInput(f"{sidecar.name} is too large to be a sidecar", hint=HINT)
        told = json.loads(sidecar.read_bytes())
    except OSError as error:
        raise BadInput(f"{sidecar.name} cannot be read ({error.strerror})", hint=HINT) from None
    except (ValueError, RecursionError):
        raise BadInput(f"{sidecar.name} is no sidecar of a result", hint=HINT) from None
    if not isinstance(told, dict):
        raise BadInput(f"{sidecar.name} is no sidecar of a result", hint=HINT)
    return told
