"""Affines as scanners make them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from core.imaging.volume import Affine


def affine_of(
    letters: str = "RAS",
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Affine:
    """Axes along `letters`, then turned by degrees about the patient's axes."""
    affine = np.eye(4)
    for axis, letter in enumerate(letters):
        row = next(r for r, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        affine[:3, axis] = 0
        affine[row, axis] = spacing[axis] if letter in "RAS" else -spacing[axis]
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = origin
    return affine
