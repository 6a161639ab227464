"""The rule-based engine on synthetic heads: finds what is there, in any orientation and unit, and says its doubts."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput, BadParameter
from core.imaging.geometry import working_grid
from core.imaging.phantom import Lesion, head
from core.imaging.resample import upsample
from core.imaging.volume import Mask, Volume
from core.segmentation.engine import Segmentation, load_engine
from core.segmentation.engines.diffusion_pipeline import run
from tests.segmentation.heads import SHAPE, back, centred, dice, healthy, overlap, pair, scaled, sick, turned

ENGINE = load_engine("diffusion")


def segment(inputs: dict[str, Volume], **parameters: float) -> Segmentation:
    settled = {name: float(value) for name, value in ENGINE.info.settle(parameters).items()}
    return run(inputs, settled, lambda _phase, _done: None)


def said(found: Segmentation, words: str) -> bool:
    return any(words in sentence for sentence in found.warnings)


@pytest.fixture(scope="module")
def plain() -> Segmentation:
    return segment(pair(sick()))


def test_it_finds_a_territorial_infarct_and_an_embolus(plain: Segmentation) -> None:
    truth = sick().lesion
    assert overlap(plain.mask, truth) > 0.9
    right = np.arange(truth.data.shape[0])[:, None, None] > truth.data.shape[0] // 2 + 4
    assert dice(plain.mask.data & right, truth.data & right) > 0.7  # the embolus alone
    assert plain.core is not None and plain.core.volume_ml > 0.8 * truth.volume_ml  # the phantom's ADC is 450


def test_a_head_without_a_lesion_gives_next_to_nothing() -> None:
    found = segment(pair(healthy()))
    assert found.mask.volume_ml < 0.3
    assert found.mask.data.any() or said(found, "does not exclude")


@pytest.mark.parametrize(
    ("axes", "flips"),
    [
        ((0, 1, 2), (True, False, False)),
        ((0, 1, 2), (True, True, True)),
        ((2, 0, 1), (False, True, False)),
        ((1, 2, 0), (True, False, True)),
    ],
)
def test_the_stored_orientation_does_not_matter(
    plain: Segmentation, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> None:
    found = segment({name: turned(volume, axes, flips) for name, volume in pair(sick()).items()})
    assert dice(back(found.mask.data, axes, flips), plain.mask.data) > 0.98


def test_a_head_that_lies_turned_in_the_scanner_is_the_same_head(plain: Segmentation) -> None:
    angle = np.deg2rad(18)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    found = segment({name: Volume(v.data, turn @ v.affine) for name, v in pair(sick()).items()})
    assert overlap(found.mask, Mask(plain.mask.data, turn @ plain.mask.affine)) > 0.98
    assert found.midplane is not None
    assert found.midplane[1] == pytest.approx(np.sin(angle), abs=0.05)


@pytest.mark.parametrize("adc", [1e-3, 1e-6, 10.0])
def test_the_unit_of_the_adc_is_found_and_said(plain: Segmentation, adc: float) -> None:
    inputs = {"dwi": scaled(sick().images["dwi"], 0.013), "adc": scaled(sick().images["adc"], adc)}
    found = segment(inputs)
    assert dice(found.mask.data, plain.mask.data) > 0.999
    assert found.core is not None and plain.core is not None
    assert found.core.volume_ml == pytest.approx(plain.core.volume_ml, rel=0.01)
    assert found.adc_scale == pytest.approx(1 / adc, rel=1e-6)
    assert said(found, "multiplied by") and not said(plain, "multiplied by")


def test_skull_stripping_negative_values_and_shading_are_borne(plain: Segmentation) -> None:
    dwi, adc = sick().images["dwi"], sick().images["adc"]
    ripple = np.where(np.indices(SHAPE).sum(axis=0) % 7 == 0, np.float32(-0.2), np.float32(0))
    shade = np.linspace(0.75, 1.25, SHAPE[0], dtype=np.float32)[:, None, None]
    data = np.where(adc.data > 0, dwi.data * shade, ripple).astype(np.float32)
    found = segment({"dwi": Volume(data, dwi.affine), "adc": adc})
    assert dice(found.mask.data, plain.mask.data) > 0.97


def test_a_fine_grid_gives_the_same_volume_as_the_grid_it_was_interpolated_from() -> None:
    emboli = (Lesion((-30, 0, 30), (6, 6, 6)), Lesion((25, -40, 30), (5, 5, 5)))
    shape, affine = (160, 184, 36), centred((160, 184, 36), (1.1, 1.1, 4.0))
    rough_shape, rough_affine = working_grid(shape, affine, 2.0)
    case = head(rough_shape, rough_affine, 5, emboli)
    rough = segment(pair(case))
    fine = {n: Volume(upsample(v.data, rough_affine, shape, affine), affine) for n, v in pair(case).items()}
    found = segment(fine)
    assert found.mask.data.shape == shape
    assert found.mask.volume_ml == pytest.approx(rough.mask.volume_ml, rel=0.15)
    assert found.mask.volume_ml == pytest.approx(case.lesion.volume_ml, rel=0.25)


def test_an_adc_on_another_grid_is_resampled_and_said(plain: Segmentation) -> None:
    shape, affine = working_grid(SHAPE, sick().images["adc"].affine, 3.0)
    coarse = upsample(sick().images["adc"].data, sick().images["adc"].affine, shape, affine)
    found = segment({"dwi": sick().images["dwi"], "adc": Volume(coarse, affine)})
    assert found.mask.data.shape == SHAPE
    assert dice(found.mask.data, plain.mask.data) > 0.85
    assert said(found, "different grids") and not said(plain, "different grids")


def test_an_adc_of_another_place_is_refused() -> None:
    adc = sick().images["adc"]
    away = adc.affine.copy()
    away[0, 3] += 1000
    with pytest.raises(BadInput, match="different places"):
        segment({"dwi": sick().images["dwi"], "adc": Volume(adc.data, away)})
    away[0, 3] -= 850
    with pytest.raises(BadInput, match="covers only"):
        segment({"dwi": sick().images["dwi"], "adc": Volume(adc.data, away)})


@pytest.mark.parametrize(
    ("dwi", "adc", "words"),
    [
        (0.0, 1.0, "no signal"),
        (1.0, 0.0, "covers only"),
        (1.0, 37.0, "which no brain has"),
        (1.0, 1e6, "not diffusion coefficients"),
        (float("nan"), 1.0, "not numbers"),
    ],
)
def test_images_that_cannot_be_judged_are_refused_with_a_next_step(dwi: float, adc: float, words: str) -> None:
    inputs = {"dwi": scaled(sick().images["dwi"], dwi), "adc": scaled(sick().images["adc"], adc)}
    with pytest.raises(BadInput, match=words) as refused:
        segment(inputs)
    assert refused.value.hint


def test_an_image_without_a_brain_is_refused() -> None:
    data = np.zeros(SHAPE, np.float32)
    data[40:44, 40:44, 18:20] = np.arange(32, dtype=np.float32).reshape(4, 4, 2) + 100
    with pytest.raises(BadInput):
        segment({"dwi": Volume(data, centred()), "adc": sick().images["adc"]})


def test_contradicting_thresholds_are_refused() -> None:
    with pytest.raises(BadParameter, match="z_grow"):
        segment(pair(sick()), z_seed=3, z_grow=5)


def test_brightness_without_a_drop_of_adc_is_rejected_and_said(plain: Segmentation) -> None:
    bright = {"dwi": sick().images["dwi"], "adc": healthy_adc()}
    found = segment(bright)
    assert found.mask.volume_ml < 0.05 * plain.mask.volume_ml
    assert said(found, "T2 shine-through")


def healthy_adc() -> Volume:
    """The sick head's ADC as it would be without its lesions."""
    adc = sick().images["adc"]
    data = np.where(sick().lesion.data | (adc.data < 640), np.float32(800), adc.data)
    return Volume(np.where(adc.data > 0, data, np.float32(0)), adc.affine)


def test_lesions_on_both_sides_are_found_or_spoken_of() -> None:
    twins = (Lesion((-30, -60, 15), (8, 10, 8)), Lesion((30, -60, 15), (8, 10, 8)))
    case = head(SHAPE, centred(), 6, twins)
    found = segment(pair(case))
    assert said(found, "both sides")


def test_parameters_change_what_is_found(plain: Segmentation) -> None:
    assert plain.core is not None
    strict = segment(pair(sick()), adc_core=300)
    assert strict.core is not None and strict.core.volume_ml < 0.2 * plain.core.volume_ml
    np.testing.assert_array_equal(strict.mask.data, plain.mask.data)
    large = segment(pair(sick()), min_volume=5)
    right = np.arange(SHAPE[0])[:, None, None] > SHAPE[0] // 2 + 4
    assert (plain.mask.data & right).any() and not (large.mask.data & right).any()
