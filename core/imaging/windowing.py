"""Which grey values to show: window presets, automatic windows, the unit of an ADC map.

Works on a sample of voxel values; does not read or change images. Windows: level L and width W mean L - W/2 to L + W/2.
Preset values follow common stroke reading practice (NCCT brain W40 L40 and stroke W8 L32, CTA W600 L150, Tmax 0-10 s,
ADC 0-2000 x 10^-6 mm2/s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadVolume


@dataclass(frozen=True)
class Preset:
    """A named window. `low` and `high` are in the modality's unit (`core.case`); None: from `auto_window`."""

    name: str
    modality: str
    low: float | None
    high: float | None


_PRESETS = (
    Preset("auto", "dwi", None, None),
    Preset("diffusion", "adc", 0, 2000),
    Preset("auto", "flair", None, None),
    Preset("brain", "ncct", 20, 60),
    Preset("stroke", "ncct", 28, 36),
    Preset("bone", "ncct", -400, 1600),
    Preset("vessels", "cta", -150, 450),
    Preset("delay", "tmax", 0, 10),
    Preset("auto", "cbf", None, None),
    Preset("auto", "cbv", None, None),
    Preset("auto", "mtt", None, None),
    Preset("brain", "ctp", 20, 60),
)
_COLOURS = {"tmax": "inferno", "mtt": "inferno", "cbf": "viridis", "cbv": "viridis"}
_MASK_COLOURS = {"lesion_mask": "red", "lvo_mask": "blue", "cow_segmentation": "green"}
_ADC_FACTORS = (1e6, 1e3, 1.0, 0.1)  # mm2/s, 10^-3 mm2/s, 10^-6 mm2/s, raw integers of 10^-7 mm2/s
_ADC_MEDIAN = (300.0, 3000.0)  # 10^-6 mm2/s; brain 700-900, with CSF around 1000, water 3000


def presets(modality: str) -> tuple[Preset, ...]:
    """The windows offered for a modality, the default first; masks have none."""
    return tuple(preset for preset in _PRESETS if preset.modality == modality)


def colour_map(modality: str) -> str:
    """The viewer's colour map for a modality."""
    return _MASK_COLOURS.get(modality) or _COLOURS.get(modality, "gray")


def auto_window(sample: NDArray[Any]) -> tuple[float, float]:
    """(low, high): the 1st percentile of all values and the 99.5th of those that stand out of the background.

    Args:
        sample: any shape; values that are not finite are ignored.
    """
    values = sample[np.isfinite(sample)]
    if values.size == 0:
        return 0.0, 1.0
    low, top = (float(p) for p in np.percentile(values, (1, 99.5)))
    above = values[values > low + 0.05 * (top - low)]
    high = float(np.percentile(above, 99.5)) if above.size else low
    return low, high if high > low else low + max(1.0, 1e-6 * abs(low))


def adc_scale(sample: NDArray[Any]) -> float:
    """The factor that brings an ADC map to 10^-6 mm2/s, judged by the median of its positive values.

    Knows mm2/s, 10^-3 mm2/s, 10^-6 mm2/s and integers ten times finer; a decade apart, so that none can be another.

    Args:
        sample: voxel values, any shape; zero is background.

    Raises:
        BadVolume: no positive values, or a median that is none of these.
    """
    values = sample[np.isfinite(sample) & (sample > 0)]
    if values.size:
        floor = 0.05 * float(np.percentile(values, 99))  # leaves out faint noise around the head
        median = float(np.median(values[values >= floor]))
        for factor in _ADC_FACTORS:
            if _ADC_MEDIAN[0] <= median * factor < _ADC_MEDIAN[1]:
                return factor
    raise BadVolume("the ADC map's values are not diffusion coefficients", hint="check that this file is the ADC map")
