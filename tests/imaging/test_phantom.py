"""Synthetic heads: the same patient on every grid, with values that a reader expects."""

from __future__ import annotations

import numpy as np
import pytest

from core.imaging import geometry as g
from core.imaging import resample as r
from core.imaging.phantom import Lesion, PhantomCase, head, isles24_grid, on_fine_grid
from core.imaging.volume import Affine
from tests.imaging.grids import affine_of

SHAPE = (56, 64, 40)
LEFT = Lesion((-40, -4, 14), (20, 30, 22), 2.0, 430, 1.6)
SMALL = Lesion((24, -50, 30), (9, 9, 9), 1.9, 480)


def grid(
    letters: str = "LAS", shape: tuple[int, int, int] = SHAPE, turn: float = 0.0
) -> tuple[tuple[int, int, int], Affine]:
    spacing = {"L": 3.4, "R": 3.4, "A": 3.4, "P": 3.4, "S": 3.5, "I": 3.5}
    affine = affine_of(letters, tuple(spacing[x] for x in letters), (turn, 0, 0))  # type: ignore[arg-type]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    return head(*grid(), seed=11, lesions=[LEFT, SMALL])


def test_a_seed_gives_one_head(case: PhantomCase) -> None:
    again, other = head(*grid(), 11, [LEFT, SMALL]), head(*grid(), 12, [LEFT, SMALL])
    for name, volume in case.images.items():
        assert np.array_equal(again.images[name].data, volume.data)
        assert not np.array_equal(other.images[name].data, volume.data)
    assert np.array_equal(again.lesion.data, case.lesion.data)


def test_values_are_those_of_the_modalities(case: PhantomCase) -> None:
    dwi, adc, ncct, tmax, cbf = (case.images[n].data for n in ("dwi", "adc", "ncct", "tmax", "cbf"))
    inside = case.lesion.data
    brain = (adc > 500) & (adc < 1100) & ~inside
    assert np.median(dwi[inside]) > 1.5 * np.median(dwi[brain])
    assert 300 < np.median(adc[inside]) < 600 and 650 < np.median(adc[brain]) < 950 and adc.max() > 2500
    assert 20 < np.median(ncct[brain]) < 45 and np.median(ncct[inside]) < np.median(ncct[brain]) - 2
    assert ncct.max() > 900 and ncct.min() == -1000
    assert np.median(tmax[inside]) > 6 and np.median(tmax[brain]) < 3
    assert np.median(cbf[inside]) < 0.5 * np.median(cbf[brain])
    assert np.count_nonzero(tmax > 6) > 1.2 * np.count_nonzero(inside)  # the penumbra is larger than the core
    assert all(np.isfinite(v.data).all() and v.data.dtype == np.float32 for v in case.images.values())


def test_the_lesions_are_where_they_were_put(case: PhantomCase) -> None:
    places = g.world(case.lesion.affine, np.argwhere(case.lesion.data))
    left = places[places[:, 0] < 0]
    right = places[places[:, 0] > 0]
    assert (
        np.abs(left.mean(axis=0) - LEFT.centre_mm).max() < 9 and np.abs(right.mean(axis=0) - SMALL.centre_mm).max() < 9
    )
    assert 20 < len(left) * case.lesion.voxel_ml < 110 and 0.3 < len(right) * case.lesion.voxel_ml < 4


def test_without_lesions_nothing_is_marked() -> None:
    healthy = head(*grid(), seed=4)
    assert not healthy.lesion.data.any() and healthy.images["tmax"].data.max() < 6


@pytest.mark.parametrize(
    ("letters", "shape", "turn"), [("RAS", SHAPE, 0.0), ("PSR", (64, 40, 56), 0.0), ("LAS", SHAPE, 15.0)]
)
def test_the_patient_is_the_same_on_every_grid(
    case: PhantomCase, letters: str, shape: tuple[int, int, int], turn: float
) -> None:
    other = head(*grid(letters, shape, turn), seed=11, lesions=[LEFT, SMALL])
    assert abs(other.lesion.volume_ml / case.lesion.volume_ml - 1) < 0.1
    back = r.resample_to(other.images["ncct"], SHAPE, case.lesion.affine).data
    ours = case.images["ncct"].data
    both = (ours > -500) & (back > -500)
    assert np.corrcoef(ours[both], back[both])[0, 1] > 0.85


def test_a_fine_grid_is_interpolated_from_a_coarse_one() -> None:
    shape, full = isles24_grid()
    assert shape == (512, 586, 74) and g.orientation(full) == "LAS" and full[2, 1] != 0
    few = (128, 146, 18)
    affine = full @ np.diag([4.0, 4.0, 4.0, 1.0])
    made = on_fine_grid(few, affine, 11, [LEFT])
    assert made.lesion.data.shape == few and set(made.images) == {"dwi", "adc"}
    assert 20 < made.lesion.volume_ml < 110
