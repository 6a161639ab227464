"""What the segmentation benchmarks work on: heads of three sizes, models with weights by chance, and one job measured.

Everything is made in a folder that its caller removes; the real case is used where it lies. Prints nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from core.imaging import nifti
from core.imaging.phantom import Lesion, isles24_grid, on_fine_grid
from core.imaging.volume import Affine, Mask, Volume
from core.segmentation.engine import load_engine
from core.segmentation.engines.network_config import CONFIG_NAME, load_config
from core.segmentation.engines.network_nets import Triple, build
from core.segmentation.job import Job
from core.segmentation.results import JobResult
from core.segmentation.runner import run_job

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "isles22-0001"
LESIONS = (Lesion((-42, -5, 20), (22, 32, 26)), Lesion((25, -40, 30), (5, 5, 5)))
SMALL, MIDDLE, LARGE = "112 × 112 × 73", "256 × 256 × 96", "512 × 586 × 74 (ISLES'24)"
WITHIN = 0.25  # a prediction of memory may be this far from what was used
SEGRESNET = {"init_filters": 8, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]}  # 1.18 million weights
TINY = {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}


@dataclass(frozen=True, eq=False)
class Case:
    """One head on disk."""

    title: str
    inputs: dict[str, Path]
    truth: Mask | None

    @property
    def voxels(self) -> int:
        """Of the DWI."""
        return int(np.prod(nifti.read_header(self.inputs["dwi"]).grid))


@dataclass(frozen=True)
class Cell:
    """One job, as measured and as predicted; MB are 1e6 bytes, of the whole worker process."""

    what: str
    case: str
    mvoxel: float
    seconds: float
    rss_mb: float
    predicted_s: float
    predicted_mb: float
    result: JobResult

    @property
    def off(self) -> float:
        """How far the predicted memory is from the measured one, as a share of the latter."""
        return self.predicted_mb / self.rss_mb - 1


def grids() -> dict[str, tuple[Triple, Affine]]:
    """The three sizes, each over a whole head."""
    return {
        SMALL: ((112, 112, 73), centred((112, 112, 73), (2.0, 2.0, 2.0))),
        MIDDLE: ((256, 256, 96), centred((256, 256, 96), (0.9, 0.9, 1.6))),
        LARGE: isles24_grid(),
    }


def centred(shape: Triple, spacing: tuple[float, float, float]) -> Affine:
    """An upright RAS grid around (0, 0, 0)."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def make(title: str, folder: Path) -> Case:
    """The head of that size, DWI and ADC as float32 files."""
    shape, affine = grids()[title]
    folder.mkdir(parents=True, exist_ok=True)
    made = on_fine_grid(shape, affine, 1, LESIONS)
    return Case(title, save(made.images, folder), made.lesion)


def cases(folder: Path, largest: bool) -> Iterator[tuple[str, dict[str, Path], Mask | None]]:
    """Name, inputs and truth, the real case first where it is here; files are made when their turn comes."""
    case = real()
    if case is not None:
        yield case.title, case.inputs, None
    for title in (SMALL, MIDDLE, LARGE) if largest else (SMALL, MIDDLE):
        case = make(title, folder / str(len(title)))
        yield title, case.inputs, case.truth


def real() -> Case | None:
    """The real ISLES'22 case, if it is on this machine."""
    found = {m: next(REAL.glob(f"*_{m}.nii.gz"), None) for m in ("dwi", "adc")} if REAL.is_dir() else {}
    inputs = {name: path for name, path in found.items() if path is not None}
    return Case("real ISLES'22 case, 112 × 112 × 73", inputs, None) if len(inputs) == 2 else None


def save(images: Mapping[str, Volume], folder: Path, dtype: str = "float32") -> dict[str, Path]:
    """DWI and ADC as files."""
    paths = {}
    for name in ("dwi", "adc"):
        paths[name] = folder / f"{name}.nii.gz"
        nifti.write_volume(images[name], paths[name], dtype=dtype)
    return paths


def describe(network: str, arguments: Mapping[str, Any], patch: Triple, **said: Any) -> dict[str, Any]:
    """A config of two channels; `said` replaces what it says."""
    return {
        "format": 1, "name": "Benchmark", "version": "1", "licence": "CC0-1.0", "citation": "none", "task": "benchmark",
        "weights": {"file": "model.safetensors"}, "network": {"name": network, "arguments": dict(arguments)},
        "channels": [{"modality": "dwi"}, {"modality": "adc"}], "patch": list(patch), "overlap": 0.25,
        "output": {"activation": "sigmoid", "channels": 1}, **said,
    }  # fmt: skip


def model(folder: Path, network: str, arguments: Mapping[str, Any], patch: Triple, **said: Any) -> Path:
    """A folder with a model whose weights are by chance, always the same."""
    import torch
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(json.dumps(describe(network, arguments, patch, **said)), encoding="utf-8")
    torch.manual_seed(0)
    save_model(build(network, load_config(folder).arguments, 2, 1, patch), str(folder / "model.safetensors"))
    return folder


def onnx_model(folder: Path, network: str, arguments: Mapping[str, Any], patch: Triple, **said: Any) -> Path:
    """The same network as an ONNX file."""
    import warnings

    import torch

    model(folder, network, arguments, patch)
    made = build(network, load_config(folder).arguments, 2, 1, patch).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has a newer exporter, which needs a library that nobody else needs
        given = (torch.zeros(1, 2, *patch),)
        torch.onnx.export(made, given, str(folder / "model.onnx"), dynamo=False, opset_version=17)
    (folder / "model.safetensors").unlink()
    config = describe("onnx", {}, patch, weights={"file": "model.onnx"}, **said)
    del config["network"]["arguments"]
    (folder / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
    return folder


def measure(what: str, case: Case, job: Job, seconds_of: Sequence[int] = (0,)) -> Cell:
    """Run a job as the app does, once for each of `seconds_of`; the fastest counts, and the largest peak."""
    first = next(iter(job.inputs.values()))
    voxels = int(np.prod(nifti.read_header(first).grid))
    needs = load_engine(job.engine, job.model).needs(voxels, job.parameters)
    runs = [run_job(job, lambda phase, done: None, lambda: False) for _ in seconds_of]
    fastest = min(runs, key=lambda run: run.seconds)
    peak = max(run.peak_rss_mb for run in runs)
    return Cell(what, case.title, voxels / 1e6, fastest.seconds, peak, needs.seconds, needs.memory_mb, fastest)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print it as Markdown, each row as soon as it is known."""
    for row in chain((head, ["---"] * len(head)), rows):
        print("| " + " | ".join(row) + " |", flush=True)
