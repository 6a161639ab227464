"""Source trees in the shapes of ISLES'24 and ARC, and a plain BIDS one: small, of noise, deterministic; no patients.

Every tree has what real ones have: rows without some images, several runs, empty cells, sidecars, images that no schema
publishes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SHAPE = (12, 10, 8)
AWKWARD = "a folder, 'quoted' “and” ünïcode"
MAPS = ("tmax", "mtt", "cbf", "cbv")


def image(
    seed: int = 0,
    shape: tuple[int, ...] = SHAPE,
    spacing: float = 2.0,
    dtype: str = "int16",
    texts: Mapping[str, bytes] | None = None,
    extensions: Sequence[tuple[int, bytes]] = (),
    voxels: NDArray[Any] | None = None,
) -> bytes:
    """A NIfTI-1 file, unpacked.

    Args:
        voxels: instead of noise.
        texts: header field -> what stands in it.
        extensions: (code, content).
    """
    data = np.random.default_rng(seed).integers(0, 200, shape) if voxels is None else voxels
    affine = np.diag([-spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (spacing * shape[0] / 2, -spacing * shape[1] / 2, seed % 3)
    made: Any = nib.Nifti1Image(data.astype(dtype), affine)  # type: ignore[no-untyped-call]
    made.header.set_xyzt_units("mm", "sec")
    for field, text in (texts or {}).items():
        made.header[field] = text
    for code, content in extensions:
        made.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    return bytes(made.to_bytes())


def packed(data: bytes, level: int = 1) -> bytes:
    """The same with gzip, without a name or a time."""
    return gzip.compress(data, level, mtime=0)


def put(root: Path, path: str, data: bytes | str | None = None, seed: int = 0) -> Path:
    """A file below `root`, an image of noise if its content is not given."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(packed(image(seed)) if data is None else data.encode() if isinstance(data, str) else data)
    return place


