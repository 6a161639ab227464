"""Metrics, side by side with what one would write first: python -m benchmarks.metrics [--shape X Y Z]

Both ways score the same two masks in one run, one after the other, so the ratios hold on any machine; the seconds are
those of this one. The other way labels the whole grid and takes distances from two distance transforms over it. MONAI
is a third, where it is installed. All must agree on the numbers, or the run fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.evaluation.score import score_masks
from core.imaging.volume import Affine, Mask

Bools = NDArray[np.bool_]
Numbers = dict[str, float]
SPACING = (0.44, 0.44, 0.8)


def ball(shape: tuple[int, ...], centre_mm: NDArray[np.float64], radius_mm: float) -> Bools:
    """(X, Y, Z) bool, F-ordered like masks that come from files."""
    x, y, z = (((np.arange(n) * d) - c) ** 2 for n, d, c in zip(shape, SPACING, centre_mm, strict=True))
    return np.asfortranarray(x[:, None, None] + y[None, :, None] + z[None, None, :] < radius_mm**2)


def masks(shape: tuple[int, ...]) -> tuple[Bools, Bools]:
    """A territorial infarct predicted a few millimetres off, and twelve emboli of which every other one is found."""
    middle = np.array(shape) * SPACING / 2
    scale = float(middle.min()) / 80.0
    prediction = ball(shape, middle + scale * np.array([20.0, 0.0, 0.0]), 34 * scale)
    truth = ball(shape, middle + scale * np.array([23.0, 3.0, 2.0]), 35 * scale)
    for number in range(12):
        turn = np.array([np.cos(number), np.sin(number), np.cos(3.0 * number)])
        place = middle + scale * turn * np.array([70.0, 70.0, 60.0])
        truth |= ball(shape, place, 3 * scale)
        if number % 2:
            prediction |= ball(shape, place + 0.5 * scale, 3 * scale)
    return prediction, truth


def ours(prediction: Bools, truth: Bools, affine: Affine) -> Numbers:
    """All nine values, as `score` gives them; three are compared."""
    score = score_masks(Mask(prediction, affine), Mask(truth, affine))
    assert score.hd95_mm is not None and score.surface_dice_2mm is not None
    return {"f1": score.lesion_f1_isles22, "hd95": score.hd95_mm, "surface dice": score.surface_dice_2mm}


def by_distance_transform(prediction: Bools, truth: Bools, affine: Affine) -> Numbers:
    """Whole-grid labels, erosions and Euclidean distance transforms."""
    spacing = np.abs(np.diag(affine)[:3])
    full = np.ones((3, 3, 3))
    true, count = ndimage.label(truth, structure=full)
    predicted, guesses = ndimage.label(prediction, structure=full)
    hits = len(np.unique(true[prediction & truth]))
    spurious = guesses - len(np.unique(predicted[prediction & truth]))
    p = prediction & ~ndimage.binary_erosion(prediction)
    t = truth & ~ndimage.binary_erosion(truth)
    to_truth = ndimage.distance_transform_edt(~t, sampling=spacing)[p]
    to_prediction = ndimage.distance_transform_edt(~p, sampling=spacing)[t]
    near = np.count_nonzero(to_truth <= 2.0) + np.count_nonzero(to_prediction <= 2.0)
    return {
        "f1": hits / (hits + (spurious + count - hits) / 2),
        "hd95": float(max(np.percentile(to_truth, 95), np.percentile(to_prediction, 95))),
        "surface dice": near / (len(to_truth) + len(to_prediction)),
    }


def by_monai(prediction: Bools, truth: Bools, affine: Affine) -> Numbers:
    """MONAI's HD95 and surface Dice; it has no lesion-wise F1."""
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    spacing = np.abs(np.diag(affine)[:3]).tolist()
    p, t = (torch.from_numpy(np.ascontiguousarray(mask)[None, None]) for mask in (prediction, truth))
    distance = compute_hausdorff_distance(p, t, include_background=True, percentile=95, spacing=spacing)
    near = compute_surface_dice(p, t, class_thresholds=[2.0], include_background=True, spacing=spacing)
    return {"hd95": float(distance[0, 0]), "surface dice": float(near[0, 0])}


def timed(way: Callable[[Bools, Bools, Affine], Numbers], *arguments: NDArray[np.generic]) -> tuple[float, Numbers]:
    """Seconds of one call, and what it gave."""
    start = time.perf_counter()
    numbers = way(*arguments)  # type: ignore[arg-type]
    return time.perf_counter() - start, numbers


def main() -> int:
    """Print one line per way; 1 if they disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 200))
    shape = tuple(parser.parse_args().shape)
    prediction, truth = masks(shape)
    affine: Affine = np.diag([*SPACING, 1.0])
    ways = {"ours (all nine values)": ours, "distance transforms": by_distance_transform}
    if importlib.util.find_spec("monai"):
        ways["MONAI"] = by_monai
    found = {name: timed(way, prediction, truth, affine) for name, way in ways.items()}
    fastest = found["ours (all nine values)"][0]
    for name, (seconds, numbers) in found.items():
        shown = ", ".join(f"{key} {value:.4f}" for key, value in numbers.items())
        print(f"{name:24} {seconds:7.2f} s  {seconds / fastest:5.1f} x  {shown}")
    results = [numbers for _, numbers in found.values()]
    agree = all(np.isclose(a[key], b[key], rtol=1e-4) for a, b in pairwise(results) for key in a.keys() & b.keys())
    print("all agree" if agree else "error: the ways disagree")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
