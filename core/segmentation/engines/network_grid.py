"""Grid: images on their way to a network and its answer on the way back.

The network's grid lies over the first image with its axes turned as the model wants them and its spacing; each channel
is brought there, scaled as the config says, and the probability is brought back. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, BadModel, BadVolume, GridMismatch
from core.imaging.geometry import orientation, world
from core.imaging.resample import downsample
from core.imaging.volume import Affine, Volume, spacing_of
from core.imaging.windowing import adc_scale
from core.segmentation.engines.network_config import Channel, ModelConfig, Normalise
from core.segmentation.engines.network_nets import Triple

Floats = NDArray[np.float32]
_PAIRS = ("LR", "PA", "IS")
MOST_VOXELS = 2**28  # of the network's grid: 1 GB for each channel
STEPS = 255  # a probability is kept in so many steps, as in its file, so that mask and file agree


@dataclass(frozen=True, eq=False)
class Grid:
    """The network's grid in the patient."""

    shape: Triple
    affine: Affine


def network_grid(
    shape: tuple[int, ...], affine: Affine, letters: str, spacing: tuple[float, float, float] | None
) -> Grid:
    """The same field of view with axes along `letters` and this spacing; None keeps the image's own.

    Raises:
        BadInput: it would be far too large.
    """
    own = orientation(affine)
    order, turned = [], affine.copy()
    start = np.zeros(3)
    for axis, letter in enumerate(letters):
        pair = next(p for p in _PAIRS if letter in p)
        source = next(a for a in range(3) if own[a] in pair)
        same = own[source] == letter
        turned[:3, axis] = affine[:3, source] * (1.0 if same else -1.0)
        start[source] = 0 if same else shape[source] - 1
        order.append(source)
    turned[:3, 3] = world(affine, start)
    sides = [shape[axis] for axis in order]
    if spacing is not None:
        ratio = np.array(spacing) / np.array(spacing_of(turned))
        count = [max(1, int(np.ceil(n / r - 0.01))) for n, r in zip(sides, ratio, strict=True)]
        first = ((np.array(sides) - 1) - (np.array(count) - 1) * ratio) / 2
        corner = world(turned, first)
        turned[:3, :3] = turned[:3, :3] * ratio
        turned[:3, 3] = corner
        sides = count
    if np.prod(sides, dtype=np.float64) > MOST_VOXELS:
        said = f"the image would have {np.prod(sides, dtype=np.float64) / 1e6:.0f} million voxels on the network's grid"
        raise BadInput(said, hint="crop the image, or use a model with a coarser spacing")
    return Grid((sides[0], sides[1], sides[2]), turned)


def bring(volume: Volume, grid: Grid, name: str) -> Floats:
    """The image on the network's grid.

    Raises:
        BadInput: it shows another place than the first image, or nothing.
    """
    try:
        data = downsample(volume, grid.shape, grid.affine).data
    except GridMismatch as error:
        raise BadInput(f"{name.upper()}: {error}", hint=error.hint) from None
    low, high = float(data.min()), float(data.max())
    if not high > low:
        raise BadInput(f"the {name.upper()} holds no signal", hint="check that the file is the right one")
    return data


def channels(images: Mapping[str, Floats], config: ModelConfig) -> tuple[Floats, float | None]:
    """(C, x, y, z) scaled as the config says, and what brings the ADC to 1e-6 mm2/s, None where nobody knows.

    Raises:
        BadInput: the config needs the ADC's unit, and it cannot be told.
    """
    scale: float | None = None
    if "adc" in images:
        try:
            scale = adc_scale(images["adc"])
        except BadVolume as error:
            if any(channel.adc_unit for channel in config.channels):
                raise BadInput(str(error), hint=error.hint) from None
    first = images[config.channels[0].modality]
    found = np.empty((len(config.channels), *first.shape), np.float32)
    for at, channel in enumerate(config.channels):
        _fill(found[at], images[channel.modality], channel, scale)
    return found, scale


def _fill(out: Floats, data: Floats, channel: Channel, scale: float | None) -> None:
    np.multiply(data, np.float32(scale if channel.adc_unit and scale else 1.0), out=out)
    normalise(out, channel.normalise)


def normalise(data: Floats, how: Normalise) -> None:
    """Scale the values in place; flat images become 0."""
    inside = data != 0 if how.nonzero else np.ones(data.shape, np.bool_)
    values = data[inside]
    if how.method == "none" or values.size == 0:
        return
    low, width = how.low, how.high
    if how.method == "zscore":
        low, width = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    elif how.method == "percentile":
        low, high = (float(v) for v in np.percentile(values, [how.low, how.high]))
        width = high - low
    elif how.method == "range":
        width = how.high - how.low
    values -= np.float32(low)
    values /= np.float32(width if width > 0 else 1.0)
    if how.method in ("percentile", "range") and how.clip:
        np.clip(values, 0, 1, out=values)
    data[inside] = values


def lesion_probability(answer: Floats, config: ModelConfig) -> Floats:
    """(x, y, z) in 0..1 out of the network's raw answer (K, x, y, z), which is used up.

    Raises:
        BadModel: the answer holds what is no number, or no probability, or other channels than the config says.
    """
    activation, lesion = config.activation, config.lesion
    if len(answer) != config.outputs:
        said = f"the network answers with {len(answer)} channels, the config says {config.outputs}"
        raise BadModel(said, hint="correct output.channels in the config")
    if not np.isfinite(answer).all():
        raise BadModel("the network's answer is not a number", hint="check its weights and the scaling of its channels")
    if activation == "softmax":
        answer -= answer.max(axis=0)
        np.exp(answer, out=answer)
        return np.asarray(answer[lesion] / answer.sum(axis=0), dtype=np.float32)
    found = answer[lesion]
    if activation == "none":
        if float(found.min()) < -0.01 or float(found.max()) > 1.01:
            said = f"the network's answer lies in {found.min():.3g} to {found.max():.3g}, which is no probability"
            raise BadModel(said, hint="say sigmoid or softmax in output.activation")
        return np.asarray(np.clip(found, 0, 1), dtype=np.float32)
    from scipy.special import expit

    return np.asarray(expit(found), dtype=np.float32)


def cover(shape: Triple, affine: Affine, grid: Grid) -> float:
    """The share of the network's grid that an image shows, from every eighth voxel."""
    places = np.stack(np.meshgrid(*(np.arange(0, n, 8) for n in grid.shape), indexing="ij"), -1)
    index = (world(grid.affine, places) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    inside = ((index >= -0.51) & (index <= np.array(shape) - 0.49)).all(axis=-1)
    return float(inside.mean())


def back(probability: Floats, grid: Grid, shape: Triple, affine: Affine) -> Floats:
    """The probability on the image's own grid, in STEPS steps."""
    found = downsample(Volume(probability, grid.affine), shape, affine).data
    np.clip(found, 0, 1, out=found)
    found *= np.float32(STEPS)
    np.rint(found, out=found)
    found /= np.float32(STEPS)
    return found


def mask_of(probability: Floats, threshold: float) -> NDArray[np.bool_]:
    """Where a probability in STEPS steps is at least the threshold."""
    mask: NDArray[np.bool_] = probability >= np.float32(threshold)
    return mask
