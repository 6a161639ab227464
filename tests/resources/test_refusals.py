"""What is admitted in containers of 0.5 to 16 GiB: what fits is let in, what would die is refused.

The peaks are those that real runs in real control groups had (benchmarks/refusals.py, docs/guard.md); the app holds
IDLE_MB beside them.
"""

from __future__ import annotations

import pytest

from core.resources import cost
from core.resources.cost import Step
from core.resources.line import Entry, Room, decisions, never_fits
from core.resources.memory import KILL
from core.segmentation.engine import load_engine

IDLE_MB = 260.0
GIB_MB = 1073.741824
LIMITS_GIB = (0.5, 1, 2, 4, 16)
SAMPLE, ISLES22, ISLES24 = 112 * 128 * 40, 112 * 112 * 73, 512 * 586 * 74
LESION = 0.04  # of the voxels: a large infarct, in each of two masks
PEAKS_MB = {
    (SAMPLE, "fetch"): 4, (SAMPLE, "view"): 11, (SAMPLE, "segment"): 102, (SAMPLE, "score"): 82,
    (ISLES22, "fetch"): 5, (ISLES22, "view"): 19, (ISLES22, "segment"): 123, (ISLES22, "score"): 89,
    (ISLES24, "fetch"): 5, (ISLES24, "view"): 359, (ISLES24, "segment"): 443, (ISLES24, "score"): 179,
}  # fmt: skip
TIGHT = 0.45  # of the limit: with app and step above it, the door may refuse what would just have fitted
KINDS = ("fetch", "view", "segment", "score")


def steps(voxels: int) -> dict[str, Step]:
    engine = load_engine("diffusion").info
    return {
        "fetch": cost.fetch_step(voxels),
        "view": cost.view_step(voxels, overlay=True),
        "segment": cost.engine_step(engine.name, engine.predict_memory_mb(voxels), voxels),
        "score": cost.score_step(voxels, int(2 * LESION * voxels)),
    }


def admitted(step: Step, gib: float) -> bool:
    room = Room(IDLE_MB, gib * GIB_MB, 50_000, 50_000)
    entry = Entry(0, "", step.memory_mb, step.disk_mb, step.heavy)
    fits = all(decision.admitted for decision in decisions(entry, [], room))
    assert not (fits and never_fits(entry, room))
    return fits


@pytest.mark.parametrize("voxels", [SAMPLE, ISLES22, ISLES24])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gib", LIMITS_GIB)
def test_table(voxels: int, kind: str, gib: float) -> None:
    part = (IDLE_MB + PEAKS_MB[voxels, kind]) / (gib * GIB_MB)
    if admitted(steps(voxels)[kind], gib):
        assert part < KILL
    else:
        assert part > TIGHT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gib", LIMITS_GIB)
def test_everything_fits_two_gib_and_the_small_grids_one(kind: str, gib: float) -> None:
    for voxels in (SAMPLE, ISLES22, ISLES24):
        if gib >= 2 or (gib == 1 and voxels != ISLES24):
            assert admitted(steps(voxels)[kind], gib)


@pytest.mark.parametrize("voxels", [SAMPLE, ISLES22, ISLES24])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_not_less_than_what_was_measured(voxels: int, kind: str) -> None:
    assert steps(voxels)[kind].memory_mb >= PEAKS_MB[voxels, kind]


@pytest.mark.parametrize("gib", [0.25, 0.3])
def test_what_would_die_is_refused(gib: float) -> None:
    assert not any(admitted(step, gib) for step in steps(ISLES24).values())


def test_noise_on_the_largest_grid_is_refused_where_it_would_die() -> None:
    noise = cost.score_step(ISLES24, ISLES24)
    assert not admitted(noise, 1) and admitted(noise, 4)
