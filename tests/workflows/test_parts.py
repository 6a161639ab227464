"""Parts of a mask found line by line: the same as labelling its voxels one by one, however many lines there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.evaluation.components import Bools
from core.workflows.part_sizes import measured
from core.workflows.parts import MOST_LINES, parts_of

ALL = np.ones((3, 3, 3), np.bool_)


def mask_of(seed: int, shape: tuple[int, int, int], cover: float) -> Bools:
    return np.asarray(np.random.default_rng(seed).random(shape) < cover)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    cover=st.sampled_from([0.0, 0.03, 0.15, 0.4, 0.9, 1.0]),
    most=st.sampled_from([0, MOST_LINES]),
)
def test_parts_are_those_of_a_labelled_image(seed: int, shape: tuple[int, int, int], cover: float, most: int) -> None:
    mask = mask_of(seed, shape, cover)
    labels, count = ndimage.label(mask, ALL)
    parts = parts_of(mask, most)
    mine = np.zeros(shape, np.int64)
    mine.reshape(-1)[parts.voxels] = parts.of_voxel + 1
    assert np.array_equal(mine, labels)
    assert np.array_equal(parts.sizes, np.bincount(labels.ravel(), minlength=count + 1)[1:])
    assert np.array_equal(parts.at(parts.voxels), parts.of_voxel)
    assert np.array_equal(parts.painted(), mask)
    kept = parts.kept(parts.sizes > 2)
    assert np.array_equal(kept.painted(), np.isin(labels, np.flatnonzero(parts.sizes > 2) + 1))
    assert np.array_equal(np.bincount(kept.of_voxel, minlength=len(kept.sizes)), kept.sizes)


def test_touching_over_a_corner_and_over_the_end_of_a_row() -> None:
    corner = np.zeros((2, 2, 2), np.bool_)
    corner[0, 0, 1] = corner[1, 1, 0] = True
    assert len(parts_of(corner).sizes) == 1
    rows = np.zeros((1, 3, 4), np.bool_)
    rows[0, 0, 3] = rows[0, 1, 0] = True  # neighbours in memory, and far apart in the image
    assert parts_of(rows).sizes.tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_sizes_are_those_of_the_voxels_themselves(seed: int) -> None:
    mask = mask_of(seed, (7, 8, 9), 0.16)
    image = np.random.default_rng(seed + 50).uniform(-1, 2, mask.shape).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[-1.1, 0.2, 0.0], [0.1, 1.3, 0.4], [0.0, -0.3, 3.1]])
    labels = ndimage.label(mask, ALL)[0]
    sizes = np.bincount(labels.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")[:5]
    found = measured(parts_of(mask), (3, 4, 5), affine, image, 5)
    assert len(found) == 5 and found[0].voxels > found[-1].voxels
    for one, part in zip(found, order, strict=True):
        index = np.argwhere(labels == part + 1)[:, ::-1] + (3, 4, 5)
        points = index @ affine[:3, :3].T + affine[:3, 3]
        gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
        far = np.linalg.norm(points - points.mean(axis=0), axis=1)
        values = image[labels == part + 1]
        assert one.voxels == len(points)
        assert one.diameter_mm == pytest.approx(gaps.max(), rel=0.01)
        assert np.linalg.norm(one.centre - points.mean(axis=0)) == pytest.approx(far.min())
        assert np.linalg.norm(points - one.centre, axis=1).min() < 1e-9
        if (values > 0).any():
            assert one.mean == pytest.approx(values[values > 0].mean(dtype=np.float64))
        else:
            assert one.mean is None
    assert measured(parts_of(np.zeros((2, 2, 2), np.bool_)), (0, 0, 0), affine, None, 5) == ()
    assert all(one.mean is None for one in measured(parts_of(mask), (3, 4, 5), affine, None, 5))
