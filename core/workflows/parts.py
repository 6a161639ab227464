"""Parts: the 26-connected parts of a mask, held as lines of voxels, so that work follows the mask and not its box.

A line is a row of neighbouring voxels along the last axis; a lesion of 200 ml on a fine grid has some ten thousands of
them in a box of twenty million voxels. Knows neither millimetres nor files (reading.py, reading_files.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.evaluation.components import Bools

Ints = NDArray[np.int64]
MOST_LINES = 500_000  # of more (noise) the voxels are labelled one by one, which then is faster
_TOUCHING = np.ones((3, 3, 3), np.bool_)
_AHEAD = ((0, 1), (1, -1), (1, 0), (1, 1))  # (dz, dy) to the rows after a row that touch it


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one mask. Flat indices count a C-ordered (Z, Y, X) box, and ascend.

    Attributes:
        shape: (Z, Y, X) of the box.
        voxels: (V,) flat index of every voxel of the mask.
        starts, lengths: (L,) flat index of each line's first voxel, and how many voxels it has.
        of_line: (L,) part of each line, 0..n-1, in the order of their first voxels.
        sizes: (n,) voxels of each part.
    """

    shape: tuple[int, int, int]
    voxels: Ints
    starts: Ints
    lengths: Ints
    of_line: Ints
    sizes: Ints

    @cached_property
    def of_voxel(self) -> Ints:
        """(V,) part of each voxel."""
        return np.repeat(self.of_line, self.lengths)

    def at(self, voxels: Ints) -> Ints:
        """The part of each of these voxels, all of which lie in the mask."""
        return self.of_line[np.searchsorted(self.starts, voxels, side="right") - 1]

    def places(self) -> tuple[Ints, Ints, Ints]:
        """z, y, x of each line's first voxel."""
        rows, x = np.divmod(self.starts, self.shape[2])
        z, y = np.divmod(rows, self.shape[1])
        return z, y, x

    def kept(self, keep: Bools) -> Parts:
        """Only the parts with True in `keep`, (n,)."""
        lines = keep[self.of_line]
        renamed = np.cumsum(keep) - 1
        return Parts(
            self.shape,
            self.voxels[np.repeat(lines, self.lengths)],
            self.starts[lines],
            self.lengths[lines],
            renamed[self.of_line[lines]],
            self.sizes[keep],
        )

    def painted(self) -> Bools:
        """The mask itself, within the box."""
        mask = np.zeros(self.shape, np.bool_)
        mask.reshape(-1)[self.voxels] = True
        return mask


def parts_of(mask: Bools, most_lines: int = MOST_LINES) -> Parts:
    """The parts of a C-ordered (Z, Y, X) mask."""
    shape = (mask.shape[0], mask.shape[1], mask.shape[2])
    voxels = np.flatnonzero(mask)
    if voxels.size == 0:
        none = np.zeros(0, np.int64)
        return Parts(shape, none, none, none, none, none)
    begins = np.concatenate([[True], (np.diff(voxels) != 1) | (voxels[1:] % shape[2] == 0)])
    first = np.flatnonzero(begins)
    starts, lengths = voxels[first], np.diff(first, append=voxels.size)
    if starts.size > most_lines:
        labels = ndimage.label(mask, structure=_TOUCHING, output=np.int32)[0]
        of_line = labels.reshape(-1)[starts].astype(np.int64) - 1
    else:
        of_line = _joined(starts, lengths, shape)
    sizes = np.bincount(of_line, weights=lengths).astype(np.int64)
    return Parts(shape, voxels, starts, lengths, of_line, sizes)


def _joined(starts: Ints, lengths: Ints, shape: tuple[int, int, int]) -> Ints:
    """The part of each line: lines touch whose rows touch and whose ends overlap by at least a corner."""
    rows, x = np.divmod(starts, shape[2])
    y = rows % shape[1]
    wide = shape[2] + 2  # so that one voxel beyond either end of a row is still of that row
    begin, end = rows * wide + x, rows * wide + x + lengths - 1
    ones, others = [], []
    for dz, dy in _AHEAD:
        able = np.flatnonzero((y + dy >= 0) & (y + dy < shape[1]))
        shift = (dz * shape[1] + dy) * wide
        low = np.searchsorted(end, begin[able] + shift - 1, side="left")
        high = np.searchsorted(begin, end[able] + shift + 1, side="right")
        count = np.maximum(high - low, 0)
        ones.append(np.repeat(able, count))
        others.append(np.arange(count.sum()) + np.repeat(low - np.cumsum(count) + count, count))
    one, other = np.concatenate(ones), np.concatenate(others)
    touching = coo_array((np.ones(one.size, np.int8), (one, other)), shape=(starts.size, starts.size))
    return np.asarray(connected_components(touching, directed=False)[1], np.int64)
