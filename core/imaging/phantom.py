"""Synthetic stroke cases: a head with lesions, as the scanner would show it.

Everything follows from the seed and lies in the patient, not in the grid: any orientation, obliquity and spacing gives
the same head. Values are chosen to look like DWI (b 1000), ADC, NCCT, Tmax and CBF, and are no reference for any of
them. Writes no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.imaging.anatomy import AIR, CSF, GREY, WHITE, Field, Head, Points, ball
from core.imaging.geometry import working_grid, world
from core.imaging.lesion import Lesion as Lesion
from core.imaging.resample import upsample
from core.imaging.volume import Affine, Mask, Volume, spacing_of, voxel_ml_of

Floats = NDArray[np.float32]
UNITS = {"dwi": "", "adc": "1e-6 mm2/s", "ncct": "HU", "tmax": "s", "cbf": "ml/100 g/min"}

_MEANS = {  # air, soft, bone, CSF, grey, white
    "dwi": (0, 55, 14, 48, 255, 205),
    "adc": (0, 0, 0, 2950, 830, 720),
    "ncct": (-1000, 18, 1000, 6, 38, 28),
    "tmax": (0, 0, 0, 0, 1.4, 1.9),
    "cbf": (0, 0, 0, 4, 62, 26),
}
_CRUMB_ML = 0.06
_BLUR_MM = {"dwi": 1.3, "adc": 1.3, "ncct": 0.8, "tmax": 2.2, "cbf": 2.2}


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """Images by modality (dwi, adc, ncct, tmax, cbf) and the true lesion, all on one grid."""

    images: Mapping[str, Volume]
    lesion: Mask


def head(shape: tuple[int, int, int], affine: Affine, seed: int, lesions: Sequence[Lesion] = ()) -> PhantomCase:
    """A head with its middle near world (0, 0, 0), turned and shifted a little as heads are.

    Raises:
        BadVolume: the grid cannot be an image.
    """
    rng = np.random.default_rng(seed)
    person, rough = Head.draw(rng), Field.draw(rng, 5.0)
    points = _points(shape, affine, rng)
    tissue = person.tissue(points)
    core, territory, adc = _infarcts(points, tissue, lesions, rough)
    core[~_solid(core.reshape(shape, order="F") > 0, affine).ravel(order="F")] = 0
    bias = _bias(points, rng)
    lie = partial(np.reshape, shape=shape, order="F")
    scene = _Scene(lie(tissue), lie(core), lie(territory), lie(adc), lie(bias))
    images = {}
    for name in _MEANS:
        blur_voxels = [_BLUR_MM[name] / s / 2 for s in spacing_of(affine)]
        image = ndimage.gaussian_filter(_signal(name, scene), blur_voxels, truncate=2.5)
        images[name] = Volume(np.asfortranarray(_acquire(name, image, scene, rng)), affine, UNITS[name])
    return PhantomCase(images, Mask(scene.core > 0, affine))


def on_fine_grid(shape: tuple[int, int, int], affine: Affine, seed: int, lesions: Sequence[Lesion]) -> PhantomCase:
    """DWI, ADC and lesion acquired at about 2 mm and then interpolated onto a fine grid, as ISLES'24 publishes them."""
    coarse_shape, coarse_affine = working_grid(shape, affine, 2.0)
    case = head(coarse_shape, coarse_affine, seed, lesions)
    images = {
        name: Volume(upsample(case.images[name].data, coarse_affine, shape, affine), affine, UNITS[name])
        for name in ("dwi", "adc")
    }
    fine = upsample(case.lesion.data.astype(np.float32), coarse_affine, shape, affine)
    return PhantomCase(images, Mask(fine > 0.5, affine))


def isles24_grid() -> tuple[tuple[int, int, int], Affine]:
    """The shape and affine of a released ISLES'24 case: 512 x 586 x 74 at 0.383 x 0.383 x 2.0 mm, gantry tilt, LAS."""
    shape, tilt = (512, 586, 74), np.deg2rad(14.0)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.383, 0.383, 2.0])
    affine[:3, 3] = (0, 0, 12) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)  # crown and cerebellum are inside
    return shape, affine


@dataclass(frozen=True, eq=False)
class _Scene:
    """What lies where, (X, Y, Z) each; the last four as `_infarcts` and `_bias` return them."""

    tissue: NDArray[np.uint8]
    core: Floats
    territory: Floats
    adc: Floats
    bias: Floats


