"""Export: a result as a BIDS derivative dataset in one zip.

Holds the engine's own files under BIDS names, with sidecars, provenance and a README; nothing else, so never the truth
and never the images. The same result gives the same bytes. Computes nothing anew and uploads nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.errors import BadInput, BadVolume
from core.imaging.stream import beside, make_folder
from core.segmentation.results import JobResult
from core.workflows.members import members, sentence
from core.workflows.origin import BESIDE, Origin

BIDS_VERSION = "1.10.0"
NOTICE = "Research use only, not a medical device."
STAMP = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell; the same for every file
CHUNK = 1 << 20
IGNORED = "# BIDS has no name for a map of how far several opinions lie apart.\n**/*_disagreement.*\n"
LINKED = (
    "Addresses that begin with `bids:source:` are paths inside the folder that the images came from; they are found "
    "from here once this dataset lies in that folder as `derivatives/strokescope`."
)
Content = bytes | Path  # of one file in the zip


def subject_of(case_id: str | None) -> str:
    """The BIDS subject of a case: "sub-" and letters and digits; two ids that differ otherwise get different ones."""
    if case_id is None:
        return "sub-case"
    word = case_id.removeprefix("sub-")
    plain = re.sub(r"[^A-Za-z0-9]", "", word)
    if plain == word:
        return f"sub-{plain}"
    return f"sub-{plain}x{hashlib.sha256(case_id.encode()).hexdigest()[:6]}"


def bids_zip(result: JobResult, origin: Origin, out: Path, told: Mapping[str, Any] | None = None) -> Path:
    """Write the derivative dataset of one result to `out`, a .zip.

    Args:
        told: its sidecar, where it is not to be read from the file: a result seen at another threshold.

    Raises:
        BadInput: the result's sidecar cannot be read, or a file of the result is gone.
        DiskFull, BadVolume: the zip could not be written, or does not hold what was put in.
    """
    files = dataset_files(result, origin, told)
    make_folder(out.parent)
    with beside(out) as part:
        digests = _pack(files, part)
        _check(part, digests)
    return out


def dataset_files(result: JobResult, origin: Origin, told: Mapping[str, Any] | None = None) -> dict[str, Content]:
    """Every file of the dataset by its path in it, sorted. Reads the sidecar only, and not where `told` is given.

    Raises:
        BadInput: the sidecar cannot be read, or a file of the result is gone.
    """
    told = read_sidecar(result) if told is None else told
    gone = [path.name for path in result.files if not path.is_file()]
    if gone:
        raise BadInput(f"{len(gone)} files of this result are gone ({gone[0]})", hint="run the job again")
    session = origin.session_of(told.get("Inputs", {}))
    stem = "_".join([subject_of(result.case_id), *([session] if session else [])])
    folder = f"{stem.replace('_', '/')}/anat"
    files: dict[str, Content] = {
        "dataset_description.json": _text(description(result, told, origin)),
        "README.md": readme(result, told, origin).encode(),
        ".bidsignore": IGNORED.encode(),
    }
    for path, desc, suffix in _images(result):
        label = "" if suffix == "disagreement" else "label-L_"
        name = f"{folder}/{stem}_space-{origin.space}_{label}desc-{desc}_{suffix}"
        files[f"{name}.nii.gz"] = path
        said = image_sidecar(told, origin, desc, suffix)
        files[f"{name}.json"] = _text({**provenance(result, told, origin), **said} if path == result.mask else said)
    return dict(sorted(files.items()))


def read_sidecar(result: JobResult) -> dict[str, Any]:
    """What the worker wrote beside the mask.

    Raises:
        BadInput: it is gone or cannot be understood.
    """
    try:
        told = json.loads(result.sidecar.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError
    except (OSError, ValueError):
        raise BadInput("the result's sidecar cannot be read", hint="run the job again") from None
    return told


def description(result: JobResult, told: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """dataset_description.json."""
    by = told.get("GeneratedBy", {})
    source = {"URL": origin.address, "Version": origin.revision}
    said: dict[str, Any] = {
        "Name": f"Strokescope lesion segmentation by {result.engine} {result.engine_version}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "Strokescope", "Version": origin.software, "Description": NOTICE},
            {"Name": result.engine, "Version": result.engine_version, "Description": str(by.get("Label", ""))},
            *({"Name": m["Name"], "Version": m["Version"], "Description": _part(m)} for m in members(told)),
        ],
        "HowToAcknowledge": "; ".join([str(by.get("Citation", "")), *(str(m["Citation"]) for m in members(told))]),
    }
    if origin.address:
        said["SourceDatasets"] = [{key: value for key, value in source.items() if value}]
    if origin.links:
        said["DatasetLinks"] = origin.links
    return said


def _part(member: Mapping[str, Any]) -> str:
    return f"Member of the consensus. {sentence(member)}"


def image_sidecar(told: Mapping[str, Any], origin: Origin, desc: str, suffix: str) -> dict[str, Any]:
    """The sidecar of one image: what it is, on which grid, and made from what.

    Tells the address of an input only where it has one; its sha256 always.
    """
    inputs = told.get("Inputs", {})
    found = [uri for uri in map(origin.uri, inputs) if uri]
    said: dict[str, Any] = {
        "Notice": NOTICE,
        "SpatialReference": "orig" if origin.space == "orig" else next(iter(found), origin.address or "orig"),
        "SourceSha256": {name: image.get("sha256", "") for name, image in inputs.items()},
    }
    if found:
        said["Sources"] = found
    if suffix == "mask":
        said["Type"] = "Lesion"
        core = desc.endswith("core")
        said["Description"] = "voxels of the lesion with low ADC" if core else "segmented lesion, 0 or 1"
    elif suffix == "disagreement":
        said["Description"] = str(told.get("Notes", {}).get("disagreement") or "how far several opinions lie apart")
    else:
        said["Description"] = str(told.get("Probability") or "0 to 1, scores of the engine")
    return said


def provenance(result: JobResult, told: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """All that is known of how the result was made; holds no path of this machine."""
    measured = {
        "Seconds": round(result.seconds, 2),
        "PeakMemoryMB": round(result.peak_rss_mb, 1),
        "LesionVolumeMl": result.volume_ml,
        "CoreVolumeMl": result.core_volume_ml,
    }
    return {**told, "Source": origin.title, "Revision": origin.revision, "Measured": measured}


def readme(result: JobResult, told: Mapping[str, Any], origin: Origin) -> str:
    """README.md: what this is, what it is not, and what the names mean."""
    by = told.get("GeneratedBy", {})
    warnings = "".join(f"- {line}\n" for line in result.warnings) or "- none\n"
    joined = "".join(f"- {sentence(one)}\n" for one in members(told))
    parts = f"## Members of the consensus\n{joined}\n" if joined else ""
    beside = f"{LINKED}\n" if origin.links.get("source") == BESIDE else ""
    return f"""# Lesion segmentation by {result.engine} {result.engine_version}

