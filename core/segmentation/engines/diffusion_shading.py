"""Coil shading: the slow brightness trend of a DWI over the head, and the image without it.

Fits a smooth polynomial to tissue whose ADC is normal, so that an infarct, however large, does not become part of the
trend. Pure; corrects only what is slower than the head is wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.segmentation.engines.diffusion_brain import Array, Bools

NORMAL_ADC = (750.0, 1050.0)  # 1e-6 mm2/s: not infarcted, however mildly, nor mixed with CSF
SAMPLES = 20000  # voxels that the fit looks at
ROUNDS = 3  # of dropping what does not follow the trend
OUTLIER = 2.5  # robust standard deviations
LIMITS = (0.4, 2.5)  # of the median: a stronger trend is not shading


def terms(index: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 10) constant, linear and quadratic terms of (n, 3) coordinates around 0."""
    x, y, z = index.T
    return np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=1)


def shading(dwi: Array, adc: Array, tissue: Bools) -> Array:
    """The trend of `dwi`, 1 at its median over tissue; all 1 where too little normal tissue is seen.

    Args:
        dwi: (X, Y, Z) float32, any scale.
        adc: (X, Y, Z) float32, 1e-6 mm2/s.
        tissue: (X, Y, Z) bool.
    """
    index = np.argwhere(tissue & (dwi > 0) & (adc > NORMAL_ADC[0]) & (adc < NORMAL_ADC[1]))
    if len(index) < 1000:
        return np.ones_like(dwi)
    index = index[:: max(1, len(index) // SAMPLES)]
    value = np.log(dwi[tuple(index.T)].astype(np.float64))
    shape = np.array(dwi.shape, float)
    known = terms(2 * index / shape - 1)
    kept = np.ones(len(value), bool)
    fit: NDArray[np.float64] = np.zeros(known.shape[1])
    for _ in range(ROUNDS):
        fit = np.asarray(np.linalg.lstsq(known[kept], value[kept], rcond=None)[0], dtype=np.float64)
        error = value - known @ fit
        error -= np.median(error[kept])
        kept = np.abs(error) <= OUTLIER * 1.4826 * max(1e-6, float(np.median(np.abs(error[kept]))))
    x, y, z = (2 * np.arange(n) / n - 1 for n in dwi.shape)
    a, b, c = x[:, None, None], y[None, :, None], z[None, None, :]
    trend = (
        (fit[1] * a + fit[4] * a * a) + (fit[2] * b + fit[5] * b * b) + (fit[3] * c + fit[6] * c * c)
        + fit[7] * a * b + fit[8] * a * c + fit[9] * b * c
    )  # fmt: skip
    field = np.exp(trend - np.median(trend[tissue]))
    return np.asarray(np.clip(field, *LIMITS), dtype=np.float32)
