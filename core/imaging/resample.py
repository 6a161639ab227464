"""Moving an image from one grid to another.

Works slab by slab, so that no second copy of a large image is ever needed. Where voxels lie is geometry.py's business.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from core.errors import BadVolume, GridMismatch
from core.imaging.geometry import Floats, corners, working_grid
from core.imaging.volume import Affine, Volume, check_grid, spacing_of

_COARSER = 1.02  # source voxels per target voxel, from where averaging differs from interpolating
_STRAIGHT = 0.02  # source voxels: axes that drift less than this across the whole image count as parallel


def resample_to(volume: Volume, shape: tuple[int, ...], affine: Affine, order: int = 1) -> Volume:
    """The volume on another grid: linear (order 1) or nearest (order 0); zero outside its field of view.

    Raises:
        GridMismatch: the two fields of view do not overlap.
        BadVolume: the grid cannot be an image, or the order is neither 0 nor 1.
    """
    if order not in (0, 1):
        raise BadVolume(f"interpolation of order {order} is not offered", hint="use order 0 (nearest) or 1 (linear)")
    return Volume(_resample(volume.data, volume.affine, shape, affine, order, average=False), affine, volume.unit)


def downsample(volume: Volume, shape: tuple[int, ...], affine: Affine) -> Volume:
    """The volume on a coarser grid, each voxel the mean over its own extent, so that nothing small is skipped.

    Axes that do not get coarser are interpolated linearly. Raises as `resample_to`.
    """
    step = _to_source(volume.affine, affine)
    if _axes_of(step, shape) is not None:
        return Volume(_resample(volume.data, volume.affine, shape, affine, 1, average=True), affine, volume.unit)
    check_grid(shape, affine)
    own_shape, own_affine = working_grid(volume.data.shape, volume.affine, min(spacing_of(affine)))
    own = _resample(volume.data, volume.affine, own_shape, own_affine, 1, average=True)
    return Volume(_resample(own, own_affine, shape, affine, 1, average=False), affine, volume.unit)


def upsample(data: Floats, from_affine: Affine, shape: tuple[int, ...], affine: Affine) -> Floats:
    """Values (x, y, z) float32 of a coarse grid, linearly on a finer one: (X, Y, Z) float32, zero outside.

    Raises as `resample_to`.
    """
    return _resample(data, from_affine, shape, affine, 1, average=False)


def _to_source(source: Affine, target: Affine) -> Affine:
    step: Affine = np.linalg.inv(source) @ target
    return step


def _resample(
    data: Floats, source: Affine, shape: tuple[int, ...], target: Affine, order: int, *, average: bool
) -> Floats:
    check_grid(shape, target)
    step = _to_source(source, target)
    reached = corners(shape) @ step[:3, :3].T + step[:3, 3]
    half = np.abs(step[:3, :3]).sum(axis=1) / 2  # a target voxel reaches this far around its centre
    if ((reached.max(axis=0) + half <= -0.5) | (reached.min(axis=0) - half >= np.array(data.shape) - 0.5)).any():
        raise GridMismatch("the two images show different parts of space", hint="check that both are of one patient")
    axes = _axes_of(step, shape)
    out: Floats = np.zeros(shape, dtype=np.float32, order="F")
    if axes is None:
        _oblique(data, step, order, out)
    else:
        _straight(data.transpose(axes), step[list(axes)], order, average, out)
    return out


def _axes_of(step: Affine, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """For each target axis the source axis that it runs along, or None when the grids are turned to each other."""
    turn = step[:3, :3]
    axes = np.abs(turn).argmax(axis=0)
    if len(set(axes.tolist())) != 3:
        return None
    drift = np.abs(turn) * np.array(shape[:3])
    drift[axes, range(3)] = 0
    return (int(axes[0]), int(axes[1]), int(axes[2])) if drift.max() < _STRAIGHT else None


def _straight(data: Floats, step: Affine, order: int, average: bool, out: Floats) -> None:
    """Fill `out` one axis at a time by weights; `data` and the rows of `step` are in the target's axis order."""
    middle = (np.array(out.shape) - 1) / 2
    weights = []
    for axis in range(3):
        scale = step[axis, axis]
        start = step[axis, 3] + step[axis, :3] @ middle - scale * middle[axis]  # drift is zero in the image's middle
        positions = start + scale * np.arange(out.shape[axis])
        width = abs(scale) if average and abs(scale) > _COARSER else 0.0
        weights.append(_weights(data.shape[axis], positions, order, width))
    first, second = (sparse.csr_array(w) for w in weights[:2])  # a few of each row's weights are not zero
    for k, row in enumerate(weights[2]):
        used = np.flatnonzero(row)
        if used.size == 0:
            continue
        slab = data[:, :, used[0]] if row[used[0]] == 1 else data[:, :, used[0]] * row[used[0]]
        for s in used[1:]:
            slab = slab + data[:, :, s] * row[s]
        out[:, :, k] = (second @ (first @ slab).T).T


def _weights(count: int, positions: NDArray[np.float64], order: int, width: float) -> Floats:
    """(targets, count) weights of the source samples for each target position (in source samples).

    `width` > 0 averages over that many samples; a row is zero where the position lies outside the samples' extent.
    """
    if width > 0:
        edges = np.clip(positions[:, None] + np.array([-width / 2, width / 2]), -0.5, count - 0.5)
        reach = np.clip(edges[:, :, None] - np.arange(-1, count + 1), -1, 1)  # one more sample at either end
        below = 0.5 + reach - reach * np.abs(reach) / 2  # integral of the linear interpolation's hat function
        cover = below[:, 1] - below[:, 0]
        cover[:, 1] += cover[:, 0]  # beyond the outermost samples the image goes on as it is there
        cover[:, -2] += cover[:, -1]
        total = edges[:, 1:] - edges[:, :1]
        mean: Floats = np.divide(cover[:, 1:-1], total, out=np.zeros((len(positions), count)), where=total > 1e-6)
        return np.where(mean > 1e-6, mean, 0).astype(np.float32)
    inside = (positions > -0.5 - 1e-6) & (positions < count - 0.5 + 1e-6)
    held = np.clip(positions, 0, count - 1)
    nearest = np.rint(held)
    if order == 0:
        held = nearest
    held = np.where(np.abs(held - nearest) < 1e-4, nearest, held)  # rounding of the header's float32 is no shift
    linear: Floats = (np.clip(1 - np.abs(held[:, None] - np.arange(count)), 0, 1) * inside[:, None]).astype(np.float32)
    return linear


def _oblique(data: Floats, step: Affine, order: int, out: Floats) -> None:
    """Fill `out` from a grid that is turned to it, one target slab at a time."""
    i, j = np.arange(out.shape[0])[:, None], np.arange(out.shape[1])[None, :]
    for k in range(out.shape[2]):
        origin = step[:3, 2] * k + step[:3, 3]
        inside = np.ones(out.shape[:2], dtype=bool)
        for axis in range(3):
            position = step[axis, 0] * i + step[axis, 1] * j + origin[axis]
            inside &= (position >= -0.5) & (position <= data.shape[axis] - 0.5)
        if inside.any():
            slab = ndimage.affine_transform(
                data, step[:3, :3], origin, (*out.shape[:2], 1), np.float32, order, mode="nearest", prefilter=False
            )
            out[:, :, k] = np.where(inside, slab[:, :, 0], 0)
