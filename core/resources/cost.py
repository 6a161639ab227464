"""Cost: what each kind of step is predicted to need, before it is paid.

Pure sums from sizes that headers and engines tell; every number is a measured peak of that step, without a safety
margin (budget.py adds it) and without what was learnt here (ledger.py). MB are 10^6 bytes. Opens no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.resources.memory import MB

PROCESS_MB = 95.0  # a fresh process with numpy and scipy, doing nothing
FETCH_MB = 40.0  # buffers of one transfer, whatever its size
SCORE_BYTES = 5.0  # per voxel of the grid: two masks, their file, their overlap
SCORE_FOREGROUND_BYTES = 80.0  # per voxel of either mask: positions, trees, distances, if every one were surface
SCORE_WORST_BYTES = 40.0  # per voxel of the grid, masks of pure noise: more was never seen
SAMPLE_MB = 70.0  # one synthetic case: every image of it at once
CUT_MB = 20.0  # one time point out of a series: pieces of a stream, however long it is
# The static view, per voxel: a float32 image and its bytes; percentiles of it; the factor of an ADC; an overlay beside.
VIEW_BYTES, VIEW_AUTO_BYTES, VIEW_ADC_BYTES, VIEW_OVERLAY_BYTES = 7.0, 8.5, 5.0, 6.0


@dataclass(frozen=True)
class Step:
    """One expensive step before it is begun.

    Attributes:
        kind: what is learnt together; an engine adds its name: "engine:diffusion".
        what: for sentences, e.g. "scoring"; never names a file or a person.
        memory_mb: predicted peak of what the step adds to the container.
        disk_mb: bytes it will write, scratch files included.
        heavy: one at a time, unless a person allows more (STROKESCOPE_HEAVY_JOBS).
        case: id of the case, for the record; "" when there is none.
    """

    kind: str
    what: str
    memory_mb: float
    disk_mb: float = 0.0
    heavy: bool = False
    case: str = ""


def fetch_step(size_bytes: int, what: str = "fetching", case: str = "") -> Step:
    """A download of so many bytes, written beside and renamed."""
    return Step("fetch", what, FETCH_MB, size_bytes / MB, case=case)


def engine_step(name: str, predicted_mb: float, voxels: int, case: str = "", scratch_mb: float = 0.0) -> Step:
    """A segmentation, by the engine's own formula; a mask, a core and float32 scores are written twice over."""
    disk_mb = max(12 * voxels / MB, scratch_mb)
    return Step(f"engine:{name}", f"segmenting with {name}", predicted_mb, disk_mb, heavy=True, case=case)


def score_mb(voxels: int, foreground: int | None) -> float:
    """Peak of comparing two masks.

    Args:
        foreground: voxels of both masks together, or an upper bound; None when nobody counted: then the worst.
    """
    worst = SCORE_WORST_BYTES * voxels
    surface = worst if foreground is None else min(worst, SCORE_FOREGROUND_BYTES * foreground)
    return PROCESS_MB + (SCORE_BYTES * voxels + surface) / MB


def score_step(voxels: int, foreground: int | None = None, case: str = "") -> Step:
    """Comparing two masks and writing their overlap."""
    return Step("score", "scoring", score_mb(voxels, foreground), voxels / MB, heavy=True, case=case)


def sample_step(size_bytes: int, case: str = "") -> Step:
    """Making a synthetic case whose files take so many bytes."""
    return Step("sample", "making the synthetic case", SAMPLE_MB, size_bytes / MB, case=case)


def cut_step(volume_bytes: int, case: str = "") -> Step:
    """Taking one time point of so many decoded bytes out of a series; noise does not shrink when it is packed."""
    return Step("decode", "taking out the time point", CUT_MB, 1.01 * volume_bytes / MB, case=case)


def view_step(voxels: int, overlay: bool = False, auto: bool = True, adc: bool = False, case: str = "") -> Step:
    """The static view of one image inside the app, read as a stream whatever its type on disk.

    Args:
        auto: its window is found from its values.
        adc: its unit is found from its values.
    """
    each = VIEW_BYTES + VIEW_AUTO_BYTES * auto + VIEW_ADC_BYTES * adc + VIEW_OVERLAY_BYTES * overlay
    return Step("view", "the static view", each * voxels / MB, case=case)


def address_space_mb(predicted_mb: float) -> float:
    """The backstop of a worker: far above any honest need, since libraries reserve much that they never touch."""
    return max(4000.0, 3.0 * predicted_mb + 2000.0)
