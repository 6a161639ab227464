"""Faces: whether a head image may show one, by a geometric rule of thumb.

In a head that was not defaced there is skin at the height of nose and mouth, in the middle, about as far in front as
the forehead; where a face was cut away, or the brain alone is left, there is none. The rule looks at a coarse upright
copy only. It calls a blurred or pixelated face a face, does not look at ears and eyes, takes a helmet for one, and
cannot judge where crown, nose or mouth are out of view or the file does not say where front is: then it says so. It
warns, and a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.imaging.geometry import corners, world
from core.imaging.header import Header
from core.imaging.volume import Affine

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

_PITCH_MM = 3.0  # of the copies
_MOST_SLAB = 1 << 26  # bytes of one plane of voxels that are held
_MOST_MM = 600.0  # a head image is no larger
_BROW_MM = (25.0, 75.0)  # below the crown: forehead
_FACE_MM = (105.0, 150.0)  # below the crown: nose and mouth
_HALF_MM = 30.0  # to both sides of the middle
_BACK_MM = 24.0  # behind the forehead's front: where a face begins
_SURE = 0.15  # part of that room which is filled: synthetic whole heads have 0.3 to 0.5, cut ones 0.1 at most
_SEEN = 0.6  # part of that room which must be in view
_HU_TISSUE = -300.0


@dataclass(frozen=True)
class Face:
    """The rule's answer: "face", "none" or "unclear", and why, with its numbers."""

    answer: Literal["face", "none", "unclear"]
    why: str


class Coarse:
    """A coarse copy of an image's first volume, made while its voxels pass.

    Args:
        header: the image's own.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._kind = np.dtype(header.dtype).newbyteorder(header.byteorder)
        self._steps = [max(1, round(_PITCH_MM / size)) for size in header.spacing_mm]
        x, y, z = header.grid
        self._plane, self._left = x * y * self._kind.itemsize, z
        sizes = [n * size for n, size in zip(header.grid, header.spacing_mm, strict=True)]
        self._possible = self._plane <= _MOST_SLAB and min(header.grid) >= 8 and max(sizes) <= _MOST_MM
        self._held = bytearray()
        self._planes: list[Floats] = []

    def feed(self, data: bytes) -> None:
        """The next bytes of the voxels; those after the first volume are passed over."""
        if not self._possible or not self._left:
            return
        self._held += data
        start = 0
        while self._left and len(self._held) - start >= self._plane:
            if (self._header.grid[2] - self._left) % self._steps[2] == 0:
                self._planes.append(self._coarse(bytes(memoryview(self._held)[start : start + self._plane])))
            start += self._plane
            self._left -= 1
        del self._held[: start if self._left else None]

    def judge(self) -> Face:
        """What the rule says, once all voxels passed."""
        if not self._header.oriented:
            return Face("unclear", "the file does not say where front is")
        if not self._possible or self._left:
            return Face("unclear", "the image is too flat or too large for the rule")
        affine = self._header.affine.copy()
        affine[:3, :3] *= self._steps
        return judge_head(*_upright(np.stack(self._planes, axis=2), affine))

    def _coarse(self, plane: bytes) -> Floats:
        x, y, _ = self._header.grid
        values = np.frombuffer(plane, self._kind).reshape((x, y), order="F")[:: self._steps[0], :: self._steps[1]]
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (values.astype(np.float64) * self._header.slope + self._header.inter).astype(np.float32)
        return np.where(np.isfinite(scaled), scaled, np.float32(0)).astype(np.float32)


def judge_head(values: Floats, seen: Bools) -> Face:
    """The rule itself.

    Args:
        values: (X, Y, Z) float32, axes to the right, the front and the crown, voxels of 3 mm.
        seen: the same shape; where the image has values at all.
    """
    tissue = _tissue(values, seen)
    if tissue is None:
        return Face("unclear", "no head stands out from the background")
    areas = tissue.sum(axis=(0, 1))
    above = np.concatenate([seen[:, :, 1:], np.zeros_like(seen[:, :, :1])], axis=2)
    if (tissue & ~above).sum() > 0.3 * areas.max():
        return Face("unclear", "the crown is not in view")
    crown = int(np.flatnonzero(areas > 0.08 * areas.max())[-1])
    brow: Bools = tissue[:, :, _levels(crown, _BROW_MM)]
    wide = np.flatnonzero(brow.any(axis=(1, 2)))
    if not len(wide):
        return Face("unclear", "no forehead was found")
    middle, half = round(float(wide[0] + wide[-1]) / 2), round(_HALF_MM / _PITCH_MM)
    across = slice(max(0, middle - half), middle + half + 1)
    front = int(np.flatnonzero(brow[across].any(axis=(0, 2))).max(initial=0))
    along = slice(max(0, front - round(_BACK_MM / _PITCH_MM)), front + 1)
    levels = _levels(crown, _FACE_MM)
    room, view = tissue[across, along, levels], seen[across, along, levels]
    needed = (2 * half + 1) * (round(_BACK_MM / _PITCH_MM) + 1) * round((_FACE_MM[1] - _FACE_MM[0]) / _PITCH_MM)
    if view.sum() < _SEEN * needed:
        return Face("unclear", "nose and mouth are not in view")
    filled = float(room.sum() / view.sum())
    why = f"{100 * filled:.0f} % of the room of nose and mouth is filled ({room.sum() * _PITCH_MM**3 / 1000:.0f} ml)"
    return Face("face" if filled >= _SURE else "none", why)


def _levels(crown: int, below_mm: tuple[float, float]) -> slice:
    """Indices of what lies so far below the crown."""
    high, low = (crown - round(mm / _PITCH_MM) for mm in below_mm)
    return slice(max(0, low), max(0, high))


def _tissue(values: Floats, seen: Bools) -> Bools | None:
    """What is head and not air; None if nothing stands out."""
    low, high = (float(v) for v in np.percentile(values[seen], (1, 99))) if seen.any() else (0.0, 0.0)
    if high <= low:
        return None
    hounsfield = low <= -700 and high < 4000
    tissue = np.asarray(values > (_HU_TISSUE if hounsfield else low + 0.12 * (high - low))) & seen
    return tissue if 0.02 < tissue.sum() / seen.sum() < 0.95 else None


def _upright(values: Floats, affine: Affine) -> tuple[Floats, Bools]:
    """The nearest values on a grid along the patient's axes, and where there are any."""
    ends = world(affine, corners(values.shape))
    low, high = ends.min(axis=0), ends.max(axis=0)
    axes = [np.arange(a, b + _PITCH_MM / 2, _PITCH_MM) for a, b in zip(low, high, strict=True)]
    back = np.linalg.inv(affine)
    upright: Floats = np.zeros([len(axis) for axis in axes], dtype=np.float32)
    seen: Bools = np.zeros(upright.shape, dtype=np.bool_)
    shape = np.array(values.shape)
    plane = axes[0][:, None, None] * back[:3, 0] + axes[1][None, :, None] * back[:3, 1] + back[:3, 3]
    for level, z in enumerate(axes[2]):  # a level at a time, for the sake of memory
        nearest = np.rint(plane + z * back[:3, 2]).astype(np.int32)
        seen[:, :, level] = ((nearest >= 0) & (nearest < shape)).all(axis=2)
        i, j, k = np.moveaxis(np.clip(nearest, 0, shape - 1), 2, 0)
        upright[:, :, level] = values[i, j, k]
    return upright, seen
