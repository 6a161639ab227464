"""The anatomy of a synthetic head: which tissue lies where, in mm.

Head coordinates are RAS+ mm around the middle of the brain, so the same head can be sampled on any grid. Ellipsoids and
smooth noise, drawn after textbook proportions; believable, not accurate. Makes no images (phantom.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

AIR, SOFT, BONE, CSF, GREY, WHITE = range(6)
Points = NDArray[np.float32]  # (N, 3) head coordinates in mm
Values = NDArray[np.float32]  # (N,)

_EXTENT_MM = 130.0  # noise is defined within this distance of the middle along each axis


@dataclass(frozen=True, eq=False)
class Field:
    """Smooth noise of unit variance over head space."""

    lattice: NDArray[np.float32]
    pitch_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator, smooth_mm: float) -> Field:
        """New noise whose features are about three times `smooth_mm` apart."""
        pitch = max(smooth_mm / 1.4, 2.4)
        count = int(2 * _EXTENT_MM / pitch) + 2
        raw = rng.standard_normal((count, count, count), dtype=np.float32)
        lattice = ndimage.gaussian_filter(raw, smooth_mm / pitch, truncate=2.5, mode="wrap")
        return cls((lattice / lattice.std()).astype(np.float32), pitch)

    def at(self, points: Points) -> Values:
        """Values at (N, 3) points."""
        where = (points.T + _EXTENT_MM) / self.pitch_mm
        return np.asarray(ndimage.map_coordinates(self.lattice, where, np.float32, 1, mode="nearest"))


@dataclass(frozen=True, eq=False)
class Head:
    """One person's build.

    Attributes:
        scale: (3,) size relative to the average head, per axis.
        ventricles: size of the ventricles relative to the average.
        folds, own_folds: what both hemispheres share, and what each has for itself.
    """

    scale: NDArray[np.float32]
    ventricles: float
    folds: Field
    own_folds: Field

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Head:
        """A new person."""
        scale = rng.uniform(0.96, 1.04, 3).astype(np.float32)
        return cls(scale, float(rng.uniform(0.75, 1.45)), Field.draw(rng, 4.2), Field.draw(rng, 4.2))

    def tissue(self, points: Points) -> NDArray[np.uint8]:
        """(N,) tissue at (N, 3) points."""
        p = points / self.scale
        q = p.copy(order="F")
        q[:, 0] = np.abs(q[:, 0])  # paired structures are drawn once
        depth = _brain_depth(q)
        out = _around(p, q, depth, self.own_folds)
        inner = np.flatnonzero(depth > 0)
        noise = 0.75 * self.folds.at(q[inner]) + 0.66 * self.own_folds.at(p[inner])
        out[inner] = _brain(q[inner], depth[inner], noise, self.ventricles)
        return out


def ball(points: Points, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Values:
    """1 at the centre of an ellipsoid, 0 on its surface, negative outside; (N,)."""
    squares = np.zeros(len(points), dtype=np.float32)
    for axis in range(3):
        squares += ((points[:, axis] - np.float32(centre[axis])) * np.float32(1 / radii[axis])) ** 2
    return np.asarray(1 - np.sqrt(squares, out=squares), dtype=np.float32)


def _cerebrum(q: Points) -> Values:
    narrow = np.where(q[:, 1] > 0, 1 + (q[:, 1] / 190) ** 2, 1)  # the forehead is narrower than the back
    flat = np.where(q[:, 2] < 8, 62 / 34, 1)  # and the base flatter than the vault
    bent = np.stack([q[:, 0] * narrow, q[:, 1], (q[:, 2] - 8) * flat], axis=1).astype(np.float32)
    return ball(bent, (0, -4, 0), (66, 84, 62))


def _brain_depth(q: Points) -> Values:
    """Rough depth below the brain's surface in mm, negative outside."""
    lobes = (
        66 * _cerebrum(q),
        24 * ball(q, (40, -2, -18), (23, 42, 22)),  # temporal
        26 * ball(q, (19, -54, -36), (31, 28, 23)),  # cerebellum
        13 * ball(q, (0, -26, -40), (14, 13, 40)),  # brain stem
    )
    return np.asarray(np.maximum.reduce(lobes), dtype=np.float32)


