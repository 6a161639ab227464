"""Small masks, affines and hypothesis strategies for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from core.imaging import nifti
from core.imaging.volume import Volume

Bools = NDArray[np.bool_]
Affine = NDArray[np.float64]
Pair = tuple[Bools, Bools]

_SHAPES = st.tuples(*[st.integers(1, 5)] * 3)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Two masks of one small shape; from empty over scattered to full, often alike."""
    shape = draw(_SHAPES)
    truth = draw(arrays(np.bool_, shape))
    change = draw(st.one_of(arrays(np.bool_, shape), st.just(np.zeros(shape, dtype=np.bool_))))
    return truth ^ change if draw(st.booleans()) else change, truth


@st.composite
def affines(draw: st.DrawFn) -> Affine:
    """Anisotropic, sheared, rotated and mirrored grids."""
    spacing = [draw(st.floats(0.3, 6.0)) * draw(st.sampled_from((-1.0, 1.0))) for _ in range(3)]
    shear = draw(st.floats(-0.5, 0.5))
    matrix = rotation(draw(st.floats(-3.0, 3.0)), draw(st.floats(-3.0, 3.0))) @ np.diag(spacing)
    matrix[:, 2] += shear * matrix[:, 1]
    return affine_of(matrix, [draw(st.floats(-200.0, 200.0)) for _ in range(3)])


def rotation(a: float, b: float) -> Affine:
    """(3, 3): about z by a, then about x by b, in radians."""
    about_z = np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(b), -np.sin(b)], [0.0, np.sin(b), np.cos(b)]])
    turned: Affine = about_x @ about_z
    return turned


def affine_of(matrix: NDArray[np.float64], origin: Sequence[float] = (0.0, 0.0, 0.0)) -> Affine:
    """(4, 4) of a (3, 3) and an origin in mm."""
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = origin
    return affine


def spaced(x: float, y: float, z: float) -> Affine:
    """Upright grid of that spacing in mm."""
    return np.diag([x, y, z, 1.0])


def boxes(shape: tuple[int, int, int], *corners: tuple[int, int, int, int, int, int]) -> Bools:
    """A mask with boxes from (x0, y0, z0) up to, not including, (x1, y1, z1)."""
    mask = np.zeros(shape, dtype=np.bool_)
    for x0, y0, z0, x1, y1, z1 in corners:
        mask[x0:x1, y0:y1, z0:z1] = True
    return mask


def save(mask: Bools, affine: Affine, path: Path, dtype: str = "uint16") -> Path:
    """A mask file as data sets have them."""
    nifti.write_volume(Volume(mask.astype(np.float32), affine), path, dtype=dtype)
    return path
