"""Windows and the unit of ADC maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.case import MODALITIES
from core.errors import BadVolume
from core.imaging import nifti
from core.imaging.windowing import adc_scale, auto_window, colour_map, presets
from tests.real_case import real_case


def test_every_image_has_a_window_and_no_mask_has() -> None:
    assert all(bool(presets(m.name)) != m.is_mask and colour_map(m.name) for m in MODALITIES.values())
    windows = {(p.modality, p.name): (p.low, p.high) for m in MODALITIES for p in presets(m)}
    assert windows["ncct", "brain"] == (20, 60) and windows["ncct", "stroke"] == (28, 36)
    assert windows["cta", "vessels"] == (-150, 450) and windows["adc", "diffusion"] == (0, 2000)
    assert windows["tmax", "delay"] == (0, 10) and windows["dwi", "auto"] == (None, None)
    assert presets("ncct")[0].name == "brain" and presets("unknown") == ()


def adc_map() -> np.ndarray:
    """A head in 10^-6 mm2/s: half background, brain, fluid, faint noise around."""
    rng = np.random.default_rng(0)
    parts = rng.normal(760, 60, 6000), rng.normal(2900, 150, 1500), rng.uniform(0, 60, 2000), np.zeros(9000)
    return np.concatenate(parts)


@pytest.mark.parametrize(("unit", "factor"), [(1e-6, 1e6), (1e-3, 1e3), (1.0, 1.0), (10.0, 0.1)])
def test_the_adc_unit_is_found(unit: float, factor: float) -> None:
    assert adc_scale((adc_map() * unit).astype(np.float32)) == factor


def test_the_real_adc_map_is_in_thousandths() -> None:
    _, adc = real_case()
    assert adc_scale(nifti.read_volume(adc).data) == 1e3


@pytest.mark.parametrize("unit", [0.02, 100.0, 1e-9])
def test_what_is_no_adc_map_is_refused(unit: float) -> None:
    with pytest.raises(BadVolume, match="diffusion"):
        adc_scale(adc_map() * unit)


def test_an_adc_map_without_values_is_refused() -> None:
    for empty in (np.zeros(9), -np.ones(9), np.array([]), np.full(9, np.nan)):
        with pytest.raises(BadVolume):
            adc_scale(empty)


def test_the_automatic_window_ignores_background_and_a_few_hot_voxels() -> None:
    rng = np.random.default_rng(0)
    data = np.concatenate([np.zeros(50_000), rng.normal(220, 30, 50_000), [9000.0] * 3])
    low, high = auto_window(data)
    assert low == 0 and 250 < high < 400


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=40))
def test_the_automatic_window_is_always_a_window(values: list[float]) -> None:
    low, high = auto_window(np.array(values, dtype=np.float64))
    assert np.isfinite([low, high]).all() and low < high
