"""panoptica and surface-distance as oracles: PYTHON benchmarks/panoptica_oracle.py PAIRS.npz OUT.json

Run by a Python of its own that has panoptica, connected-components-3d and surface-distance; it shares no line with
core. PAIRS.npz holds `p0`, `t0`, `p1`, `t1`, ... (X, Y, Z) bool and `spacing` (3,) mm. OUT.json gets, per pair, the
counts of panoptica's matching at IoU 0.2 and its Dice, surface-distance's HD95 and surface Dice (null where a mask is
empty), the seconds of each, and the peak memory of the process. Judges nothing: tests and benchmarks compare.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

IOU = 0.2
TOLERANCE_MM = 2.0


def evaluator() -> Any:
    """ISLES'24's way: 26-connected components, greedy one-to-one matching by IoU."""
    # Imported by name: they live in another Python, where this project's type checker does not look.
    panoptica = importlib.import_module("panoptica")
    iou, dice = (getattr(importlib.import_module("panoptica.metrics").Metric, name) for name in ("IOU", "DSC"))
    backend = importlib.import_module("panoptica.utils.constants").CCABackend.cc3d

    return panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.SEMANTIC,
        instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(cca_backend=backend),
        instance_matcher=panoptica.NaiveThresholdMatching(matching_metric=iou, matching_threshold=IOU),
        instance_metrics=[iou, dice],
        global_metrics=[dice],
    )


def matching(judge: Any, prediction: Any, truth: Any) -> dict[str, Any]:
    """Counts of lesions matched, only predicted, only true; and the Dice of the whole masks."""
    start = time.perf_counter()
    found = judge.evaluate(prediction.astype(np.uint8), truth.astype(np.uint8), verbose=False)["ungrouped"]
    both = bool(prediction.any() and truth.any())
    values = {"tp": int(found.tp), "fp": int(found.fp), "fn": int(found.fn)}
    dice = float(found.global_bin_dsc) if both else None
    return {**values, "dice": dice, "matching_seconds": time.perf_counter() - start}


def surfaces(prediction: Any, truth: Any, spacing: list[float]) -> dict[str, Any]:
    """DeepMind's measures, which weigh the surface by its area and place it between the voxels."""
    if not (prediction.any() and truth.any()):
        return {"hd95": None, "surface_dice": None, "surface_seconds": 0.0}
    surface_distance = importlib.import_module("surface_distance")
    start = time.perf_counter()
    apart = surface_distance.compute_surface_distances(truth, prediction, spacing_mm=spacing)
    hd95 = float(surface_distance.compute_robust_hausdorff(apart, 95))
    near = float(surface_distance.compute_surface_dice_at_tolerance(apart, TOLERANCE_MM))
    return {"hd95": hd95, "surface_dice": near, "surface_seconds": time.perf_counter() - start}


def main() -> int:
    """Read all pairs, write all answers."""
    pairs, out = np.load(sys.argv[1], allow_pickle=False), Path(sys.argv[2])
    spacing = [float(mm) for mm in pairs["spacing"]]
    judge = evaluator()
    answers = []
    for number in range(sum(name.startswith("p") for name in pairs.files)):
        prediction, truth = pairs[f"p{number}"], pairs[f"t{number}"]
        answers.append({**matching(judge, prediction, truth), **surfaces(prediction, truth, spacing)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.write_text(json.dumps({"pairs": answers, "peak_mb": peak}), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
