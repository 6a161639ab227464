"""Small volumes for the viewer's browser tests, whose left and right, values and lesions are known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SHAPE = (40, 48, 20)
LAS = np.array([[-4.0, 0, 0, 78], [0, 4, 0, -94], [0, 0, 6, -57], [0, 0, 0, 1]])
RAS = np.array([[4.0, 0, 0, -78], [0, 4, 0, -94], [0, 0, 6, -57], [0, 0, 0, 1]])
BIG, SMALL = (-44.0, 6.0, 3.0), (30.0, -40.0, 3.0)  # lesions in RAS+ mm: left and large, right and small
BRIGHT = 400.0  # the patient's left side holds one bright box


def tilted(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same head, scanned with a gantry tilt of 15 degrees."""
    turn = np.eye(4)
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    return np.asarray(turn @ affine)


def places(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE) -> NDArray[np.float64]:
    """(X, Y, Z, 3): where each voxel lies, RAS+ mm."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    return np.asarray(ijk @ affine[:3, :3].T + affine[:3, 3])


def near(at: NDArray[np.float64], centre: tuple[float, ...], reach: tuple[float, ...]) -> NDArray[np.bool_]:
    """Voxels within a box of ± reach mm."""
    return np.asarray((np.abs(at - centre) <= reach).all(-1))


def head(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE) -> NDArray[np.float32]:
    """A head of 100 to about 250, growing to the front and up, with the bright box on the left."""
    at = places(affine, shape)
    inside = ((at / (64, 80, 52)) ** 2).sum(-1) < 1
    values = np.where(inside, 160 + at[..., 1] * 0.5 + at[..., 2] * 0.4, 0)
    values[near(at, BIG, (12, 12, 10)) & inside] = BRIGHT
    return values.astype(np.float32)


def lesions(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE, shift: float = 0.0) -> NDArray[np.uint8]:
    """Two lesions; `shift` moves both to the front, in mm."""
    at = places(affine, shape) - (0, shift, 0)
    return (near(at, BIG, (12, 12, 10)) | near(at, SMALL, (5, 5, 5))).astype(np.uint8)


def ramp(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE) -> NDArray[np.float32]:
    """1 in the left half of the upper slices, 0.5 in the right one, 0 in the lower slices."""
    at = places(affine, shape)
    return np.where(at[..., 2] < 0, 0, np.where(at[..., 0] < 0, 1.0, 0.5)).astype(np.float32)


def dot(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    """A lesion of a single voxel at SMALL."""
    return near(places(affine, shape), SMALL, (2.1, 2.1, 3.1)).astype(np.uint8)


def three(affine: NDArray[np.float64], shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    """A map of labels: 1 and 2 side by side on the left, 3 on the right."""
    at, big = places(affine, shape), lesions(affine, shape) > 0
    return np.where(big, np.where(at[..., 0] > 0, 3, np.where(at[..., 1] > BIG[1], 1, 2)), 0).astype(np.uint8)


def save(data: NDArray[Any], affine: NDArray[np.float64], path: Path, code: int = 1) -> str:
    """A NIfTI file as scanners' software writes it; code 0 leaves the orientation out."""
    image = nib.Nifti1Image(data, affine)  # type: ignore[no-untyped-call]
    image.set_sform(affine if code else None, code)  # type: ignore[no-untyped-call]
    image.set_qform(affine if code else None, code)  # type: ignore[no-untyped-call]
    nib.save(image, path)
    return str(path)


@dataclass(frozen=True)
class Cases:
    """The demo's file, and its cases' numbers by title."""

    file: Path
    numbers: dict[str, int]