def workbook(place: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    """A spreadsheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    place.parent.mkdir(parents=True, exist_ok=True)
    book.save(place)
    return place


def isles24(root: Path, subjects: int = 3) -> Path:
    """A tree with train/. Of each three subjects the second lacks CTP, maps and outcome, the third has its CTA only as
    a derivative and no LVO mask."""
    workbook(root / "train" / "clinical_data-description.xlsx", {"Sheet1": [["Age", "in years"]]})
    for number in range(1, subjects + 1):
        _stroke(root / "train", f"sub-stroke{number:04d}", number)
    return root


def _stroke(base: Path, name: str, number: int) -> None:
    kind = number % 3
    raw, one, two = f"raw_data/{name}/ses-01", f"derivatives/{name}/ses-01", f"derivatives/{name}/ses-02"
    start = f"{name}_ses-01"
    paths = [f"{raw}/{start}_ncct", f"{one}/{start}_space-ncct_cta", f"{one}/{start}_space-ncct_cow-msk"]
    paths += [f"{raw}/{start}_cta"] * (kind != 0) + [f"{one}/{start}_space-ncct_lvo-msk"] * (kind != 0)
    if kind != 2:
        paths += [f"{raw}/{start}_ctp", f"{one}/{start}_space-ncct_ctp"]
        paths += [f"{raw}/perfusion-maps/{start}_{m}" for m in MAPS]
        paths += [f"{one}/perfusion-maps/{start}_space-ncct_{m}" for m in MAPS]
    paths += [f"{two}/{name}_ses-02_space-ncct_{m}" for m in ("dwi", "adc", "lesion-msk")]
    for at, path in enumerate(paths):
        shape = (*SHAPE, 3) if path.endswith("_ctp") else SHAPE
        put(base, f"{path}.nii.gz", packed(image(300 * number + 3 * at, shape)))
    folder = base / "phenotype" / name
    head: list[object] = ["Age", "Sex", "NIHSS at admission", "mRS at admission"]
    baseline = [head, [60.5 + number % 25, "FM"[number % 2], 7, 0]]
    workbook(folder / "ses-01" / f"{name}_ses-01_demographic_baseline.xlsx", {"Sheet1": baseline})
    outcome: list[list[object]] = [["mRS 3 months"], [None if kind == 2 else number % 7]]
    workbook(folder / "ses-02" / f"{name}_ses-02_outcome.xlsx", {"Sheet1": outcome})


def arc(root: Path, subjects: int = 2, sessions: int = 2) -> Path:
    """A tree whose first sessions have anatomy, twelve runs of BOLD and a lesion, and whose others have a DWI alone."""
    describe(root, "CC0")
    lines = ["participant_id\tsex\tage_at_stroke\twab_aq\twab_type"]
    for number in range(1, subjects + 1):
        name = f"sub-M{2000 + number}"
        lines.append(f"{name}\t{'FM'[number % 2]}\t{40 + number % 40}\t{'n/a' if number == 2 else 71.5}\tAnomic")
        for session in range(1, sessions + 1):
            _session(root, name, f"ses-{session}", 1000 * number + 100 * session, whole=session == 1)
    put(root, "participants.tsv", "\n".join(lines) + "\n")
    put(root, "participants.json", json.dumps({"sex": {"Levels": {"F": "female", "M": "male"}}}))
    return root


def _session(root: Path, name: str, session: str, seed: int, whole: bool) -> None:
    start = f"{name}/{session}"
    if not whole:
        put(root, f"{start}/dwi/{name}_{session}_dwi.nii.gz", packed(image(seed, (*SHAPE, 4))))
        return
    for at, suffix in enumerate(("T1w", "T2w", "FLAIR")[: 2 + seed // 1000 % 2]):
        put(root, f"{start}/anat/{name}_{session}_{suffix}.nii.gz", seed=seed + 3 * at)
    for run in range(1, 13):
        path = f"{start}/func/{name}_{session}_task-naming_run-{run}_bold"
        put(root, f"{path}.nii.gz", packed(image(seed + 9 + 3 * run, (*SHAPE, 2))))
        put(root, f"{path}.json", json.dumps({"RepetitionTime": 2.0}))
    for run in (1, 2):
        path = f"{start}/dwi/{name}_{session}_run-{run}"
        put(root, f"{path}_dwi.nii.gz", packed(image(seed + 60 + 3 * run, (*SHAPE, 4))))
        put(root, f"{path}_sbref.nii.gz", seed=seed + 69 + 3 * run)
        put(root, f"{path}_dwi.bval", "0 1000 1000 1000\n")
    lesion = f"derivatives/lesion_masks/{start}/anat/{name}_{session}_desc-lesion_mask.nii.gz"
    put(root, lesion, packed(image(seed + 3, dtype="uint8")))


def bids(root: Path, subjects: int = 3) -> Path:
    """A plain tree by subject: T1w, several BOLD runs, a derived mask; participants with a number and a text."""
    describe(root, "CC-BY-4.0")
    lines = ["participant_id\tAge (years)\tHandedness\tcode"]
    for number in range(1, subjects + 1):
        name = f"sub-{number:02d}"
        lines.append(f"{name}\t{30 + number % 40}\t{'right' if number % 2 else 'n/a'}\t00{number}")
        put(root, f"{name}/anat/{name}_T1w.nii.gz", seed=30 * number)
        put(root, f"derivatives/masks/{name}/anat/{name}_desc-lesion_mask.nii.gz", seed=30 * number + 12)
        for run in range(1, number):
            put(root, f"{name}/func/{name}_task-rest_run-{run}_bold.nii.gz", seed=30 * number + 3 * run)
    put(root, "participants.tsv", "\n".join(lines) + "\n")
    return root


def describe(root: Path, licence: str) -> Path:
    """The tree's dataset_description.json."""
    return put(
        root, "dataset_description.json", json.dumps({"Name": "Noise", "BIDSVersion": "1.9.0", "License": licence})
    )
