"""The rule-based analysis from end to end: two images in, a Segmentation on the DWI's own grid out.

Brings both images onto a working grid of about 2 mm, lets the other diffusion_* modules find brain, mid-plane, evidence
and lesions there, and maps the result back. Reads and writes no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import BadInput, BadParameter, BadVolume, GridMismatch
from core.imaging.geometry import same_grid, working_grid
from core.imaging.resample import downsample, resample_to, upsample
from core.imaging.volume import Affine, Mask, Volume, spacing_of, voxel_ml_of
from core.imaging.windowing import adc_scale
from core.segmentation.engine import Phase, Segmentation
from core.segmentation.engines.diffusion_brain import FULL, Array, Bools, Brain, bounding_box, find_brain
from core.segmentation.engines.diffusion_evidence import gather
from core.segmentation.engines.diffusion_rules import Rules, decide, score
from core.segmentation.engines.diffusion_shading import shading
from core.segmentation.engines.diffusion_symmetry import find_midplane
from core.segmentation.engines.diffusion_words import Findings, sentences

WORKING_MM = 2.0  # DWI is acquired at about 2 mm; finer grids are interpolated, not sharper
BRAIN_ADC = (400.0, 1600.0)  # 1e-6 mm2/s, median over tissue: from a hemisphere infarcted to a swollen, old brain
LEAST_COVER = 0.5  # of the brain must lie in the ADC's field of view


@dataclass(frozen=True, eq=False)
class Head:
    """Both images on one cropped working grid.

    Attributes:
        dwi, adc: (x, y, z) float32; DWI without its shading, ADC in 1e-6 mm2/s.
        found: brain and tissue.
        affine: of this grid.
        box: where it lies in the working grid; `shape` and `full_affine` are that grid's.
        scale: what the ADC was multiplied with.
        cover: fraction of the brain that has an ADC.
    """

    dwi: Array
    adc: Array
    found: Brain
    affine: Affine
    box: tuple[slice, slice, slice]
    shape: tuple[int, int, int]
    full_affine: Affine
    scale: float
    cover: float


def run(inputs: Mapping[str, Volume], settled: Mapping[str, float], phase: Phase) -> Segmentation:
    """Segment one head with all parameters settled.

    Raises:
        BadInput: DWI or ADC is missing, empty, not finite, of another place, or shows no brain.
        BadParameter: the thresholds contradict each other.
    """
    rules = Rules.of(settled)
    dwi, adc = check(inputs, rules)
    phase("Bringing DWI and ADC onto one grid", 0.0)
    aligned = same_grid(dwi.data.shape, dwi.affine, adc.data.shape, adc.affine)
    head = prepare(dwi, adc)
    phase("Finding the mid-plane", 0.25)
    plane = find_midplane(head.dwi, head.found, head.affine)
    phase("Comparing both sides", 0.4)
    evidence = gather(head.dwi, head.adc, head.found, plane, head.affine, rules.smoothing)
    phase("Judging candidates", 0.65)
    verdict = decide(evidence, rules)
    phase("Mapping back to the DWI's grid", 0.75)
    probability = to_native(score(evidence, verdict, rules), head, dwi, rules.min_volume)
    mask = probability >= 0.5
    phase("Measuring the core", 0.9)
    core = core_of(mask, dwi, adc, aligned, rules.adc_core / head.scale)
    ratio = float(evidence.ratio[verdict.lesion].mean()) if verdict.lesion.any() else 0.0
    findings = Findings(
        verdict=verdict,
        lesion_ratio=ratio,
        background_adc=evidence.background_adc,
        correlation=plane.correlation,
        adc_scale=head.scale,
        adc_cover=head.cover,
        resampled=not aligned,
        empty=not mask.any(),
    )
    phase("Done", 1.0)
    lesion, inner = Mask(mask, dwi.affine), Mask(core, dwi.affine)
    return Segmentation(lesion, probability, inner, sentences(findings), adc_scale=head.scale, midplane=plane.equation)


def check(inputs: Mapping[str, Volume], rules: Rules) -> tuple[Volume, Volume]:
    """DWI and ADC, if they can be judged at all.

    Raises:
        BadInput: one is missing or holds voxels that are not numbers.
        BadParameter: the thresholds contradict each other.
    """
    for name in ("dwi", "adc"):
        if name not in inputs:
            raise BadInput(f"there is no {name.upper()}", hint="this engine needs both DWI and ADC of one session")
        low, high = float(inputs[name].data.min()), float(inputs[name].data.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise BadInput(f"the {name.upper()} holds voxels that are not numbers", hint="export the image again")
    if rules.z_grow > rules.z_seed:
        raise BadParameter(
            "z_grow is larger than z_seed", hint="a lesion starts at the higher and grows to the lower value"
        )
    return inputs["dwi"], inputs["adc"]


def prepare(dwi: Volume, adc: Volume) -> Head:
    """Both images on the working grid, cropped to the brain, ADC in 1e-6 mm2/s.

    Raises:
        BadInput: no brain, an ADC of another place, or one whose unit cannot be told.
    """
    shape, affine = working_grid(dwi.data.shape, dwi.affine, WORKING_MM)
    small_dwi = np.ascontiguousarray(downsample(dwi, shape, affine).data)
    try:
        small_adc = np.ascontiguousarray(downsample(adc, shape, affine).data)
    except GridMismatch:
        raise BadInput(
            "DWI and ADC show different places", hint="choose the DWI and ADC of one session, with their own headers"
        ) from None
    spacing = spacing_of(affine)
    found = find_brain(small_dwi, spacing)
    sample = small_adc[found.tissue & (small_adc > 0)]
    cover = sample.size / max(1, int(np.count_nonzero(found.tissue)))
    if cover < LEAST_COVER:
        raise BadInput(
            f"the ADC covers only {100 * cover:.0f} % of the brain on the DWI",
            hint="choose the DWI and ADC of one session",
        )
    try:
        scale = adc_scale(sample)
    except BadVolume as error:
        raise BadInput(str(error), hint=error.hint) from None
    middle = scale * float(np.median(sample))
    if not BRAIN_ADC[0] <= middle <= BRAIN_ADC[1]:
        raise BadInput(
            f"the brain's median ADC would be {middle:.0f} × 10⁻⁶ mm²/s, which no brain has",
            hint="check that this file is the ADC map and in which unit it was written",
        )
    box = bounding_box(found.brain, [int(np.ceil(8.0 / s)) for s in spacing])
    placed = affine.copy()
    placed[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box], float)
    cropped = Brain(found.brain[box].copy(), found.tissue[box].copy(), found.level)
    values = small_adc[box] * np.float32(scale)
    even = small_dwi[box] / shading(small_dwi[box], values, cropped.tissue)
    return Head(even, values, cropped, placed, box, shape, affine, scale, cover)


def to_native(values: Array, head: Head, dwi: Volume, min_volume_ml: float) -> NDArray[np.float32]:
    """Scores of the cropped working grid on the DWI's grid; crumbs that interpolation leaves fall below 0.5."""
    full = np.zeros(head.shape, np.float32)
    full[head.box] = values
    if same_grid(head.shape, head.full_affine, dwi.data.shape, dwi.affine, 1e-3):
        return full
    native = upsample(full, head.full_affine, dwi.data.shape, dwi.affine)
    np.clip(native, 0.0, 1.0, out=native)
    inside = native >= 0.5
    if not inside.any():
        return native
    box = bounding_box(inside, (1, 1, 1))
    labels, _ = ndimage.label(inside[box], FULL)
    # Half the limit: a component that just passed on the working grid keeps its rounded corners' loss.
    small = np.bincount(labels.ravel()) * voxel_ml_of(dwi.affine) < 0.5 * min_volume_ml
    small[0] = False
    crumbs: Bools = small[labels]
    native[box][crumbs] = np.float32(0.45)
    return native


def core_of(mask: Bools, dwi: Volume, adc: Volume, aligned: bool, threshold: float) -> Bools:
    """Voxels of the mask with 0 < ADC < threshold; the threshold is in the ADC image's own unit."""
    if not mask.any():
        return np.zeros_like(mask)
    values = adc.data if aligned else resample_to(adc, dwi.data.shape, dwi.affine).data
    return np.asarray(mask & (values > 0) & (values < threshold), dtype=np.bool_)
