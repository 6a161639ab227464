"""The network engine against MONAI's own sliding window with the same weights, and its memory against the prediction.

`python -m benchmarks.segmentation_network [--quick] [--single] [--speed | --memory]`; --quick takes one turn and leaves
out the largest image, --single computes on one thread. CPU seconds tell ways apart on a busy machine. Keeps no files.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from safetensors.torch import save_model

from core.imaging import nifti
from core.imaging.phantom import Lesion, head
from core.segmentation.engines.network import open_engine
from core.segmentation.engines.network_config import CONFIG_NAME, load_config
from core.segmentation.engines.network_needs import AT_ONCE
from core.segmentation.engines.network_nets import Triple, build
from core.segmentation.engines.network_predict import TorchPredictor, cores, load_network
from core.segmentation.engines.network_windows import slide
from core.segmentation.job import Job
from core.segmentation.runner import run_job

Floats = NDArray[np.float32]
SHAPE, WINDOW, OVERLAP, TURNS = (112, 112, 73), (64, 64, 64), 0.25, 3
SIZES: tuple[tuple[Triple, Triple], ...] = (
    ((112, 112, 73), (64, 64, 64)), ((224, 224, 146), (96, 96, 64)), ((400, 400, 100), (96, 96, 96))
)  # fmt: skip
LESIONS = (Lesion((-42, -5, 20), (22, 32, 26)),)


def model(folder: Path, patch: Triple, filters: int = 8) -> Path:
    """A SegResNet of the size that facts/stroke.md timed, with weights by chance."""
    arguments = {"init_filters": filters, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]}
    said = {
        "format": 1, "name": "Benchmark", "version": "1", "licence": "CC0-1.0", "citation": "none", "task": "benchmark",
        "weights": {"file": "model.safetensors"}, "network": {"name": "SegResNet", "arguments": arguments},
        "channels": [{"modality": "dwi"}, {"modality": "adc"}], "patch": list(patch), "overlap": OVERLAP,
        "output": {"activation": "sigmoid", "channels": 1},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(json.dumps(said), encoding="utf-8")
    torch.manual_seed(0)
    made = build("SegResNet", load_config(folder).arguments, 2, 1, patch)
    save_model(made, str(folder / "model.safetensors"))
    return folder


def ways(folder: Path, threads: int) -> dict[str, Callable[[Floats], Floats]]:
    """Ours, and MONAI's with one and with four windows at once: image (C, x, y, z) -> raw answer."""
    config = load_config(folder)
    ours = TorchPredictor(load_network(config, folder / config.weights, WINDOW), "cpu", "float32", threads)
    plain = load_network(config, folder / config.weights, WINDOW)

    def theirs(batch: int) -> Callable[[Floats], Floats]:
        def run(image: Floats) -> Floats:
            with torch.inference_mode():
                given = torch.from_numpy(image)[None]
                found = sliding_window_inference(given, WINDOW, batch, plain, OVERLAP, mode="gaussian")
            return np.asarray(found[0].numpy(), dtype=np.float32)

        return run

    return {
        "ours": lambda image: slide(image, WINDOW, OVERLAP, AT_ONCE, ours, lambda done, of: None),
        "MONAI, 1 window": theirs(1),
        "MONAI, 4 windows": theirs(4),
    }


def speed(folder: Path, turns: int, threads: int) -> None:
    """One line for each way: its fastest turn by clock and CPU, and voxels of the mask that differ from ours."""
    image = np.random.default_rng(0).standard_normal((2, *SHAPE), np.float32)
    found = ways(model(folder / "speed", WINDOW), threads)
    answers = {name: run(image) for name, run in found.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(turns):
        for name, run in found.items():
            begun, spent = time.perf_counter(), time.process_time()
            run(image)
            times[name].append((time.perf_counter() - begun, time.process_time() - spent))
    ours = answers["ours"] > 0
    best = {name: (min(wall for wall, _ in t), min(cpu for _, cpu in t)) for name, t in times.items()}
    print(f"{f'sliding window, {SHAPE}, {threads} threads':48}{'s':>8}{'CPU s':>8}{'differ':>8}")
    for name, (wall, cpu) in best.items():
        differ = int(np.count_nonzero((answers[name] > 0) != ours))
        print(f"{name:48}{wall:8.2f}{cpu:8.2f}{differ:8d}")
    wall, cpu = (min(b[at] for name, b in best.items() if name != "ours") for at in (0, 1))
    print(f"{'ours / the fastest of MONAI':48}{best['ours'][0] / wall:8.2f}{best['ours'][1] / cpu:8.2f}", flush=True)


def memory(folder: Path, sizes: tuple[tuple[Triple, Triple], ...]) -> None:
    """One line for each size: a whole job in its worker, its peak and what was predicted."""
    print(f"\n{'job':40}{'Mvoxel':>8}{'s':>8}{'MB':>8}{'~s':>8}{'~MB':>8}{'ratio':>7}")
    for at, (shape, patch) in enumerate(sizes):
        here = folder / str(at)
        engine = open_engine(model(here / "model", patch))
        affine: NDArray[np.float64] = np.diag([*(220 / n for n in shape), 1.0])
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
        made = head(shape, affine, 1, LESIONS)
        inputs = {name: here / f"{name}.nii.gz" for name in ("dwi", "adc")}
        for name, path in inputs.items():
            nifti.write_volume(made.images[name], path, dtype="int16")
        job = Job("bench", None, "network", inputs, {}, here / "out", model=here / "model")
        found = run_job(job, lambda phase, done: None, lambda: False)
        needs = engine.needs(int(np.prod(shape)), {})
        title = f"{' × '.join(map(str, shape))}, window {' × '.join(map(str, patch))}"
        print(
            f"{title:40}{np.prod(shape) / 1e6:8.2f}{found.seconds:8.1f}{found.peak_rss_mb:8.0f}"
            f"{needs.seconds:8.1f}{needs.memory_mb:8.0f}{found.peak_rss_mb / needs.memory_mb:7.2f}",
            flush=True,
        )


def main(argv: list[str]) -> int:
    """Print both tables."""
    quick = "--quick" in argv
    with tempfile.TemporaryDirectory() as name:
        if "--memory" not in argv:
            speed(Path(name), 1 if quick else TURNS, 1 if "--single" in argv else cores())
        if "--speed" not in argv:
            memory(Path(name), SIZES[:2] if quick else SIZES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
