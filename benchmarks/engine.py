"""Seconds and peak memory of the diffusion engine's worker: the real case, if it is here, and heads of three sizes.

`python -m benchmarks.engine [--small]`; --small leaves out the largest head, which takes half a minute to make. Prints
a table and keeps no files.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from core.imaging import nifti
from core.imaging.phantom import Lesion, head, isles24_grid, on_fine_grid
from core.imaging.volume import Affine, Mask, Volume
from core.segmentation.engine import load_engine
from core.segmentation.job import Job
from core.segmentation.runner import run_job

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "isles22-0001"
LESIONS = (Lesion((-42, -5, 20), (22, 32, 26)), Lesion((25, -40, 30), (5, 5, 5)))


def centred(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Affine:
    """An upright RAS grid around (0, 0, 0)."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def cases(folder: Path, largest: bool) -> Iterator[tuple[str, dict[str, Path], Mask | None]]:
    """Name, inputs and truth of each case; files are made in `folder` when their turn comes."""
    real = {m: next(REAL.glob(f"*_{m}.nii.gz"), None) for m in ("dwi", "adc")} if REAL.is_dir() else {}
    if real and all(real.values()):
        yield "real ISLES'22 case", {m: path for m, path in real.items() if path}, None
    for shape, spacing in (((112, 128, 40), (1.7, 1.7, 3.5)), ((224, 256, 80), (0.85, 0.85, 1.75))):
        made = head(shape, centred(shape, spacing), 1, LESIONS)
        yield "upright head", save(made.images, folder), made.lesion
    if largest:
        shape, affine = isles24_grid()
        made = on_fine_grid(shape, affine, 1, LESIONS)
        inputs, truth = save(made.images, folder), made.lesion
        del made
        yield "ISLES'24 grid", inputs, truth


def save(images: Mapping[str, Volume], folder: Path) -> dict[str, Path]:
    """DWI and ADC as float32 files."""
    paths = {}
    for name in ("dwi", "adc"):
        paths[name] = folder / f"{name}.nii.gz"
        nifti.write_volume(images[name], paths[name], dtype="float32")
    return paths


def dice(a: Mask, b: Mask) -> float:
    """Overlap of two masks on one grid; 1 when both are empty."""
    total = int(np.count_nonzero(a.data)) + int(np.count_nonzero(b.data))
    return 2 * int(np.count_nonzero(a.data & b.data)) / total if total else 1.0


def main(argv: list[str]) -> int:
    """Print one line per case."""
    info = load_engine("diffusion").info
    print(f"{'case':22}{'Mvoxel':>8}{'s':>7}{'MB':>7}{'~s':>7}{'~MB':>7}{'ml':>8}{'Dice':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, inputs, truth in cases(folder, "--small" not in argv):
            voxels = int(np.prod(nifti.read_header(inputs["dwi"]).shape))
            job = Job(f"bench-{time.monotonic_ns()}", None, "diffusion", inputs, {}, folder / "out")
            found = run_job(job, lambda _phase, _done: None, lambda: False)
            overlap = f"{dice(nifti.read_mask(found.mask), truth):.3f}" if truth else "–"
            print(
                f"{title:22}{voxels / 1e6:8.2f}{found.seconds:7.2f}{found.peak_rss_mb:7.0f}"
                f"{info.predict_seconds(voxels):7.2f}{info.predict_memory_mb(voxels):7.0f}"
                f"{found.volume_ml:8.2f}{overlap:>7}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
