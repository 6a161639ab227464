"""What is admitted in containers of 1, 2, 4 and 16 GiB: what fits is let in, what would die is refused.

Idle use is that of the supervisor and the app with its pages open; peaks are measured ones (benchmarks/).
"""

from __future__ import annotations

import pytest

from core.resources import cost
from core.resources.cost import Step
from core.resources.line import Entry, Room, decisions, never_fits
from core.segmentation.engine import load_engine

IDLE_MB = 250.0
GIB_MB = 1073.741824
SAMPLE, ISLES22, ISLES24 = 112 * 128 * 40, 112 * 112 * 73, 512 * 586 * 74
LESION = 0.04  # of the voxels: a large infarct, in each of two masks


def steps(voxels: int) -> dict[str, Step]:
    engine = load_engine("diffusion").info
    return {
        "segment": cost.engine_step(engine.name, engine.predict_memory_mb(voxels), voxels),
        "score": cost.score_step(voxels, int(2 * LESION * voxels)),
        "view": cost.view_step(voxels),
    }


def admitted(step: Step, gib: float) -> bool:
    room = Room(IDLE_MB, gib * GIB_MB, 50_000, 50_000)
    entry = Entry(0, "", step.memory_mb, step.disk_mb, step.heavy)
    fits = all(decision.admitted for decision in decisions(entry, [], room))
    assert not (fits and never_fits(entry, room))
    return fits


@pytest.mark.parametrize("voxels", [SAMPLE, ISLES22, ISLES24])
@pytest.mark.parametrize("kind", ["segment", "score", "view"])
@pytest.mark.parametrize("gib", [1, 2, 4, 16])
def test_table(voxels: int, kind: str, gib: int) -> None:
    expected = (voxels, kind, gib) != (ISLES24, "segment", 1)
    assert admitted(steps(voxels)[kind], gib) == expected


@pytest.mark.parametrize("gib", [0.25, 0.3])
def test_what_would_die_is_refused(gib: float) -> None:
    assert not any(admitted(step, gib) for step in steps(ISLES24).values())


def test_noise_on_the_largest_grid_is_refused_where_it_would_die() -> None:
    noise = cost.score_step(ISLES24, ISLES24)
    assert not admitted(noise, 1) and admitted(noise, 4)
