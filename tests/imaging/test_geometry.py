"""Grids: where voxels are, and that moving an image does not move the patient."""

from __future__ import annotations

import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadVolume, GridMismatch
from core.imaging import geometry as g
from core.imaging import resample as r
from core.imaging.volume import Affine, Volume, spacing_of
from tests.imaging.grids import affine_of

LETTERS = st.permutations(["LR", "PA", "IS"]).flatmap(lambda axes: st.tuples(*(st.sampled_from(a) for a in axes)))
TURNS = st.tuples(*(st.floats(-30, 30) for _ in range(3)))
SPACINGS = st.tuples(*(st.floats(0.4, 5) for _ in range(3)))


def ramp(shape: tuple[int, ...], affine: Affine, slope: tuple[float, float, float] = (1.0, 2.0, -0.5)) -> Volume:
    """An image whose value is a linear function of the place in the patient, 500 in the world's origin."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return Volume((500 + g.world(affine, index) @ slope).astype(np.float32), affine)


def centred(affine: Affine, shape: tuple[int, ...]) -> Affine:
    moved = affine.copy()
    moved[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return moved


def rim(data: object, width: int = 2) -> np.ndarray:
    """The inside of an image, without its rim."""
    return np.asarray(data)[width:-width, width:-width, width:-width]


@given(letters=LETTERS, turn=TURNS, spacing=SPACINGS)
def test_orientation_agrees_with_nibabel(
    letters: tuple[str, ...], turn: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    affine = affine_of("".join(letters), spacing, tuple(t / 2 for t in turn))  # type: ignore[arg-type]
    assert g.orientation(affine) == "".join(nib.aff2axcodes(affine)) == "".join(letters)  # type: ignore[no-untyped-call]


def test_left_is_where_x_is_negative() -> None:
    assert (g.side_of(-0.1), g.side_of(12)) == ("left", "right")
    assert g.world(affine_of("LAS", origin=(90, 0, 0)), (100, 0, 0)).tolist() == [-110, 0, 0]


def test_same_grid_has_a_tolerance_in_mm_at_the_corners() -> None:
    a = affine_of("LAS", (0.4, 0.4, 5))
    near, far, turned = a.copy(), a.copy(), a.copy()
    near[0, 3] += 0.05
    far[0, 3] += 0.2
    turned[1, 0] += 0.001  # 0.5 mm at the far end of 512 voxels
    shape = (512, 512, 20)
    assert g.same_grid(shape, a, shape, near)
    assert not g.same_grid(shape, a, shape, far) and g.same_grid(shape, a, shape, far, tolerance_mm=0.3)
    assert not g.same_grid(shape, a, shape, turned) and g.same_grid((20, 20, 20), a, (20, 20, 20), turned)
    assert not g.same_grid(shape, a, (512, 512, 21), a) and g.same_grid((*shape, 1), a, shape, a)
    assert not g.same_grid((9, 9, 9), affine_of("LAS"), (9, 9, 9), affine_of("RAS", origin=(-16, 0, 0)))


@given(letters=LETTERS, turn=TURNS, spacing=SPACINGS, shape=st.tuples(*(st.integers(1, 90) for _ in range(3))))
def test_the_working_grid_covers_the_same_field_and_is_never_finer(
    letters: tuple[str, ...],
    turn: tuple[float, float, float],
    spacing: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> None:
    affine = affine_of("".join(letters), spacing, turn, (13, -7, 5))
    small, coarse = g.working_grid(shape, affine, 2.0)
    for corner in (-0.5, 1):
        ours = g.world(coarse, np.array(small) - 0.5 if corner == 1 else np.full(3, corner))
        theirs = g.world(affine, np.array(shape) - 0.5 if corner == 1 else np.full(3, corner))
        assert np.allclose(ours, theirs, atol=1e-6)
    assert all(new >= old - 1e-9 for new, old in zip(spacing_of(coarse), spacing, strict=True))
    assert g.orientation(coarse) == g.orientation(affine)


@settings(max_examples=15, deadline=None)
@given(letters=LETTERS, turn=TURNS, spacing=st.tuples(*(st.floats(1.5, 4) for _ in range(3))))
def test_a_linear_image_stays_itself_on_any_grid(
    letters: tuple[str, ...], turn: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    shape, target = (40, 44, 36), (12, 14, 10)
    source = ramp(shape, centred(affine_of("LAS", (2, 2, 3)), shape))
    affine = centred(affine_of("".join(letters), spacing, turn), target)
    expected = ramp(target, affine).data
    moved = r.resample_to(source, target, affine).data
    inside = moved > 0  # zero outside the field of view
    assert inside.mean() > 0.5
    assert np.abs(rim(moved) - rim(expected))[rim(inside)].max() < 1.6  # half a source voxel at the rim at most
    assert np.abs(moved - expected)[4:-4, 4:-4, 4:-4].max() < 0.02
    averaged = r.downsample(source, target, affine).data
    assert np.abs(averaged - expected)[4:-4, 4:-4, 4:-4].max() < 0.02


def test_axes_in_any_order_are_copied_exactly() -> None:
    shape = (5, 6, 7)
    source = Volume(np.random.default_rng(0).random(shape, dtype=np.float32), affine_of("LAS", (1, 2, 3), (20, 5, 3)))
    flipped = source.affine @ np.array([[0, 0, -1, 4], [1, 0, 0, 0], [0, -1, 0, 6], [0, 0, 0, 1.0]])
    expected = source.data.transpose(1, 2, 0)[:, ::-1, ::-1]
    for order in (0, 1):
        assert np.array_equal(r.resample_to(source, (6, 7, 5), flipped, order).data, expected)
    assert np.array_equal(r.resample_to(source, shape, source.affine).data, source.data)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (20.0, -10.0, 5.0)])
def test_labels_stay_labels(turn: tuple[float, float, float]) -> None:
    shape = (20, 20, 20)
    labels = Volume((np.random.default_rng(0).integers(0, 4, shape) * 7).astype(np.float32), affine_of("RAS"))
    moved = r.resample_to(labels, (31, 29, 27), affine_of("LPS", (1.3, 1.3, 1.3), turn, (38, 38, 3)), order=0)
    assert set(np.unique(moved.data)) == {0, 7, 14, 21}


def test_straight_and_turned_grids_meet() -> None:
    """A grid turned by next to nothing gives nearly what the straight one gives, rim included."""
    shape, target = (30, 32, 28), (24, 20, 22)
    source = ramp(shape, centred(affine_of("LAS"), shape))
    straight = centred(affine_of("PSR", (2.5, 2.6, 3)), target)
    turned = centred(affine_of("PSR", (2.5, 2.6, 3), (0.5, 0, 0)), target)
    a, b = r.resample_to(source, target, straight).data, r.resample_to(source, target, turned).data
    assert ((a > 0) == (b > 0)).mean() > 0.97 and np.abs(a - b)[(a > 0) & (b > 0)].max() < 2


def test_averaging_keeps_what_is_small() -> None:
    """One bright voxel keeps its volume times value; taking every fifth voxel would lose it."""
    data = np.zeros((50, 50, 20), np.float32)
    data[23, 31, 7] = 1000
    volume = Volume(data, affine_of("LAS", (0.4, 0.4, 2)))
    shape, affine = g.working_grid(volume.data.shape, volume.affine, 2.0)
    small = r.downsample(volume, shape, affine)
    assert shape == (10, 10, 20) and np.isclose(small.data.sum() * small.voxel_ml, 1000 * volume.voxel_ml, rtol=1e-5)
    up = r.upsample(small.data, affine, volume.data.shape, volume.affine)
    assert np.unravel_index(up.argmax(), up.shape)[2] == 7 and np.isclose(up.sum(), 1000, rtol=0.02)


def test_upsampling_reaches_the_rim_of_the_image() -> None:
    shape, fine = (1, 4, 3), affine_of("LAS", (0.5, 0.5, 5), (10, 0, 0))
    _, coarse = g.working_grid((4, 16, 3), fine, 2.0)
    data = np.full(shape, 3.0, np.float32)
    assert (r.upsample(data, coarse, (4, 16, 3), fine) == 3).all()


def test_other_places_and_orders_are_refused() -> None:
    volume = Volume(np.ones((10, 10, 10), np.float32), affine_of("RAS"))
    away = affine_of("RAS", turn=(10, 0, 0), origin=(500, 0, 0))
    with pytest.raises(GridMismatch):
        r.resample_to(volume, (10, 10, 10), away)
    with pytest.raises(GridMismatch):
        r.downsample(volume, (10, 10, 10), affine_of("RAS", origin=(0, -40, 0)))
    with pytest.raises(BadVolume):
        r.resample_to(volume, (10, 10, 10), volume.affine, order=3)
    with pytest.raises(BadVolume):
        r.resample_to(volume, (10, 0, 10), volume.affine)
    partly = r.resample_to(volume, (10, 10, 10), affine_of("RAS", origin=(10, 0, 0))).data
    assert (partly[:5] == 1).all() and (partly[5:] == 0).all()


def test_a_large_image_needs_little_more_than_the_result() -> None:
    shape, affine = (256, 293, 37), affine_of("LAS", (0.766, 0.766, 4.0), (14, 0, 0))
    volume = Volume(np.ones(shape, np.float32, order="F"), affine)
    small, coarse = g.working_grid(shape, affine, 2.0)
    tracemalloc.start()
    try:
        down = r.downsample(volume, small, coarse)
        lowering = tracemalloc.get_traced_memory()[1]
        r.upsample(down.data, coarse, shape, affine)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lowering < 0.5 * volume.data.nbytes and peak < 1.5 * volume.data.nbytes
