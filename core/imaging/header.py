"""Header: what an image file says of itself, and which of its affines to believe.

Does not read files (nifti.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from core.errors import BadVolume
from core.imaging.volume import Affine, check_grid, spacing_of

_SPACING_MM = (0.01, 200.0)  # outside this a header's voxel size is a mistake


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself.

    Attributes:
        shape: as stored, 3 to 7 axes.
        spacing_mm: voxel size along the first three axes, from the affine.
        dtype: of the voxels on disk, e.g. "float64".
        affine: (4, 4) float64, voxel index to RAS+ in mm; the sform, else the qform, else by voxel sizes alone.
        slope, inter: value = stored x slope + inter; (1, 0) when the file does not scale.
        raw_bytes: decoded bytes of the voxels.
        orientation: where the stored axes point, e.g. "LAS".
        qform_code, sform_code: 0 when absent; with both 0 nobody can tell left from right.
        description: free text of the file.
        vox_offset: decoded bytes before the first voxel.
        byteorder: "<" or ">".
        step_s: seconds from one volume of a series to the next; None when the file does not say.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, float, float]
    dtype: str
    affine: Affine
    slope: float
    inter: float
    raw_bytes: int
    orientation: str
    qform_code: int
    sform_code: int
    description: str
    vox_offset: int = 352
    byteorder: Literal["<", ">"] = "<"
    step_s: float | None = None

    @property
    def grid(self) -> tuple[int, int, int]:
        """The first three axes."""
        return self.shape[0], self.shape[1], self.shape[2]

    @property
    def volumes(self) -> int:
        """How many 3D images the file holds."""
        return prod(self.shape[3:])

    @property
    def volume_bytes(self) -> int:
        """Decoded bytes of one 3D image."""
        return self.raw_bytes // self.volumes

    @property
    def oriented(self) -> bool:
        """Whether the file says where left is."""
        return self.qform_code > 0 or self.sform_code > 0


def settle_affine(shape: tuple[int, ...], sform: Affine | None, qform: Affine | None, by_size: Affine) -> Affine:
    """The sform, else the qform, else voxel sizes alone (`by_size`), as (4, 4) float64.

    Raises:
        BadVolume: it cannot be an image's, or sform and qform point an axis more than 45 degrees apart (or one of them
            is not finite), so that left and right would depend on the program that reads the file.
    """
    affine = np.asarray(sform if sform is not None else qform if qform is not None else by_size, dtype=np.float64)
    check_grid(shape[:3], affine)
    low, high = _SPACING_MM
    if not all(low <= s <= high for s in spacing_of(affine)):
        raise BadVolume("the header gives impossible voxel sizes", hint="check the pixel spacing in the header")
    if not all(form is None or np.isfinite(form).all() for form in (sform, qform)):
        raise BadVolume("one of the file's two orientations (sform, qform) is not finite", hint="export it again")
    if sform is not None and qform is not None:
        with np.errstate(all="ignore"):
            cosines = (sform * qform)[:3, :3].sum(axis=0) / np.multiply(spacing_of(sform), spacing_of(qform))
        if (cosines < np.cos(np.pi / 4)).any():  # never for a qform axis without a size: it points nowhere
            raise BadVolume("the file's two orientations (sform, qform) contradict each other", hint="export it again")
    return affine
