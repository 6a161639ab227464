"""Windows: one image, looked at by a network window by window, and the answers blended into one.

Windows overlap; each answer counts most in its middle (gaussian weights), so that no seams are seen. Positions, weights
and padding are those of MONAI's sliding_window_inference, so that a model gives here what it gave its maker. NumPy
alone; knows neither networks nor devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray

from core.errors import BadModel

Floats = NDArray[np.float32]
Triple = tuple[int, int, int]
Predict = Callable[[Floats], Floats]  # (B, C, x, y, z) -> (B, K, x, y, z)
Tick = Callable[[int, int], None]  # windows done, windows in all
SIGMA = 0.125  # of a window's side
LEAST_WEIGHT = 1e-3


def window_of(patch: Triple, shape: Sequence[int], stride: Triple, spread: bool = False) -> Triple:
    """The window's sides: the patch, or where that is 0 the whole axis, made a multiple of the stride.

    Args:
        spread: a window of one stride on every side is too small; a free side of it is doubled.
    """
    x, y, z = (p or -(-n // s) * s for p, n, s in zip(patch, shape, stride, strict=True))
    if spread and (x, y, z) == stride and 0 in patch:
        free = patch.index(0)
        x, y, z = (2 * n if axis == free else n for axis, n in enumerate(stride))
    return x, y, z


def starts(size: int, window: int, overlap: float) -> tuple[int, ...]:
    """Where windows begin along one axis: evenly spread but for the last, which ends where the image ends."""
    if window >= size:
        return (0,)
    step = max(1, int(window * (1 - overlap)))
    count = -(-(size - window) // step) + 1
    return tuple(min(at * step, size - window) for at in range(count))


def places(shape: Sequence[int], window: Triple, overlap: float) -> list[tuple[slice, slice, slice]]:
    """All windows of an image, which is nowhere smaller than one."""
    along = (starts(n, w, overlap) for n, w in zip(shape, window, strict=True))
    return [(slice(x, x + window[0]), slice(y, y + window[1]), slice(z, z + window[2])) for x, y, z in product(*along)]


def weights(window: Triple) -> Floats:
    """(x, y, z): what each voxel of a window counts; a gaussian, nowhere zero."""
    blob = np.ones((1, 1, 1), np.float32)
    for axis, side in enumerate(window):
        offset = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
        line = np.exp(offset**2 / np.float32(-2 * (SIGMA * side) ** 2))
        blob = blob * line.reshape([-1 if a == axis else 1 for a in range(3)])
    floor: Floats = np.maximum(blob, max(float(blob.min()), LEAST_WEIGHT)).astype(np.float32)
    return floor


def pad_to(image: Floats, window: Triple) -> tuple[Floats, tuple[slice, slice, slice]]:
    """The image (C, X, Y, Z) with zeros around it up to a window's size, and where it lies in there."""
    short = [max(0, w - n) for w, n in zip(window, image.shape[1:], strict=True)]
    x, y, z = (slice(s // 2, s // 2 + n) for s, n in zip(short, image.shape[1:], strict=True))
    if any(short):
        image = np.pad(image, [(0, 0), *((s // 2, s - s // 2) for s in short)])
    return image, (x, y, z)


def slide(image: Floats, window: Triple, overlap: float, batch: int, predict: Predict, tick: Tick) -> Floats:
    """The network's raw answer for the whole image.

    Args:
        image: (C, X, Y, Z).
        batch: windows given to the network at once.

    Returns:
        (K, X, Y, Z), weighted means of the windows' answers.

    Raises:
        BadModel: the network's answer has another size than its window.
    """
    padded, inner = pad_to(image, window)
    shape = padded.shape[1:]
    todo = places(shape, window, overlap)
    blob = weights(window)
    total: Floats | None = None
    count: Floats = np.zeros(shape, np.float32)
    for first in range(0, len(todo), batch):
        part = todo[first : first + batch]
        answers = predict(np.stack([padded[(slice(None), *place)] for place in part]))
        if answers.ndim != 5 or answers.shape[0] != len(part) or answers.shape[2:] != window:
            said = f"the network answers {answers.shape[2:]} for a window of {window}"
            raise BadModel(said, hint="use a network whose output has its input's size")
        if total is None:
            total = np.zeros((answers.shape[1], *shape), np.float32)
        for place, answer in zip(part, answers, strict=True):
            total[(slice(None), *place)] += answer * blob
            count[place] += blob
        tick(min(first + batch, len(todo)), len(todo))
    assert total is not None
    total /= count
    return total[(slice(None), *inner)]


def flips(axes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to mirror along some of the axes, none first."""
    return chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1))


def slide_mirrored(
    image: Floats, window: Triple, overlap: float, batch: int, predict: Predict, tick: Tick, axes: Sequence[int]
) -> Floats:
    """The mean of `slide` over all mirror images along the axes, each mirrored back."""
    ways = list(flips(axes))
    total: Floats | None = None
    for turn, way in enumerate(ways):
        along = tuple(axis + 1 for axis in way)

        def told(done: int, of: int, turn: int = turn) -> None:
            tick(turn * of + done, len(ways) * of)

        found = slide(np.ascontiguousarray(np.flip(image, along)), window, overlap, batch, predict, told)
        back = np.flip(found, along)
        total = back if total is None else np.add(total, back, out=total)
    assert total is not None
    if len(ways) > 1:
        total /= np.float32(len(ways))
    return total
