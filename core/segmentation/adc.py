"""ADC: in which unit an ADC image is, for engines that do not judge it themselves. Measures no lesion (lesions.py)."""

from __future__ import annotations

from core.errors import BadVolume
from core.imaging.windowing import adc_scale
from core.segmentation.engine import Image


def scale_of(adc: Image) -> float | None:
    """What brings the ADC to 1e-6 mm2/s; None when its values are no diffusion coefficients."""
    try:
        return adc_scale(adc.volume().data[::2, ::2, ::2])
    except BadVolume:
        return None