def _around(p: Points, q: Points, depth: Values, rough: Field) -> NDArray[np.uint8]:
    """Everything but the brain: air, skin and muscle, skull, the fluid around the brain."""
    cranium = 78 * ball(p, (0, -4, 6), (72, 90, 70))
    face = ball(p, (0, 12, -64), (62, 82, 62))
    out = np.full(len(p), AIR, dtype=np.uint8)
    out[(cranium > -12.5) | (face > 0)] = SOFT
    out[(cranium > -7) & (cranium <= 0)] = BONE
    base = np.flatnonzero((cranium > 0) & (depth <= 0) | (face > 0.2) & (cranium <= -7))
    out[base] = np.where(rough.at(p[base]) > 0.3, BONE, SOFT)
    out[(ball(q, (6, 74, -34), (13, 13, 16)) > 0) | (ball(q, (50, -30, -46), (8, 10, 11)) > 0)] = AIR  # sinuses
    out[(cranium > 0) & (depth > -6) & (depth <= 0)] = CSF
    out[(cranium > 0) & (p[:, 2] > 0)] = CSF
    return out


def _brain(q: Points, depth: Values, noise: Values, size: float) -> NDArray[np.uint8]:
    """Fluid, grey and white matter inside the brain; `noise` folds the cortex along the sheets where it is near 0."""
    x, y, z = q.T
    folia = (26 * ball(q, (19, -54, -36), (31, 28, 23)) > 0) & (66 * _cerebrum(q) < 3)
    stem = (ball(q, (0, -26, -40), (14, 13, 40)) > 0) & ~folia
    sheet = np.where(folia, np.abs(np.sin(0.9 * z + 0.12 * y + 0.8 * noise)), np.abs(noise))
    reach = np.where(folia, 9, 17)
    out = np.full(len(q), WHITE, dtype=np.uint8)
    cortex = ((sheet < 0.6) & (depth < reach)) | (depth < 3)
    out[cortex & ~stem] = GREY
    out[(sheet < 0.21 * (1 - depth / 16)) & ~stem & ~folia] = CSF
    split = ((y + 4) / 52) ** 2 + ((z - 14) / 24) ** 2 > 1  # above and around the corpus callosum
    middle = split & (z > -20) & ~folia & ~stem
    out[middle & (x < 4.5) & (out == WHITE)] = GREY
    out[middle & (x < 1.3)] = CSF
    insula = (np.abs(y - 2) < 19) & (np.abs(z - 4) < 17) & (x > 30)
    bent = x - 41 + 2.2 * noise
    cleft = np.minimum(np.abs(bent), np.hypot(np.clip(-bent, 0, None), y - 20 + bent * 0.2 + 2.2 * noise))
    out[insula & (cleft < 4.5) & (out == WHITE)] = GREY
    out[insula & (cleft < 1.3)] = CSF
    for centre, radii in (((11, -14, 6), (9, 14, 9)), ((13, 18, 10), (5, 11, 9)), ((26, 4, 3), (6, 16, 11))):
        out[ball(q, centre, radii) > 0] = GREY  # thalamus, caudate, putamen
    out[_ventricles(q, size)] = CSF
    out[folia & (np.abs(66 * _cerebrum(q)) < 1.3)] = CSF  # under the tentorium
    return out


def _ventricles(q: Points, size: float) -> NDArray[np.bool_]:
    arched = q + np.stack([0 * q[:, 0], 0 * q[:, 0], (q[:, 1] / 32) ** 2 * 6], axis=1).astype(np.float32)
    parts = (
        ball(arched, (9, -4, 22), (5 * size, 30, 6 * size)),
        ball(q, (10, 26, 13), (5 * size, 12, 8 * size)),
        ball(q, (23, -46, 10), (5 * size, 20, 7 * size)),
        ball(q, (33, -14, -14), (2.5 * size, 15, 3 * size)),
        ball(q, (0, -6, 5), (1.9 * size, 13, 9)),
        ball(q, (0, -43, -36), (6, 4, 8)),
    )
    return np.asarray(np.maximum.reduce(parts) > 0)