**{NOTICE}**

- Case: {result.case_id or "not named"}; source: {origin.title}
- Engine: {by.get("Label", result.engine)}
- Task: {by.get("Task", "not told")}
- Validated: {told.get("Validated", "not told")}
- Licence of engine and weights: {by.get("Licence", "not told")}
- To cite: {by.get("Citation", "not told")}

Segmented volume {result.volume_ml:.2f} ml (voxels of the mask times the volume of one voxel), {result.lesion_count} \
lesions (26-connected).

Files: `_mask` is the lesion, uint8 0/1; `_probseg` the engine's scores from 0 to 1; `desc-…core` the voxels of the \
mask with low ADC; `_disagreement` how far several opinions lie apart, for which BIDS has no name (`.bidsignore`). \
`space-orig` is the grid of the first input; `space-ncct` says that the source had resampled it to the acute CT. The \
sidecar of the lesion mask has parameters, checksums of the inputs, time, memory and warnings. The reference mask of \
the source is not part of this dataset.
{beside}
{parts}## Warnings
{warnings}"""


def _images(result: JobResult) -> list[tuple[Path, str, str]]:
    """(file, desc, suffix) of every image of the result."""
    named = (
        (result.mask, result.engine, "mask"),
        (result.core, f"{result.engine}core", "mask"),
        (result.probability, result.engine, "probseg"),
        (result.disagreement, result.engine, "disagreement"),
    )
    return [(path, desc, suffix) for path, desc, suffix in named if path is not None]


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _pack(files: Mapping[str, Content], out: Path) -> dict[str, str]:
    """Write the zip; the sha256 of each member as it went in."""
    digests: dict[str, str] = {}
    with zipfile.ZipFile(out, "x") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, STAMP)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".gz") else zipfile.ZIP_DEFLATED
            digest = hashlib.sha256()
            with archive.open(info, "w") as member:
                for piece in _chunks(content):
                    member.write(piece)
                    digest.update(piece)
            digests[name] = digest.hexdigest()
    return digests


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def _check(path: Path, digests: Mapping[str, str]) -> None:
    """Read the zip back.

    Raises:
        BadVolume: it does not hold what was put in.
    """
    with zipfile.ZipFile(path) as archive:
        found = {name: _digest(archive, name) for name in archive.namelist()}
    if found != dict(digests):
        raise BadVolume("the zip does not hold what was put in", hint="check the disk and try again")


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while piece := member.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
