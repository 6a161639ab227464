"""The engine's steps one by one: brain, mid-plane, shading, rules and words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.segmentation.engines.diffusion import INFO
from core.segmentation.engines.diffusion_brain import close, find_brain, main_parts, tissue_level
from core.segmentation.engines.diffusion_rules import Rules, Traits, Verdict, judge
from core.segmentation.engines.diffusion_shading import shading
from core.segmentation.engines.diffusion_symmetry import find_midplane, mirror, normal_of, reflection
from core.segmentation.engines.diffusion_words import Findings, sentences
from tests.segmentation.heads import SPACING, dice, healthy

RULES = Rules.of({name: float(value) for name, value in INFO.settle({}).items()})
LESION = Traits(
    volume_ml=0.5,
    peak_z=9.0,
    mean_ratio=1.8,
    mean_adc=600.0,
    mean_adc_ratio=0.7,
    contrast=6.0,
    asymmetry=6.0,
    shine=2.0,
    rim=0.0,
)
NOTHING = np.zeros((2, 2, 2), bool)
CALM = Findings(
    verdict=Verdict(NOTHING, NOTHING, {}, {}, 0.0, 0.0),
    lesion_ratio=1.8,
    background_adc=800.0,
    correlation=0.8,
    adc_scale=1.0,
    adc_cover=1.0,
    resampled=False,
    empty=False,
)


def test_the_brain_is_found_and_the_scalp_is_not() -> None:
    case = healthy()
    dwi, adc = case.images["dwi"].data, case.images["adc"].data
    found = find_brain(dwi, SPACING)
    assert dice(found.tissue, (adc > 0) & (adc < 1200)) > 0.9
    assert np.count_nonzero(found.brain & (adc == 0)) < 0.02 * np.count_nonzero(found.brain)  # the scalp has no ADC
    assert not (found.tissue & ~found.brain).any()
    assert found.level == pytest.approx(float(np.median(dwi[found.tissue])))


@given(st.floats(1e-4, 1e5))
@settings(max_examples=20, deadline=None)
def test_the_tissue_level_follows_the_scale(factor: float) -> None:
    dwi = healthy().images["dwi"].data[::2, ::2, ::2]
    assert tissue_level(dwi * np.float32(factor)) == pytest.approx(tissue_level(dwi) * factor, rel=1e-3)


def test_closing_fills_a_gap_that_is_narrower_than_the_ball_and_only_that() -> None:
    mask = np.ones((24, 12, 12), bool)
    mask[10:13] = False
    assert close(mask, 2.5, (1, 1, 1))[:, 3:-3, 3:-3].all()
    assert not close(mask, 2.5, (2, 2, 2))[11].any()


def test_main_parts_drops_the_small_ones() -> None:
    mask = np.zeros((12, 4, 4), bool)
    mask[:6], mask[8, 0, 0], mask[10:] = True, True, True
    kept = main_parts(mask, 0.1)
    assert kept[:6].all() and kept[10:].all() and not kept[8].any()


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-15, 15))
@settings(max_examples=30, deadline=None)
def test_a_mirror_twice_is_no_mirror(yaw: float, roll: float, offset: float) -> None:
    affine = np.diag([-2.0, 1.5, 3.0, 1.0])
    there = reflection(normal_of(yaw, roll), np.array([1.0, 2.0, 3.0]), offset, affine)
    np.testing.assert_allclose(there @ there, np.eye(4), atol=1e-9)
    assert np.linalg.det(there[:3, :3]) == pytest.approx(-1)


@pytest.mark.parametrize(("yaw", "shift"), [(0.0, 0.0), (9.0, 6.0), (-14.0, -4.0)])
def test_the_mid_plane_is_found_where_the_head_was_put(yaw: float, shift: float) -> None:
    case = healthy()
    dwi, affine = case.images["dwi"].data, case.images["dwi"].affine
    found = find_brain(dwi, SPACING)
    straight = find_midplane(dwi, found, affine)
    turn = np.eye(4)
    angle = np.deg2rad(yaw)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[0, 3] = shift
    plane = find_midplane(dwi, found, turn @ affine)
    expected = turn[:3, :3] @ straight.normal
    assert np.rad2deg(np.arccos(min(1.0, float(plane.normal @ expected)))) < 1.5
    middle = turn[:3, :3] @ (straight.centre + straight.offset * straight.normal) + turn[:3, 3]
    assert abs(float(plane.normal @ middle) - plane.equation[3]) < 1.0
    assert plane.correlation > 0.7


def test_mirroring_swaps_the_sides() -> None:
    data = np.zeros((9, 5, 5), np.float32)
    data[1, 2, 2] = 1
    seen = mirror(data, reflection(normal_of(0, 0), np.array([4.0, 2.0, 2.0]), 0.0, np.eye(4)))
    assert seen[7, 2, 2] == pytest.approx(1) and seen.sum() == pytest.approx(1)


def test_shading_is_seen_through_a_lesion() -> None:
    shape = (40, 40, 20)
    trend = np.exp(np.linspace(-0.4, 0.4, 40))[:, None, None] * np.ones(shape)
    dwi, adc = trend.copy(), np.full(shape, 850.0)
    dwi[:14, 10:30], adc[:14, 10:30] = dwi[:14, 10:30] * 2, 500.0
    field = shading(dwi.astype(np.float32), adc.astype(np.float32), np.ones(shape, bool))
    np.testing.assert_allclose(field / np.median(field), trend / np.median(trend), rtol=0.02)


def test_without_normal_tissue_no_shading_is_claimed() -> None:
    dwi = np.ones((8, 8, 8), np.float32)
    assert (shading(dwi, dwi, np.ones((8, 8, 8), bool)) == 1).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"volume_ml": 0.02}, "too small"),
        ({"mean_ratio": 1.1}, "hardly brighter"),
        ({"mean_adc": 820.0}, "ADC not lowered"),
        ({"mean_adc_ratio": 0.95}, "ADC not lowered"),
        ({"shine": 7.0}, "brighter than its ADC explains"),
        ({"contrast": 2.0}, "no contrast"),
        ({"rim": 0.5, "contrast": 5.0}, "rim"),
        ({"asymmetry": 1.0, "contrast": 4.0}, "other side"),
        ({"asymmetry": 1.0}, "paired"),
        ({"asymmetry": 4.0, "contrast": 18.0, "peak_z": 30.0, "rim": 0.2}, "other side"),
    ],
)
def test_each_rule_rejects_for_its_own_reason(change: dict[str, float], reason: str) -> None:
    verdict = judge(replace(LESION, **change), RULES)
    assert reason in verdict if reason else verdict == ""


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        (replace(CALM, empty=True), "No lesion was found"),
        (replace(CALM, correlation=0.3), "hardly match"),
        (replace(CALM, lesion_ratio=1.2), "mildly bright"),
        (replace(CALM, adc_scale=1000.0), "multiplied by 1000"),
        (replace(CALM, adc_cover=0.8), "Only 80 %"),
        (replace(CALM, resampled=True), "resampled"),
        (replace(CALM, background_adc=300.0), "unit may have been misjudged"),
        (replace(CALM, verdict=replace(CALM.verdict, shine_ml=3.0)), "3.0 ml are bright on DWI"),
        (replace(CALM, verdict=replace(CALM.verdict, paired_ml=0.4)), "other side looks alike"),
        (
            replace(
                CALM, verdict=Verdict(NOTHING, NOTHING, {"rim of the brain": 0.5}, {"rim of the brain": 2}, 0.0, 0.0)
            ),
            "2 rim of the brain (0.50 ml)",
        ),
    ],
)
def test_each_doubt_has_its_sentence(findings: Findings, words: str) -> None:
    assert any(words in sentence for sentence in sentences(findings))
    assert sentences(CALM) == ()
