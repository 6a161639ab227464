"""Images on their way to a network's grid and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import BadInput, BadModel
from core.imaging.geometry import orientation, world
from core.imaging.volume import Volume
from core.segmentation.engines.network_config import ModelConfig, Normalise, parse_config
from core.segmentation.engines.network_grid import (
    back,
    bring,
    channels,
    cover,
    lesion_probability,
    network_grid,
    normalise,
)
from tests.segmentation.heads import centred, pair, sick, turned
from tests.segmentation.tiny_models import config

Floats = NDArray[np.float32]
LETTERS = ["RAS", "LPS", "LAS", "PIR", "SLA", "AIL"]


def described(**said: Any) -> ModelConfig:
    return parse_config(json.dumps(config(**said)).encode())


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("spacing", [None, (3.0, 2.0, 4.0), (0.9, 0.9, 5.0)])
def test_the_grid_points_where_the_model_wants_over_the_same_field_of_view(
    letters: str, spacing: tuple[float, float, float] | None
) -> None:
    volume = turned(sick().images["dwi"], (2, 0, 1), (False, True, False))
    grid = network_grid(volume.data.shape, volume.affine, letters, spacing)
    assert orientation(grid.affine) == letters
    sides = np.linalg.norm(grid.affine[:3, :3], axis=0)
    np.testing.assert_allclose(sides, spacing or sides)
    middle = (np.array(grid.shape) - 1) / 2
    own = (np.array(volume.data.shape) - 1) / 2
    np.testing.assert_allclose(world(grid.affine, middle), world(volume.affine, own), atol=1e-6)
    assert cover(volume.data.shape, volume.affine, grid) > 0.75


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(LETTERS), st.permutations([0, 1, 2]), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_without_a_spacing_the_way_there_and_back_changes_nothing(
    letters: str, axes: list[int], flips: tuple[bool, bool, bool]
) -> None:
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 256, (9, 7, 5)).astype(np.float32) / np.float32(255)
    volume = turned(Volume(steps, centred((9, 7, 5), (1, 2, 3))), (axes[0], axes[1], axes[2]), flips)
    grid = network_grid(volume.data.shape, volume.affine, letters, None)
    there = bring(volume, grid, "dwi")
    assert there.shape == grid.shape and sorted(there.ravel()) == sorted(volume.data.ravel())
    x, y, z = volume.data.shape
    np.testing.assert_array_equal(back(there, grid, (x, y, z), volume.affine), volume.data)


def test_the_answer_does_not_depend_on_how_the_image_is_stored() -> None:
    dwi = sick().images["dwi"]
    other = turned(dwi, (1, 2, 0), (True, False, True))
    one, two = (bring(v, network_grid(v.data.shape, v.affine, "RAS", (3.0, 3.0, 3.0)), "dwi") for v in (dwi, other))
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_a_lesion_comes_back_where_it_was() -> None:
    case = sick()
    truth = Volume(case.lesion.data.astype(np.float32), case.lesion.affine)
    grid = network_grid(truth.data.shape, truth.affine, "LPS", (2.0, 2.0, 2.0))
    x, y, z = truth.data.shape
    found = back(bring(truth, grid, "dwi"), grid, (x, y, z), truth.affine) >= 0.5
    both, sizes = (found & case.lesion.data).sum(), found.sum() + case.lesion.data.sum()
    assert 2 * both / sizes > 0.9


def test_an_image_of_another_place_or_without_signal_is_refused() -> None:
    dwi = sick().images["dwi"]
    grid = network_grid(dwi.data.shape, dwi.affine, "RAS", None)
    away = dwi.affine.copy()
    away[:3, 3] += 5000
    with pytest.raises(BadInput, match="ADC"):
        bring(Volume(dwi.data, away), grid, "adc")
    with pytest.raises(BadInput, match="no signal"):
        bring(Volume(np.zeros_like(dwi.data), dwi.affine), grid, "dwi")
    with pytest.raises(BadInput, match="million voxels"):
        network_grid((600, 600, 600), np.diag([4.0, 4.0, 4.0, 1.0]), "RAS", (0.2, 0.2, 0.2))


VALUES: Floats = np.array([0, 10, 20, 30, 40], np.float32).reshape(5, 1, 1)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Normalise("none"), [0, 10, 20, 30, 40]),
        (Normalise("zscore"), [-1.4142, -0.7071, 0, 0.7071, 1.4142]),
        (Normalise("zscore", nonzero=True), [0, -1.3416, -0.4472, 0.4472, 1.3416]),
        (Normalise("range", low=10, high=30), [0, 0, 0.5, 1, 1]),
        (Normalise("range", low=10, high=30, clip=False), [-0.5, 0, 0.5, 1, 1.5]),
        (Normalise("percentile", low=0, high=50), [0, 0.5, 1, 1, 1]),
        (Normalise("percentile", nonzero=True, low=0, high=100), [0, 0, 1 / 3, 2 / 3, 1]),
        (Normalise("shift", low=10, high=5), [-2, 0, 2, 4, 6]),
    ],
)
def test_each_way_of_scaling(how: Normalise, expected: list[float]) -> None:
    data = VALUES.copy()
    normalise(data, how)
    np.testing.assert_allclose(data.ravel(), expected, atol=1e-4)


@pytest.mark.parametrize("method", ["zscore", "percentile"])
def test_a_flat_image_becomes_zero_and_no_nan(method: str) -> None:
    data = np.full((3, 3, 3), 7, np.float32)
    normalise(data, Normalise(method, low=1, high=99))
    np.testing.assert_array_equal(data, 0)


def test_the_adc_is_brought_to_its_unit_where_the_model_asks_for_it() -> None:
    adc = sick().images["adc"].data
    plain = {"modality": "adc", "adc_unit": True, "normalise": {"method": "none"}}
    said = described(channels=[plain])
    for factor in (1.0, 1e-3):
        made, scale = channels({"adc": (adc * np.float32(factor)).astype(np.float32)}, said)
        np.testing.assert_allclose(made[0], adc, rtol=1e-4)
        assert scale == pytest.approx(1 / factor)
    with pytest.raises(BadInput, match="not diffusion"):
        channels({"adc": adc * np.float32(1e-9)}, said)
    made, scale = channels({**pair_data(), "adc": adc * np.float32(1e-9)}, described())
    assert scale is None and np.isfinite(made).all()


def pair_data() -> dict[str, Floats]:
    return {name: volume.data for name, volume in pair(sick()).items()}


def test_raw_answers_become_probabilities() -> None:
    raw = np.array([[-1000.0, 0.0, 1000.0], [0.0, 0.0, 0.0]], np.float32).reshape(2, 3, 1, 1)
    soft = described(output={"activation": "softmax", "channels": 2, "lesion": 0})
    np.testing.assert_allclose(lesion_probability(raw.copy(), soft).ravel(), [0, 0.5, 1])
    sigmoid = described(output={"activation": "sigmoid", "channels": 2, "lesion": 0})
    np.testing.assert_allclose(lesion_probability(raw.copy(), sigmoid).ravel(), [0, 0.5, 1])
    none = described(output={"activation": "none", "channels": 2, "lesion": 1})
    np.testing.assert_allclose(lesion_probability(raw.copy(), none).ravel(), 0)
    with pytest.raises(BadModel, match="no probability"):
        lesion_probability(raw.copy(), described(output={"activation": "none", "channels": 2, "lesion": 0}))
    with pytest.raises(BadModel, match="2 channels"):
        lesion_probability(raw.copy(), described())
    with pytest.raises(BadModel, match="not a number"):
        lesion_probability(raw * np.float32("nan"), sigmoid)
