"""Kept results for page tests, made without an engine: masks from the truth of a sample case, moved or thinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from core.hub.cache import Cache
from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.segmentation.kept_record import origin_of
from core.segmentation.results import JobResult, LesionRow
from core.sources.sample import SampleSource

INFO = load_engine("diffusion").info


def keep(
    world: Path, shift: int = 0, case: str = "sample-01", seed: float = 4.0, score: bool = False, other: bool = False
) -> str:
    """A result whose mask is the truth, moved by so many voxels; its key.

    Args:
        seed: the engine's parameter z_seed, so that two results of one case differ.
        score: with a probability map.
        other: made from other images than the case has.
    """
    results, source = Results(world / "cache"), SampleSource(Cache(world / "cache").root)
    files = source.fetch(case, ["lesion_mask", "dwi", "adc"]).files
    truth = files["lesion_mask"].path
    folder = results.folder(INFO, {"z_seed": seed}, [str(shift)], case, "sample")
    folder.mkdir(parents=True)
    image: Any = nib.load(truth)
    mask = np.roll(np.asarray(image.dataobj) > 0.5, shift, 0).astype(np.uint8)
    paths = folder / "mask.nii.gz", folder / "probability.nii.gz", folder / "mask.json"
    nib.save(nib.Nifti1Image(mask, image.affine), paths[0])  # type: ignore[no-untyped-call]
    if score:
        nib.save(nib.Nifti1Image(mask.astype(np.float32), image.affine), paths[1])  # type: ignore[no-untyped-call]
    digests = {name: "0" * 64 if other else files[name].sha256 for name in ("dwi", "adc")}
    paths[2].write_text(json.dumps({**told(case, seed), "Inputs": {n: {"sha256": d} for n, d in digests.items()}}))
    ml = float(mask.sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000)
    row = LesionRow(1, "left", ml, (-40.0, 0.0, 10.0), 50.0, None)
    probability = paths[1] if score else None
    made = JobResult(
        case, "diffusion", "1.1", paths[0], None, probability, paths[2], ml, None, 1, (row,), 1.0, 80.0, ()
    )
    results.keep(folder, made, origin=origin_of(INFO, INFO.settle({"z_seed": seed}), "sample", None))
    return folder.name


def told(case: str, seed: float) -> dict[str, object]:
    """A sidecar as the worker writes it, in its parts that pages read."""
    by = {"Name": "Strokescope", "Engine": "diffusion", "Version": "1.1", "Label": INFO.label, "Task": INFO.task}
    return {
        "CaseId": case,
        "Source": "sample",
        "GeneratedBy": {**by, "Licence": INFO.licence, "Citation": INFO.citation},
        "Parameters": {"z_seed": {"value": seed, "unit": ""}},
        "Validated": INFO.validated,
        "Warnings": [],
        "AdcScale": 1.0,
    }
