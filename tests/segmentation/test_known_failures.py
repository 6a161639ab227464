"""The diffusion engine on what it is known to fail at: never worse, and warned of where it cannot be helped."""

from __future__ import annotations

from functools import cache

import pytest

from tests.segmentation.known_failures import FAMILIES, Hard, Outcome, cases, outcome

QUICK = {  # name -> least Dice, most false ml, words that must be said ("" for none)
    "slope 1.0, two infarcts": (0.99, 0.2, ""),
    "twins, occipital": (0.97, 0.1, "the other side looks alike"),
    "shine, ADC 700, no infarct": (1.0, 0.0, "T2 shine-through"),
    "rim on one side": (0.0, 1.9, "lie on the brain's rim"),
    "scalp 600, two infarcts": (0.99, 0.2, ""),
    "healthy, noisy": (1.0, 0.0, "does not exclude"),
}
SLOW = {
    "slope 0.5, two infarcts": (0.99, 0.2, ""),
    "slope -1.0, one small": (0.99, 0.1, ""),
    "near coil, two infarcts": (0.98, 0.6, ""),
    "near coil, no infarct": (1.0, 0.0, "bright on DWI while"),
    "twins, territories": (0.96, 0.1, "the other side looks alike"),
    "twins, thalamic": (0.55, 0.1, "bilateral symmetric lesions would be missed"),
    "twins, mild": (0.0, 0.1, "bilateral symmetric lesions would be missed"),
    "shine, ADC 1100, no infarct": (1.0, 0.0, "T2 shine-through"),
    "shine, ADC 780, no infarct": (1.0, 0.0, "T2 shine-through"),
    "shine beside one small": (0.99, 0.1, "T2 shine-through"),
    "rims on both sides": (0.0, 2.5, "lie on the brain's rim"),
    "rims and one small": (0.75, 2.5, "lie on the brain's rim"),
    "scalp 250, two infarcts": (0.99, 0.2, ""),
    "scalp 600, no infarct": (1.0, 0.0, "does not exclude"),
    "healthy, seed 23": (1.0, 0.0, "does not exclude"),
    "healthy, seed 24": (1.0, 0.0, "does not exclude"),
}


@cache
def quick(name: str) -> Hard:
    """A case of QUICK, made once."""
    return cases()[name]()


@cache
def found(name: str) -> Outcome:
    """What the engine made of a case of QUICK, run once."""
    return outcome(quick(name))


def check(got: Outcome, limits: tuple[float, float, str]) -> None:
    """Not below the Dice, not above the false volume, and the warning is there."""
    least, most, words = limits
    assert got.dice >= least
    assert got.false_ml <= most
    assert got.said(words) or not words
    assert not got.said("Refused")


@pytest.mark.parametrize("name", list(QUICK))
def test_one_of_each_family(name: str) -> None:
    check(found(name), QUICK[name])


@pytest.mark.stress
@pytest.mark.parametrize("name", list(SLOW))
def test_the_rest_of_the_families(name: str) -> None:
    check(outcome(cases()[name]()), SLOW[name])


def test_the_table_is_whole() -> None:
    """Every generated case has its limits, and every family a quick one."""
    assert set(QUICK) | set(SLOW) == set(cases())
    assert {quick(name).family for name in QUICK} == set(FAMILIES)


def test_an_infarct_is_no_rim() -> None:
    got = found("slope 1.0, two infarcts")
    assert got.dice > 0.99
    assert not got.said("brain's rim")
