"""Lesion: one synthetic infarct as its shape and what it does to the images. Draws nothing (phantom.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesion:
    """One infarct.

    Attributes:
        centre_mm: in head coordinates, RAS+ (x < 0 is the patient's left).
        radii_mm: extent along the patient's axes, before the brain's shape and noise carve it.
        brightness: DWI signal relative to healthy tissue.
        adc: in 1e-6 mm2/s.
        penumbra: size of the hypoperfused territory relative to the infarct; 1 for none.
    """

    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    brightness: float = 2.0
    adc: float = 450.0
    penumbra: float = 1.0
