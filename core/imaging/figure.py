"""Figure: single axial slices as PNGs with outlines, for paper and files that nobody can scroll.

Radiological convention: front up, the patient's right on the left. True proportions. As in the viewer, the
prediction's outline is a dashed orange line and the truth's a solid sky blue one: they differ
without colour too. Chooses no file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.imaging import nifti, stored
from core.imaging.geometry import orientation
from core.imaging.volume import Affine, spacing_of

ORANGE, BLUE = (230, 159, 0), (86, 180, 233)  # prediction, truth; as on the screen
APART_MM = 8.0  # between two key slices
LONGER_SIDE = 420  # pixels of a picture
LINE, DASH = 2, 7  # pixels: width of an outline, length of a dash
MARGIN_MM = 6.0  # around what is shown


@dataclass(frozen=True)
class Lay:
    """How stored axes lie on the screen.

    Attributes:
        rows, columns, slices: the stored axis of each.
        flip_rows, flip_columns: to have the front up and the patient's right on the left.
        row_mm, column_mm, slice_mm: spacing.
    """

    rows: int
    columns: int
    slices: int
    flip_rows: bool
    flip_columns: bool
    row_mm: float
    column_mm: float
    slice_mm: float

    def turned(self, plane: NDArray[Any]) -> NDArray[Any]:
        """A plane of the stored image, its remaining axes in stored order, as (row, column) of the screen."""
        upright = plane if self.rows < self.columns else plane.T
        return upright[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]


def lay_of(affine: Affine) -> Lay:
    """By the nearest of the patient's axes."""
    letters, mm = orientation(affine), spacing_of(affine)
    columns, rows, slices = (next(i for i, x in enumerate(letters) if x in pair) for pair in ("LR", "AP", "IS"))
    return Lay(rows, columns, slices, letters[rows] == "A", letters[columns] == "R", mm[rows], mm[columns], mm[slices])


def key_slices(marked: Sequence[NDArray[np.bool_]], lay: Lay, count: int = 3) -> tuple[int, ...]:
    """The stored slices with the most of the masks, at least APART_MM apart, from foot to head or back; those in the
    middle where nothing is marked."""
    others = tuple(axis for axis in range(3) if axis != lay.slices)
    total = marked[0].shape[lay.slices]
    area = np.sum([np.count_nonzero(mask, axis=others) for mask in marked], axis=0)
    if not area.any():
        return tuple(sorted({int(total * (k + 1) / (count + 1)) for k in range(count)}))
    chosen: list[int] = []
    for k in np.argsort(-area, kind="stable"):
        if area[k] == 0 or len(chosen) == count:
            break
        if all(abs(int(k) - other) * lay.slice_mm >= APART_MM for other in chosen):
            chosen.append(int(k))
    return tuple(sorted(chosen))


def read_planes(path: Path, lay: Lay, slices: Sequence[int]) -> tuple[NDArray[np.float32], ...]:
    """Those slices of an image on the screen's axes; keeps no more of it in memory than it must.

    Raises:
        BadVolume: the file is damaged.
    """
    header = nifti.read_header(path)
    if lay.slices != 2:
        data = nifti.read_volume(path).data
        return tuple(lay.turned(np.take(data, k, axis=lay.slices)) for k in slices)
    size = header.grid[0] * header.grid[1]
    planes = {k: np.zeros(size, np.float32) for k in slices}
    for start, values in stored.values(path, header):
        for k, plane in planes.items():
            first, last = max(start, k * size), min(start + len(values), (k + 1) * size)
            if first < last:
                plane[first - k * size : last - k * size] = values[first - start : last - start]
    return tuple(lay.turned(np.nan_to_num(planes[k]).reshape(header.grid[:2], order="F")) for k in slices)


def content(planes: Sequence[NDArray[np.float32]], low: float, high: float, lay: Lay) -> tuple[slice, slice]:
    """Rows and columns that hold what stands out of the background, and a margin; everything where nothing does."""
    seen = np.any([plane > low + 0.08 * (high - low) for plane in planes], axis=0)
    found = []
    for axis, mm in ((1, lay.row_mm), (0, lay.column_mm)):
        hit = np.flatnonzero(seen.any(axis=axis))
        more = round(MARGIN_MM / mm)
        length = seen.shape[1 - axis]
        found.append(slice(max(0, hit[0] - more), min(length, hit[-1] + 1 + more)) if hit.size else slice(0, length))
    return found[0], found[1]


def picture(
    plane: NDArray[np.float32],
    window: tuple[float, float],
    lay: Lay,
    prediction: NDArray[np.bool_] | None = None,
    truth: NDArray[np.bool_] | None = None,
) -> bytes:
    """One slice as PNG, with outlines.

    Args:
        plane, prediction, truth: (rows, columns) on the screen's axes.
        window: (low, high) in the plane's own values.
    """
    low, high = window
    grey = (np.clip((plane - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)
    mm = (plane.shape[0] * lay.row_mm, plane.shape[1] * lay.column_mm)
    height, width = (max(1, round(LONGER_SIDE * side / max(mm))) for side in mm)
    smooth = Image.fromarray(np.ascontiguousarray(grey)).resize((width, height), Image.Resampling.BICUBIC)
    colours = np.repeat(np.asarray(smooth)[:, :, None], 3, axis=2)
    for mask, colour, dashed in ((truth, BLUE, False), (prediction, ORANGE, True)):
        if mask is not None:
            colours[outline(mask, (height, width), dashed)] = colour
    out = io.BytesIO()
    Image.fromarray(colours).save(out, "PNG", optimize=False)
    return out.getvalue()


def outline(mask: NDArray[np.bool_], size: tuple[int, int], dashed: bool) -> NDArray[np.bool_]:
    """The inner edge of a mask at the picture's size."""
    large = Image.fromarray(np.ascontiguousarray(mask.astype(np.uint8))).resize(size[::-1], Image.Resampling.NEAREST)
    inside = np.asarray(large) > 0
    edge = inside & ~ndimage.binary_erosion(inside, iterations=LINE)
    if dashed:
        row, column = np.indices(size, sparse=True)
        edge &= (row + column) // DASH % 2 == 0
    return np.asarray(edge)
