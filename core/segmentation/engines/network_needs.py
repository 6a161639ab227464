"""Needs: the memory and time that a model will take, from its config and the image's voxels alone.

Formulas whose constants were measured (benchmarks/segmentation_memory.py); imports nothing heavy and asks no machine.
"""

from __future__ import annotations

from math import ceil, prod

from core.segmentation.engine_info import Needs
from core.segmentation.engines.network_config import MAX_PATCH, ModelConfig
from core.segmentation.engines.network_nets import ARCHITECTURES, ONNX

BASE_MB = 400.0  # Python with torch and MONAI
ONNX_BASE_MB = 130.0  # Python with onnxruntime
NATIVE_BYTES = 24.0  # per voxel of the image: reading it, and mapping the answer back, measuring and writing it
ONNX_WINDOW_BYTES = 10.0  # per voxel of a window and channel at full resolution
COPIES, ONNX_COPIES = 2.1, 3.0  # of the weights, while they are loaded
FIELD_MM3 = 10e6  # a head's field of view; what lies on a grid of its own follows from it
HEIGHT = 0.75  # of an image in voxels, against the side of a cube
START_S, ONNX_START_S = 7.0, 2.0
PER_CHANNEL_S = 0.15e-6  # for a voxel of a window and a channel at full resolution, on two cores
NATIVE_S = 0.5e-6  # for a voxel of the image
AT_ONCE, AT_ONCE_MB = 4, 800.0  # windows at once on the CPU: a third of the time of one by one, while memory is small
LEAST_LOADING, MOST_LOADING = 0.02, 0.25  # of a job, whatever is predicted
MIRRORS = {"off": 1, "sides": 2, "all": 8}


def predict(config: ModelConfig, weights_bytes: int, width: int, voxels: int, overlap: float, mirror: str) -> Needs:
    """What one job takes on the CPU; a GPU takes from it, and its own memory adapts (network_run.py).

    Args:
        width: channels at full resolution.
        voxels: of the image's own grid.
    """
    grid = voxels if config.spacing_mm is None else FIELD_MM3 / prod(config.spacing_mm)
    side = max(1.0, grid) ** (1 / 3)
    window = prod(p or min(side, MAX_PATCH) for p in config.patch)
    count = windows_of(config, side, overlap)
    network = window * width * per_window(config) * min(at_once(config, width, window), count)
    kept = 4.0 * (len(config.channels) * 2 + config.outputs * (1 if mirror == "off" else 2) + 1)
    inside = max(network + kept * max(grid, window), NATIVE_BYTES * voxels)
    base = ONNX_BASE_MB if config.network == ONNX else BASE_MB
    windows = max(1.0, grid / window) / (1 - overlap) ** 2 * MIRRORS[mirror]
    start = ONNX_START_S if config.network == ONNX else START_S
    seconds = start + windows * window * width * PER_CHANNEL_S + voxels * NATIVE_S
    copies = ONNX_COPIES if config.network == ONNX else COPIES
    return Needs(base + copies * weights_bytes / 1e6 + inside / 1e6, seconds, disk_mb=12 * voxels / 1e6)


def loading(config: ModelConfig, voxels: int, seconds: float) -> float:
    """The share of a job's predicted seconds that passes before its first window."""
    start = ONNX_START_S if config.network == ONNX else START_S
    return min(MOST_LOADING, max(LEAST_LOADING, (start + voxels * NATIVE_S / 2) / max(seconds, 1e-3)))


def windows_of(config: ModelConfig, side: float, overlap: float) -> int:
    """How many windows a head takes that has as many voxels as a cube of this side; it is lower than it is long."""
    sides = (side * (HEIGHT if letter in "IS" else HEIGHT**-0.5) for letter in config.orientation)
    along = zip(sides, config.patch, strict=True)
    return prod(1 + ceil(max(0.0, n - p) / (p * (1 - overlap))) if p else 1 for n, p in along)


def at_once(config: ModelConfig, width: int, window: float) -> int:
    """How many windows of so many voxels the CPU takes at once; one for ONNX, whose graph may know no other number."""
    one = window * width * per_window(config) / 1e6
    return 1 if config.network == ONNX else max(1, min(AT_ONCE, int(AT_ONCE_MB // max(one, 1.0))))


def per_window(config: ModelConfig) -> float:
    """Bytes per voxel of a window and channel at full resolution, at the network's peak."""
    return ONNX_WINDOW_BYTES if config.network == ONNX else ARCHITECTURES[config.network].window_bytes
