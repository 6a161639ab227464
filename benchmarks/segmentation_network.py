"""The network engine's sliding window against MONAI's own with the same weights, in pairs.

Both get the same threads, inference mode and windows; MONAI's also several windows at once, and once with the memory
order that ours takes (channels last), which nobody gets by default. Ratios are medians of pairs, one way right after
the other, so that they hold on a busy machine. Part of `python -m benchmarks.segmentation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray

from benchmarks.segmentation_cases import SEGRESNET, model, table
from core.segmentation.engines.network_config import load_config
from core.segmentation.engines.network_needs import AT_ONCE
from core.segmentation.engines.network_predict import TorchPredictor, cores, load_network
from core.segmentation.engines.network_windows import slide

Floats = NDArray[np.float32]
Way = Callable[[Floats], Floats]
SHAPE, WINDOW, OVERLAP, PAIRS = (112, 112, 73), (64, 64, 64), 0.25, 5
HEAD = ("way", "s", "ours beside it, s", "ours / its time", "fastest pair", "voxels of the mask that differ")


def ways(folder: Path, threads: int) -> tuple[Way, dict[str, Way]]:
    """Ours, and MONAI's: image (C, x, y, z) -> raw answer."""
    config = load_config(folder)
    ours = TorchPredictor(load_network(config, folder / config.weights, WINDOW), "cpu", "float32", threads)
    plain = load_network(config, folder / config.weights, WINDOW)
    last = load_network(config, folder / config.weights, WINDOW).to(memory_format=torch.channels_last_3d)

    def theirs(batch: int, network: Callable[[torch.Tensor], torch.Tensor]) -> Way:
        def run(image: Floats) -> Floats:
            with torch.inference_mode():
                given = torch.from_numpy(image)[None]
                found = sliding_window_inference(given, WINDOW, batch, network, OVERLAP, mode="gaussian")
            return np.asarray(found[0].numpy(), dtype=np.float32)

        return run

    def channels_last(windows: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(last(windows.contiguous(memory_format=torch.channels_last_3d)))

    others = {
        "MONAI, one window at a time (its default)": theirs(1, plain),
        "MONAI, 4 windows at once": theirs(4, plain),
        "MONAI, 4 at once, channels last": theirs(4, channels_last),
    }
    return lambda image: slide(image, WINDOW, OVERLAP, AT_ONCE, ours, lambda done, of: None), others


def timed(way: Way, image: Floats) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    way(image)
    return time.perf_counter() - begun


def run(folder: Path, quick: bool) -> bool:
    """Print the table; whether ours was nowhere slower and the mask the same but for the order of additions."""
    threads = cores()
    image = np.random.default_rng(0).standard_normal((2, *SHAPE), np.float32)
    ours, others = ways(model(folder / "speed", "SegResNet", SEGRESNET, WINDOW), threads)
    mask = ours(image) > 0
    rows, held = [], True
    for name, way in others.items():
        differ = int(np.count_nonzero((way(image) > 0) != mask))
        pairs = [(timed(ours, image), timed(way, image)) for _ in range(1 if quick else PAIRS)]
        ratio, best = median(one / other for one, other in pairs), min(one / other for one, other in pairs)
        mine, their = (median(pair[at] for pair in pairs) for at in (0, 1))
        rows.append((name, f"{their:.2f}", f"{mine:.2f}", f"{ratio:.2f}", f"{best:.2f}", f"{differ} of {mask.size:,}"))
        held &= ratio <= 1.0 and differ <= mask.size * 1e-4
    size = " × ".join(str(side) for side in SHAPE)
    print(f"{size}, windows of 64, overlap 0.25, SegResNet of 1.2 M weights, {threads} threads, float32:\n")
    table(HEAD, rows)
    return held
