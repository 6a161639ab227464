"""Each engine as a whole job at three sizes: seconds and peak memory, beside what was predicted, and the overlap.

The networks' weights are by chance, so only the rules have an overlap with the truth that means anything. Part of
`python -m benchmarks.segmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.segmentation_cases import (
    LARGE,
    MIDDLE,
    SEGRESNET,
    SMALL,
    TINY,
    WITHIN,
    Case,
    Cell,
    make,
    measure,
    model,
    real,
    table,
)
from core.imaging import nifti
from core.segmentation.consensus import consensus_job
from core.segmentation.job import Job

HEAD = ("engine", "image", "Mvoxel", "s", "predicted s", "peak RSS MB", "predicted MB", "off", "Dice")


def run(folder: Path, quick: bool) -> bool:
    """Print the table; whether every prediction of memory held."""
    held = []

    def rows() -> Iterator[tuple[str, ...]]:
        for cell, case in cells(folder, quick):
            held.append(abs(cell.off) <= WITHIN)
            yield row(cell, overlap(cell, case))

    table(HEAD, rows())
    return all(held)


def row(cell: Cell, dice: str) -> tuple[str, ...]:
    """One line of the table."""
    seconds, predicted = f"{cell.seconds:.1f}", f"{cell.predicted_s:.1f}"
    memory = (f"{cell.rss_mb:.0f}", f"{cell.predicted_mb:.0f}", f"{cell.off:+.0%}")
    return (cell.what, cell.case, f"{cell.mvoxel:.2f}", seconds, predicted, *memory, dice)


def overlap(cell: Cell, case: Case) -> str:
    """Dice with the truth, of engines that know something."""
    if case.truth is None:
        return "no truth"
    if cell.what != "diffusion":
        return "–"
    found, truth = nifti.read_mask(cell.result.mask).data, case.truth.data
    total = int(np.count_nonzero(found)) + int(np.count_nonzero(truth))
    return f"{2 * int(np.count_nonzero(found & truth)) / total:.2f}" if total else "1.00"


def cells(folder: Path, quick: bool) -> Iterator[tuple[Cell, Case]]:
    """All jobs, one after the other; a size's files are made when its turn comes."""
    coarse = {"spacing_mm": [2, 2, 2]}
    tiny = model(folder / "tiny", "SegResNet", TINY, (64, 64, 64), **coarse)
    good = model(folder / "good", "SegResNet", SEGRESNET, (64, 64, 64), **coarse)
    own = model(folder / "own", "SegResNet", SEGRESNET, (96, 96, 64))
    case = real()
    if case is not None:
        job = Job("bench", None, "diffusion", case.inputs, {}, folder / "real")
        yield measure("diffusion", case, job, (0, 1)), case
    for title in (SMALL, MIDDLE) if quick else (SMALL, MIDDLE, LARGE):
        case = make(title, folder / f"case{len(title)}")
        out = folder / f"out{len(title)}"
        twice = () if quick else (1,)
        rules = measure("diffusion", case, Job("b1", None, "diffusion", case.inputs, {}, out / "d"), (0, *twice))
        yield rules, case
        networks = {"network, tiny, 2 mm": tiny, "network, 1.2 M weights, 2 mm": good}
        if title != LARGE:
            networks["network, 1.2 M weights, the image's grid"] = own
        found = rules
        for name, at in networks.items():
            found = measure(name, case, Job("b2", None, "network", case.inputs, {}, out / at.name, model=at))
            yield found, case
        for rule in ("majority", "mean"):
            job = consensus_job([rules.result, found.result], rule, out / rule, "b3", adc=case.inputs["adc"])
            yield measure(f"consensus of two, {rule}", case, job, (0, *twice)), case