def make_cases(folder: Path) -> Cases:
    """All files and the JSON for viewer_demo.py."""
    oblique = tilted(RAS)
    fine = np.array([[-3.0, 0, 0, 77], [0, -3, 0, 94], [0, 0, 5, -55], [0, 0, 0, 1]])  # LPS, another grid
    adc = (head(fine, (52, 64, 22)) * 4e-3).astype(np.float64)  # 10^-3 mm2/s
    paths = {
        "las": save(head(LAS), LAS, folder / "las.nii.gz"),
        "oblique": save(head(oblique).astype(np.int16), oblique, folder / "oblique.nii.gz"),
        "adc": save(adc, fine, folder / "adc.nii.gz"),
        "blank": save(head(LAS), LAS, folder / "blank.nii.gz", code=0),
        "truth": save(lesions(LAS), LAS, folder / "truth.nii.gz"),
        "prediction": save(lesions(LAS, shift=8).astype(np.uint16), LAS, folder / "prediction.nii.gz"),
        "truth_oblique": save(lesions(oblique), oblique, folder / "truth_oblique.nii.gz"),
        "series": save(np.stack([head(LAS)] * 2, -1), LAS, folder / "series.nii.gz"),
        "labels": save(lesions(LAS) * np.uint8(2), LAS, folder / "labels.nii.gz"),
        "ramp": save(ramp(LAS), LAS, folder / "ramp.nii.gz"),
        "dot": save(dot(LAS), LAS, folder / "dot.nii.gz"),
        "three": save(three(LAS), LAS, folder / "three.nii.gz"),
    }
    dwi: dict[str, Any] = {"path": paths["las"], "label": "DWI", "session_label": "follow-up MRI", "modality": "dwi"}
    dwi["presets"] = [["Wide", 0, 1000], ["Narrow", 100, 200]]
    second = {"path": paths["adc"], "label": "ADC", "modality": "adc", "unit": "10⁻⁶ mm²/s", "scale": "adc"}
    truth = {"path": paths["truth"], "label": "truth", "color": "truth"}
    prediction = {"path": paths["prediction"], "label": "prediction", "color": "prediction"}
    cases: list[dict[str, Any]] = [
        {"title": "las", "panels": [dwi], "overlays": [truth]},
        {
            "title": "oblique",
            "panels": [{**dwi, "path": paths["oblique"]}],
            "overlays": [{**truth, "path": paths["truth_oblique"]}],
            "synthetic": True,
        },
        {"title": "pair", "panels": [dwi, {**second, "window": [0, 1500]}], "overlays": [truth, prediction]},
        {"title": "blank", "panels": [{**dwi, "path": paths["blank"]}]},
        {"title": "series", "panels": [{**dwi, "path": paths["series"]}]},
        {"title": "gone", "panels": [{**dwi, "path": "/vol/0000/dwi.nii.gz"}]},
        {"title": "labels", "panels": [dwi], "overlays": [{**truth, "path": paths["labels"], "kind": "labels3"}]},
        {"title": "focus", "panels": [dwi], "overlays": [truth], "focus": list(SMALL)},
        {"title": "outlines", "panels": [dwi], "overlays": [truth, prediction], "outlines": True},
        {
            "title": "heat",
            "panels": [dwi],
            "overlays": [{"path": paths["ramp"], "label": "probability", "kind": "heat"}],
        },
        {
            "title": "warm",
            "panels": [dwi],
            "overlays": [{"path": paths["ramp"], "label": "probability", "kind": "heat"}, prediction],
        },
        {
            "title": "twice",
            "panels": [
                {**dwi, "session_label": "one 1.0", "overlays": [{**prediction, "label": "one 1.0"}]},
                {
                    **dwi,
                    "session_label": "two 1.0",
                    "overlays": [{**prediction, "path": paths["dot"], "label": "two 1.0"}],
                },
            ],
        },
        {
            "title": "differ",
            "panels": [dwi, second],
            "overlays": [
                {"path": paths["three"], "label": "differ", "kind": "differ3", "names": ["only one", "only two"]}
            ],
        },
        {
            "title": "warmer",
            "case": "heat",
            "panels": [dwi],
            "overlays": [{"path": paths["ramp"], "label": "probability", "kind": "heat"}, prediction],
        },
        {"title": "focused", "case": "focus", "panels": [dwi], "overlays": [prediction], "focus": list(SMALL)},
        {"title": "dot", "panels": [dwi], "overlays": [{**prediction, "path": paths["dot"]}]},
    ]
    file = folder / "demo.json"
    file.write_text(json.dumps({"cases": cases}))
    return Cases(file, {str(case["title"]): number for number, case in enumerate(cases)})
