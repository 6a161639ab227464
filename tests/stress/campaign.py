"""Campaign: many random rounds that can be repeated one by one.

STROKESCOPE_SEED chooses the rounds, STROKESCOPE_STRESS multiplies how many a campaign has. A failure names its seed and
round; the same seed and number give the same round, whatever the others did.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

SEED = int(os.environ.get("STROKESCOPE_SEED", "20240527"))
FACTOR = float(os.environ.get("STROKESCOPE_STRESS", "1"))


def sizes(sample: int, campaign: int) -> pytest.MarkDecorator:
    """Parametrize `count`: a sample for every run of the tests, and the campaign itself, marked stress."""
    full = pytest.param(max(1, round(campaign * FACTOR)), marks=pytest.mark.stress, id="campaign")
    return pytest.mark.parametrize("count", [pytest.param(sample, id="sample"), full])


def random_of(number: int, seed: int = SEED) -> Random:
    """The randomness of one round."""
    return Random(f"{seed}-{number}")


def play(count: int, one: Callable[[int, Random], None]) -> None:
    """Call `one` with each number and its randomness; a failure says which round it was."""
    for number in range(count):
        try:
            one(number, random_of(number))
        except Exception as error:
            error.add_note(f"STROKESCOPE_SEED={SEED}, round {number} of {count}")
            raise
