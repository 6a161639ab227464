"""Metrics, side by side with other tools and with what one would write first: python -m benchmarks.metrics

Every way scores the same two masks in a process of its own; ours is timed right before and right after each of them,
so that the ratios hold on a busy machine. The plain way labels the whole grid and takes distances from two distance
transforms over it. All must agree on the numbers that they share, or the run fails. panoptica and surface-distance run
in the Python that PANOPTICA_PYTHON names (panoptica_oracle.py); surface-distance has another definition of the surface,
so its numbers are shown and not compared. Others compute a part of our nine values each: what they name. Peaks hold
both masks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.segmentation_cases import table
from core.evaluation.score import score_masks
from core.imaging.volume import Affine, Mask

Bools = NDArray[np.bool_]
Numbers = dict[str, float]
SHAPE, SPACING = (512, 512, 200), (0.44, 0.44, 0.8)
LIMIT_S, TIMES = 1.5, 4.0
OURS, PANOPTICA, SURFACE = "ours (all nine values)", "panoptica (F1 '24, Dice)", "surface-distance (HD95, surface Dice)"


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
    OURS: ours,
    "distance transforms (F1, HD95, surface Dice)": by_distance_transform,
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
    return best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, numbers


def alone(name: str, shape: tuple[int, ...], repeats: int = 1) -> tuple[float, float, Numbers]:
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
        PANOPTICA: (answer["matching_seconds"], peak, {"f1 '24": f1}),
        SURFACE: (answer["surface_seconds"], peak, surface),
    }


def others(shape: tuple[int, ...], quick: bool) -> Iterator[tuple[str, float, tuple[float, float, Numbers]]]:
    """Each other way: its name, our seconds beside it (the faster of before and after), and what it gave."""
    names = [name for name in WAYS if name != OURS]
    before = alone(OURS, shape, 2)[0]
    for name in names[1:] if quick else names:
        found = alone(name, shape)
        after = alone(OURS, shape, 2)[0]
        yield name, min(before, after), found
        before = after
    if python := os.environ.get("PANOPTICA_PYTHON"):
        pair = by_others(python, shape)
        after = alone(OURS, shape, 2)[0]
        for name, found in pair.items():
            yield name, min(before, after), found


def run(shape: tuple[int, ...] = SHAPE, quick: bool = False) -> bool:
    """Print the table; whether the ways agree, ours within LIMIT_S and TIMES as fast as the fastest of the others."""
    seconds, peak, mine = alone(OURS, shape, 3)
    rows, held = [row(OURS, seconds, None, peak, mine)], seconds <= LIMIT_S
    for name, beside, (took, most, numbers) in others(shape, quick):
        rows.append(row(name, took, took / beside, most, numbers))
        shared = [] if name == SURFACE else sorted(mine.keys() & numbers.keys())
        held &= all(np.isclose(mine[key], numbers[key], rtol=1e-4) for key in shared)
        held &= took >= TIMES * beside or quick
    table(("way", "s", "× ours beside it", "peak RSS MB", "its numbers"), rows)
    return bool(held)


def row(name: str, seconds: float, times: float | None, peak: float, numbers: Numbers) -> tuple[str, ...]:
    """One line of the table."""
    shown = ", ".join(f"{key} {value:.4f}" for key, value in numbers.items())
    return name, f"{seconds:.2f}", "1" if times is None else f"{times:.1f}", f"{peak:.0f}", shown


def main() -> int:
    """Print one line per way; 1 if they disagree or ours is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE)
    return 0 if run(tuple(parser.parse_args().shape)) else 1


if __name__ == "__main__":
    sys.exit(main())