def _points(shape: tuple[int, int, int], affine: Affine, rng: np.random.Generator) -> Points:
    """Head coordinates of all voxels, first axis fastest."""
    tilt, shift = np.deg2rad(rng.uniform(-3, 3, 3)), rng.uniform(-3, 3, 3)
    a, b, c = tilt
    turn = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])  # small angles
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape[::-1]), indexing="ij")
    step = turn.T @ affine[:3, :3]
    start = turn.T @ (world(affine, (0, 0, 0)) - shift)
    points = np.empty((i.size, 3), dtype=np.float32, order="F")
    for row in range(3):
        points[:, row] = (step[row, 0] * i + step[row, 1] * j + step[row, 2] * k + start[row]).ravel()
    return points


def _infarcts(
    points: Points, tissue: NDArray[np.uint8], lesions: Sequence[Lesion], rough: Field
) -> tuple[Floats, Floats, Floats]:
    """Per voxel: DWI gain - 1 inside infarcts; severity 0..1 of the hypoperfused territory; ADC inside infarcts."""
    core, territory, adc = (np.zeros(len(points), dtype=np.float32) for _ in range(3))
    brain = np.flatnonzero((tissue == GREY) | (tissue == WHITE))
    texture = rough.at(points[brain]) if lesions else np.zeros(len(brain), dtype=np.float32)
    for lesion in lesions:
        own_side = points[brain, 0] * np.sign(lesion.centre_mm[0]) > 0.5
        ragged = (0.16 if min(lesion.radii_mm) > 6 else 0.05) * texture
        inside = (ball(points[brain], lesion.centre_mm, lesion.radii_mm) + ragged > 0) & own_side
        core[brain[inside]] = (lesion.brightness - 1) * (1 + 0.12 * texture[inside])
        adc[brain[inside]] = lesion.adc + 45 * texture[inside]
        if lesion.penumbra > 1:
            x, y, z = (lesion.penumbra * r for r in lesion.radii_mm)
            wide = ball(points[brain], lesion.centre_mm, (x, y, z)) + ragged
            wide[~own_side] = 0
            territory[brain] = np.maximum(territory[brain], np.clip(wide, 0, 1))
    return core, territory, adc


def _solid(mask: NDArray[np.bool_], affine: Affine) -> NDArray[np.bool_]:
    """The mask without the crumbs that sulci and noise cut off."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes * voxel_ml_of(affine) >= _CRUMB_ML
    keep[0] = False
    return np.asarray(keep[labels])


def _bias(points: Points, rng: np.random.Generator) -> Floats:
    """The receive coils' uneven sensitivity, about +-15 %."""
    slope = rng.uniform(-0.10, 0.10, 3)
    field = 1 + (points @ slope.astype(np.float32)) / 90 + 0.06 * (ball(points, (0, 0, 0), (90, 90, 90)) - 0.3)
    return np.asarray(field, dtype=np.float32)


def _signal(name: str, scene: _Scene) -> Floats:
    """The noiseless image of one modality."""
    image = np.asarray(_MEANS[name], dtype=np.float32)[scene.tissue]
    core, territory = scene.core, scene.territory
    dead, starved = core > 0, territory > 0
    if name == "dwi":
        image *= 1 + core
    elif name == "adc":
        image[dead] = scene.adc[dead]
    elif name == "ncct":
        image[dead] -= 6
    elif name == "tmax":
        image[starved] = 6.2 + 9 * territory[starved]
        image[dead] = np.maximum(image[dead], 8)
    elif name == "cbf":
        image[starved] *= 0.5
        image[dead] = np.minimum(image[dead], 8)
    return image


def _acquire(name: str, image: Floats, scene: _Scene, rng: np.random.Generator) -> Floats:
    """Noise and what scanners cut away: the air around the head, and for maps everything but the brain."""
    tissue = scene.tissue
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if name == "dwi":
        other = rng.standard_normal(image.shape, dtype=np.float32)
        signal = np.hypot(image * scene.bias + 8 * noise, 8 * other)  # magnitude images have Rician noise
        return np.asarray(np.where(tissue == AIR, 0, signal), np.float32)
    if name == "ncct":
        return np.asarray(np.where(image < -900, -1000, np.maximum(image + 3.2 * noise, -1000)), np.float32)
    spread = {"adc": 45.0, "tmax": 0.45, "cbf": 4.0}[name]
    return np.asarray(np.where(tissue >= CSF, np.maximum(image + spread * noise, 0), 0), np.float32)
