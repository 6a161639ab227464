"""Heads that show what the diffusion engine is known to fail at, each generated from a seed, and what it makes of them.

Six families: bias field, lesions on both sides, T2 shine-through, bright rims, skull and scalp left on, no lesion at
all. The artefacts are drawn by hand after their physics and are no reference for a scanner's. Judges no result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import BadInput
from core.imaging.phantom import Lesion, PhantomCase, head
from core.imaging.volume import Mask, Volume
from core.segmentation.engine import load_engine
from core.segmentation.engines.diffusion_pipeline import run
from tests.segmentation.heads import EMBOLUS, SHAPE, SPACING, TERRITORY, centred, dice, pair

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
FAMILIES = ("bias field", "both sides", "shine-through", "rim", "skull on", "no lesion")
SMALL = Lesion((-28, 8, 22), (9, 9, 9))


@dataclass(frozen=True, eq=False)
class Hard:
    """One case.

    Attributes:
        family: one of FAMILIES.
        inputs: dwi and adc.
        truth: the infarcts; what shines through and what rims show are no part of it.
    """

    family: str
    inputs: Mapping[str, Volume]
    truth: Mask


@dataclass(frozen=True)
class Outcome:
    """What the engine made of a case: Dice, ml that it found, invented and missed, and its warnings."""

    dice: float
    found_ml: float
    false_ml: float
    missed_ml: float
    warnings: tuple[str, ...]

    def said(self, words: str) -> bool:
        """Whether a warning holds these words."""
        return any(words in sentence for sentence in self.warnings)


def outcome(case: Hard) -> Outcome:
    """Run the engine with its defaults; a refusal finds nothing and counts as one warning."""
    info = load_engine("diffusion").info
    settled = {name: float(value) for name, value in info.settle({}).items()}
    truth = case.truth.data
    try:
        found = run(case.inputs, settled, lambda _phase, _done: None)
        mask, warnings = found.mask.data, found.warnings
    except BadInput as refused:
        mask, warnings = np.zeros_like(truth), (f"Refused: {refused}",)
    parts = (mask, mask & ~truth, truth & ~mask)
    found_ml, false_ml, missed_ml = (float(np.count_nonzero(part)) * case.truth.voxel_ml for part in parts)
    return Outcome(dice(mask, truth), found_ml, false_ml, missed_ml, warnings)


def made(family: str, case: PhantomCase, change: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Hard:
    """The case with DWI and ADC changed."""
    inputs = pair(case)
    dwi, adc = change(inputs["dwi"].data, inputs["adc"].data)
    volumes = {"dwi": dwi, "adc": adc}
    return Hard(family, {n: Volume(v.astype(np.float32), case.lesion.affine) for n, v in volumes.items()}, case.lesion)


def places() -> tuple[Floats, Floats, Floats]:
    """Right, front and up of every voxel in mm, broadcastable."""
    x, y, z = ((np.arange(n, dtype=np.float32) - (n - 1) / 2) * s for n, s in zip(SHAPE, SPACING, strict=True))
    return x[:, None, None], y[None, :, None], z[None, None, :]


def blob(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Bools:
    """An ellipsoid in head coordinates."""
    squares = [((p - c) / r) ** 2 for p, c, r in zip(places(), centre, radii, strict=True)]
    return np.asarray(squares[0] + squares[1] + squares[2] < 1, dtype=np.bool_)


def plain(dwi: Floats, adc: Floats) -> tuple[Floats, Floats]:
    """Nothing changed."""
    return dwi, adc


def sloped(strength: float) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """Coils that see the left better than the right: a log-linear slope, its share per 70 mm."""
    x, _, _ = places()
    return lambda dwi, adc: (dwi * np.exp(-strength * x / 70), adc)


def near_coil(strength: float) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """One coil element left behind the head that sees what is near it too brightly, as no polynomial of degree 2."""
    x, y, z = places()
    squared = ((x + 62) / 38) ** 2 + ((y + 50) / 38) ** 2 + ((z - 10) / 38) ** 2
    return lambda dwi, adc: (np.asarray(dwi * (1 + strength * np.exp(-squared)), np.float32), adc)


def shining(dwi: Floats, adc: Floats, level: float, gain: float) -> tuple[Floats, Floats]:
    """Old or vasogenic changes: bright on DWI by their T2, with an ADC of `level` where normal tissue has 800."""
    where = (blob((30, -30, 28), (15, 17, 13)) | blob((22, 22, 22), (7, 7, 7))) & (adc > 0) & (adc < 1500)
    return np.where(where, dwi * gain, dwi), np.where(where, adc * np.float32(level / 800), adc)


def rims(dwi: Floats, adc: Floats, sides: tuple[int, ...], drop: float) -> tuple[Floats, Floats]:
    """Pile-up above the ear and the frontal sinus: thin bright sheets at the base whose ADC falls as well."""
    brain = adc > 0
    depth = ndimage.distance_transform_edt(brain, sampling=SPACING)
    base = np.zeros_like(brain)
    for side in sides:
        base |= blob((side * 42, -8, -26), (22, 30, 12)) | blob((side * 10, 62, -8), (14, 14, 12))
    sheet = base & brain & (depth < 7)
    return np.where(sheet, dwi * 2.0, dwi), np.where(sheet, adc * np.float32(drop), adc)


def scalp(dwi: Floats, adc: Floats, signal: float) -> tuple[Floats, Floats]:
    """Fat that was not suppressed: a bright shell around the head, and an ADC map with values in it."""
    shell = (adc <= 0) & (dwi > 0)
    rng = np.random.default_rng(7)
    noisy = (signal * rng.uniform(0.7, 1.3, dwi.shape)).astype(np.float32)
    eyes = (blob((30, 78, -22), (12, 12, 12)) | blob((-30, 78, -22), (12, 12, 12))) & (adc <= 0)
    low = np.where(shell, rng.uniform(50, 500, dwi.shape).astype(np.float32), adc)
    return np.where(eyes, np.float32(60), np.where(shell, noisy, dwi)), np.where(eyes, np.float32(2800), low)


def twins(case_seed: int, lesion: Lesion) -> PhantomCase:
    """The lesion and its mirror image."""
    x, y, z = lesion.centre_mm
    other = Lesion((-x, y, z), lesion.radii_mm, lesion.brightness, lesion.adc)
    return head(SHAPE, centred(), case_seed, (lesion, other))


def cases() -> dict[str, Callable[[], Hard]]:
    """Name -> maker, in the families' order."""

    def sick(seed: int = 3) -> PhantomCase:
        return head(SHAPE, centred(), seed, (TERRITORY, EMBOLUS))

    def small(seed: int) -> PhantomCase:
        return head(SHAPE, centred(), seed, (SMALL,))

    def none(seed: int) -> PhantomCase:
        return head(SHAPE, centred(), seed)

    return {
        "slope 0.5, two infarcts": lambda: made(FAMILIES[0], sick(), sloped(0.5)),
        "slope 1.0, two infarcts": lambda: made(FAMILIES[0], sick(), sloped(1.0)),
        "slope -1.0, one small": lambda: made(FAMILIES[0], small(12), sloped(-1.0)),
        "near coil, two infarcts": lambda: made(FAMILIES[0], sick(), near_coil(1.0)),
        "near coil, no infarct": lambda: made(FAMILIES[0], none(13), near_coil(1.5)),
        "twins, occipital": lambda: made(FAMILIES[1], twins(6, Lesion((-30, -60, 15), (8, 10, 8))), plain),
        "twins, territories": lambda: made(FAMILIES[1], twins(14, Lesion((-40, -5, 25), (17, 24, 18))), plain),
        "twins, thalamic": lambda: made(FAMILIES[1], twins(15, Lesion((-11, -14, 6), (7, 9, 7), 1.6, 560)), plain),
        "twins, mild": lambda: made(FAMILIES[1], twins(16, Lesion((-27, 25, 38), (8, 11, 9), 1.45, 620)), plain),
        "shine, ADC 1100, no infarct": lambda: made(FAMILIES[2], none(17), lambda d, a: shining(d, a, 1100, 1.8)),
        "shine, ADC 780, no infarct": lambda: made(FAMILIES[2], none(18), lambda d, a: shining(d, a, 780, 1.8)),
        "shine, ADC 700, no infarct": lambda: made(FAMILIES[2], none(18), lambda d, a: shining(d, a, 700, 2.0)),
        "shine beside one small": lambda: made(FAMILIES[2], small(19), lambda d, a: shining(d, a, 950, 1.8)),
        "rims on both sides": lambda: made(FAMILIES[3], none(20), lambda d, a: rims(d, a, (-1, 1), 0.7)),
        "rim on one side": lambda: made(FAMILIES[3], none(20), lambda d, a: rims(d, a, (1,), 0.7)),
        "rims and one small": lambda: made(FAMILIES[3], small(21), lambda d, a: rims(d, a, (-1, 1), 0.7)),
        "scalp 250, two infarcts": lambda: made(FAMILIES[4], sick(), lambda d, a: scalp(d, a, 250)),
        "scalp 600, two infarcts": lambda: made(FAMILIES[4], sick(), lambda d, a: scalp(d, a, 600)),
        "scalp 600, no infarct": lambda: made(FAMILIES[4], none(22), lambda d, a: scalp(d, a, 600)),
        "healthy, seed 23": lambda: made(FAMILIES[5], none(23), plain),
        "healthy, seed 24": lambda: made(FAMILIES[5], none(24), plain),
        "healthy, noisy": lambda: made(FAMILIES[5], none(25), noisy),
    }


def noisy(dwi: Floats, adc: Floats) -> tuple[Floats, Floats]:
    """A short acquisition: three times the noise."""
    rng = np.random.default_rng(8)
    spread = rng.standard_normal((2, *dwi.shape), dtype=np.float32)
    return np.where(dwi > 0, np.abs(dwi + 24 * spread[0]), dwi), np.where(adc > 0, np.abs(adc + 110 * spread[1]), adc)
