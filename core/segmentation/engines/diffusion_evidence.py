"""How unusual each voxel is: DWI and ADC against the background of both halves of the brain.

Pure functions on arrays of one working grid. Decides nothing: what counts as a lesion is diffusion_rules' business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.imaging.volume import Affine, spacing_of
from core.segmentation.engines.diffusion_brain import Array, Bools, Brain, Spacing, local_mean, smooth
from core.segmentation.engines.diffusion_symmetry import Midplane, mirror

FWHM = 2.355  # full width at half maximum of a Gaussian, in standard deviations
BACKGROUND_MM = 10.0  # standard deviation: wider than a small infarct, narrower than a coil's shading
TERRITORY_MM = 4.0  # standard deviation of the coarse channel: gyri blur away, territories stay
CSF_ADC = 1500.0  # 1e-6 mm2/s: above it a voxel is mostly CSF
NORMAL_ADC = (400.0, 1200.0)  # 1e-6 mm2/s: what may stand for healthy tissue in the background
NORMAL_DWI = 1.3  # of the first background: brighter voxels do not belong to the second
LEAST_SCATTER = 0.03  # of the background: noise-free images must not make every ripple significant
SEEN = 0.05  # least weight of tissue on the other side for it to count


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything the rules look at; arrays (X, Y, Z) on the grid of `affine`.

    Attributes:
        tissue: bool, brain tissue with a plausible ADC.
        brain: bool, tissue and CSF.
        adc: 1e-6 mm2/s.
        ratio: DWI over its background (1 = as expected, 0 = no background).
        z: robust z of `ratio` over tissue; `other_z` the same of the mirrored voxel, `seen` where there is one.
        adc_ratio: ADC over its background.
        wide_z, wide_ratio, wide_adc_ratio: territorial asymmetry, own side against mirrored, both smoothed.
        wide_adc: smoothed ADC, 1e-6 mm2/s.
        background_adc: median ADC of healthy tissue, 1e-6 mm2/s.
    """

    affine: Affine
    spacing: Spacing
    tissue: Bools
    brain: Bools
    adc: Array
    ratio: Array
    z: Array
    other_z: Array
    seen: Bools
    adc_ratio: Array
    wide_z: Array
    wide_ratio: Array
    wide_adc_ratio: Array
    wide_adc: Array
    background_adc: float


def robust(values: NDArray[np.float32], least: float) -> tuple[float, float]:
    """Median, and a standard deviation from the median absolute deviation, not below `least`."""
    if values.size == 0:
        return 0.0, 1.0
    middle = float(np.median(values))
    return middle, max(least, 1.4826 * float(np.median(np.abs(values - middle))))


def over(numerator: Array, denominator: Array) -> Array:
    """Quotient, 0 where the denominator is not positive."""
    good = denominator > 1e-6
    return np.where(good, numerator / np.where(good, denominator, np.float32(1)), np.float32(0)).astype(np.float32)


def background_of(
    data: Array, normal: Bools, index_map: NDArray[np.float64], spacing: Spacing, seen: Bools, *, lower: bool
) -> Array:
    """The less suspicious of own and mirrored local mean of normal tissue.

    `lower` picks the smaller one (DWI: a lesion must not raise its own background), else the larger (ADC). `seen` is
    where the other side has tissue.
    """
    own, weight = local_mean(data, normal, BACKGROUND_MM, spacing)
    other = mirror(own, index_map)
    seen = seen & (other > 0)
    picked = np.minimum(own, other) if lower else np.maximum(own, other)
    return np.where(seen & (weight > SEEN), picked, np.where(seen, other, own)).astype(np.float32)


def gather(dwi: Array, adc: Array, found: Brain, plane: Midplane, affine: Affine, smoothing_mm: float) -> Evidence:
    """All evidence of one head.

    Args:
        dwi: (X, Y, Z) float32, any scale.
        adc: (X, Y, Z) float32, 1e-6 mm2/s.
        smoothing_mm: full width at half maximum of the smoothing before DWI is judged voxel by voxel.
    """
    spacing = spacing_of(affine)
    index_map = plane.reflection(affine)
    signal = smooth(dwi, smoothing_mm / FWHM, spacing) if smoothing_mm > 0 else dwi
    tissue = found.tissue & (adc > 0) & (adc < CSF_ADC)
    first, weight = local_mean(np.minimum(signal, np.float32(2 * found.level)), tissue, BACKGROUND_MM, spacing)
    seen = mirror(weight, index_map) > SEEN
    normal = tissue & (signal < NORMAL_DWI * first)
    background = background_of(signal, normal, index_map, spacing, seen, lower=True)
    healthy = tissue & (adc > NORMAL_ADC[0]) & (adc < NORMAL_ADC[1])
    adc_background = background_of(adc, healthy, index_map, spacing, seen, lower=False)
    ratio = over(signal, background)
    middle, scatter = robust(ratio[tissue & (ratio > 0)], LEAST_SCATTER)
    other = over(mirror(signal, index_map), background)
    wide_ratio, wide_adc, wide_adc_ratio = territory(dwi, adc, tissue, index_map, spacing)
    wide_middle, wide_scatter = robust(wide_ratio[tissue & (wide_ratio > 0)], LEAST_SCATTER)
    return Evidence(
        affine=affine,
        spacing=spacing,
        tissue=tissue,
        brain=found.brain,
        adc=adc,
        ratio=ratio,
        z=(ratio - np.float32(middle)) / np.float32(scatter),
        other_z=(other - np.float32(middle)) / np.float32(scatter),
        seen=seen,
        adc_ratio=over(adc, adc_background),
        wide_z=(wide_ratio - np.float32(wide_middle)) / np.float32(wide_scatter),
        wide_ratio=wide_ratio,
        wide_adc_ratio=wide_adc_ratio,
        wide_adc=wide_adc,
        background_adc=float(np.median(adc[healthy])) if healthy.any() else 0.0,
    )


def territory(
    dwi: Array, adc: Array, tissue: Bools, index_map: NDArray[np.float64], spacing: Spacing
) -> tuple[Array, Array, Array]:
    """Smoothed own over mirrored DWI, smoothed ADC, smoothed own over mirrored ADC; 0 where one side has no tissue."""
    wide_dwi, weight = local_mean(dwi, tissue, TERRITORY_MM, spacing)
    wide_adc, _ = local_mean(adc, tissue, TERRITORY_MM, spacing)
    both = tissue & (mirror(weight, index_map) > 4 * SEEN)
    ratio = np.where(both, over(wide_dwi, mirror(wide_dwi, index_map)), np.float32(0))
    adc_ratio = np.where(both, over(wide_adc, mirror(wide_adc, index_map)), np.float32(0))
    return ratio.astype(np.float32), wide_adc, adc_ratio.astype(np.float32)
