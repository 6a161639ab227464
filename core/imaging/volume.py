"""Volume and Mask: one image on one grid.

Holds voxels together with the affine that places them in the patient, and checks both once, on construction. Does not
read files (nifti.py), resample (geometry.py), or know what a case is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadVolume

Affine = NDArray[np.float64]  # (4, 4), voxel index -> RAS+ in mm


def check_grid(shape: tuple[int, ...], affine: Affine) -> None:
    """Raise BadVolume unless the shape is 3D and not empty, and the affine finite and invertible."""
    if len(shape) != 3 or 0 in shape:
        raise BadVolume(
            f"expected a 3D image, got shape {shape}",
            hint="save one time point as a 3D file",
        )
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise BadVolume("the affine is not a finite 4 x 4 matrix", hint="export the image again with its orientation")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise BadVolume("the affine folds space flat (zero voxel size)", hint="check the pixel spacing in the header")


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Voxel size along each stored axis, in mm."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def voxel_ml_of(affine: Affine) -> float:
    """Volume of one voxel in millilitres; right for oblique and sheared grids too."""
    return float(abs(np.linalg.det(affine[:3, :3]))) / 1000.0


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels in patient space.

    Attributes:
        data: (X, Y, Z) float32, axes as stored; the affine says where they point.
        affine: (4, 4) float64, voxel index to RAS+ in mm.
        unit: meaning of a voxel value: "HU", "1e-6 mm2/s", "s", or "" when the file does not say.

    Raises:
        BadVolume: data is not 3D or empty, or the affine is not finite and invertible.
    """

    data: NDArray[np.float32]
    affine: Affine
    unit: str = ""

    def __post_init__(self) -> None:
        check_grid(self.data.shape, self.affine)
        if self.data.dtype != np.float32:
            raise BadVolume(
                f"expected float32 voxels, got {self.data.dtype}", hint="read images with nifti.read_volume"
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each stored axis, in mm."""
        return spacing_of(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return voxel_ml_of(self.affine)


@dataclass(frozen=True, eq=False)
class Mask:
    """A binary segmentation on one grid.

    Attributes:
        data: (X, Y, Z) bool, axes as stored.
        affine: (4, 4) float64, voxel index to RAS+ in mm.

    Raises:
        BadVolume: data is not 3D, empty or not bool, or the affine is not finite and invertible.
    """

    data: NDArray[np.bool_]
    affine: Affine

    def __post_init__(self) -> None:
        check_grid(self.data.shape, self.affine)
        if self.data.dtype != np.bool_:
            raise BadVolume(f"expected a bool mask, got {self.data.dtype}", hint="read masks with nifti.read_mask")

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each stored axis, in mm."""
        return spacing_of(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return voxel_ml_of(self.affine)

    @property
    def volume_ml(self) -> float:
        """Volume of all voxels inside, in millilitres."""
        return float(np.count_nonzero(self.data)) * self.voxel_ml
