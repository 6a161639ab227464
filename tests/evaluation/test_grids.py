from __future__ import annotations

import numpy as np
import pytest

from core.errors import GridMismatch
from core.evaluation.grids import require_same_grid
from core.imaging.volume import Mask
from tests.evaluation.masks import Affine, affine_of, boxes, rotation, spaced

OBLIQUE = affine_of(rotation(0.3, 0.2) @ np.diag([-0.5, 1.0, 3.0]), (80.0, -90.0, 20.0))


def moved(affine: Affine, millimetres: float) -> Affine:
    other = affine.copy()
    other[0, 3] += millimetres
    return other


def mask(shape: tuple[int, int, int], affine: Affine) -> Mask:
    return Mask(boxes(shape), affine)


def test_the_same_grid_up_to_a_tenth_of_a_millimetre_is_accepted() -> None:
    require_same_grid(mask((4, 5, 6), OBLIQUE), mask((4, 5, 6), moved(OBLIQUE, 0.09)))


def test_other_shape_over_the_same_space_says_so_with_numbers() -> None:
    fine, coarse = mask((40, 40, 20), spaced(1, 1, 2)), mask((20, 20, 20), moved(spaced(2, 2, 2), 0.5))
    with pytest.raises(GridMismatch, match="same space") as caught:
        require_same_grid(coarse, fine)
    assert "20 × 20 × 20 voxels of 2 × 2 × 2 mm" in str(caught.value)
    assert "40 × 40 × 20 voxels of 1 × 1 × 2 mm" in str(caught.value)
    assert "resample" in caught.value.hint


def test_mirrored_storage_is_not_compared_voxel_by_voxel() -> None:
    las = spaced(-1, 1, 1)
    las[0, 3] = 9.0
    with pytest.raises(GridMismatch, match=r"same space.*\(LAS\).*\(RAS\)"):
        require_same_grid(mask((10, 10, 10), las), mask((10, 10, 10), spaced(1, 1, 1)))


def test_another_place_says_how_far() -> None:
    with pytest.raises(GridMismatch, match=r"different space, 25\.0 mm apart") as caught:
        require_same_grid(mask((4, 5, 6), OBLIQUE), mask((4, 5, 6), moved(OBLIQUE, 25.0)))
    assert "same case" in caught.value.hint


def test_a_small_shift_is_not_forgiven() -> None:
    with pytest.raises(GridMismatch):
        require_same_grid(mask((4, 5, 6), OBLIQUE), mask((4, 5, 6), moved(OBLIQUE, 0.2)))
