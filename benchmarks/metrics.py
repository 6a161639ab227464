"""Metrics, side by side with what one would write first: python -m benchmarks.metrics [--shape X Y Z]

Both ways score the same two masks in one run, one after the other, so the ratios hold on any machine; the seconds are
those of this one. The other way labels the whole grid and takes distances from two distance transforms over it. MONAI
is a third, where it is installed. All must agree on the numbers, or the run fails. panoptica and surface-distance come
last, in the Python that PANOPTICA_PYTHON names (panoptica_oracle.py); surface-distance has another definition of the
surface, so its numbers are shown and not compared. Peaks are those of a process of its own each, both masks included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

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
    f1 = {"f1": score.lesion_f1_isles22, "f1 '24": score.lesion_f1_isles24}
    return {**f1, "hd95": score.hd95_mm, "surface dice": score.surface_dice_2mm}


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
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    spacing = np.abs(np.diag(affine)[:3]).tolist()
    p, t = (torch.from_numpy(np.ascontiguousarray(mask)[None, None]) for mask in (prediction, truth))
    distance = compute_hausdorff_distance(p, t, include_background=True, percentile=95, spacing=spacing)
    near = compute_surface_dice(p, t, class_thresholds=[2.0], include_background=True, spacing=spacing)
    return {"hd95": float(distance[0, 0]), "surface dice": float(near[0, 0])}


WAYS: dict[str, Callable[[Bools, Bools, Affine], Numbers]] = {
    "ours (all nine values)": ours,
    "distance transforms": by_distance_transform,
    "MONAI (HD95, surface Dice)": by_monai,
}


def timed(name: str, shape: tuple[int, ...], repeats: int) -> tuple[float, float, Numbers]:
    """Best seconds of some calls, peak MB of this process, and what the calls gave; the imports are not counted."""
    prediction, truth = masks(shape)
    WAYS[name](*masks((64, 64, 32)), np.diag([*SPACING, 1.0]))
    best, numbers = float("inf"), Numbers()
    for _ in range(repeats):
        start = time.perf_counter()
        numbers = WAYS[name](prediction, truth, np.diag([*SPACING, 1.0]))
        best = min(best, time.perf_counter() - start)
    return best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, numbers


def alone(name: str, shape: tuple[int, ...], repeats: int) -> tuple[float, float, Numbers]:
    """`timed` in a fresh process, so that one way's peak is not the next one's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(timed, (name, shape, repeats))


def by_others(python: str, shape: tuple[int, ...]) -> dict[str, tuple[float, float, Numbers]]:
    """panoptica's matching and surface-distance's measures, from a Python of their own."""
    with tempfile.TemporaryDirectory() as folder:
        pairs, out = Path(folder) / "pairs.npz", Path(folder) / "out.json"
        prediction, truth = (np.ascontiguousarray(mask) for mask in masks(shape))
        np.savez(pairs, p0=prediction, t0=truth, spacing=np.array(SPACING))
        script = Path(__file__).with_name("panoptica_oracle.py")
        subprocess.run([python, str(script), str(pairs), str(out)], check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text("utf-8"))
    answer, peak = found["pairs"][0], float(found["peak_mb"])
    f1 = answer["tp"] / (answer["tp"] + (answer["fp"] + answer["fn"]) / 2)
    surface = {"hd95": answer["hd95"], "surface dice": answer["surface_dice"]}
    return {
        "panoptica (F1 '24, Dice)": (answer["matching_seconds"], peak, {"f1 '24": f1}),
        "surface-distance": (answer["surface_seconds"], peak, surface),
    }


def main() -> int:
    """Print one line per way; 1 if they disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 200))
    shape = tuple(parser.parse_args().shape)
    names = [name for name in WAYS if not name.startswith("MONAI") or importlib.util.find_spec("monai")]
    found = {name: alone(name, shape, 3 if way is ours else 1) for name, way in WAYS.items() if name in names}
    results = [numbers for _, _, numbers in found.values()]
    agree = all(np.isclose(a[key], b[key], rtol=1e-4) for a, b in pairwise(results) for key in a.keys() & b.keys())
    if python := os.environ.get("PANOPTICA_PYTHON"):
        others = by_others(python, shape)
        found |= others
        agree &= bool(np.isclose(results[0]["f1 '24"], others["panoptica (F1 '24, Dice)"][2]["f1 '24"]))
    fastest = found["ours (all nine values)"][0]
    for name, (seconds, peak, numbers) in found.items():
        shown = ", ".join(f"{key} {value:.4f}" for key, value in numbers.items())
        print(f"{name:27} {seconds:7.2f} s  {seconds / fastest:5.1f} x  {peak:6.0f} MB  {shown}")
    print("all agree" if agree else "error: the ways disagree")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
