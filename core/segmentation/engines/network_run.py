"""Run: windows through a network on the best device there is, and what becomes of it when memory ends.

A ladder of tries: the GPU with several windows at once, with one, with smaller ones, then the CPU. Each step down is
told. Decides by plain numbers; how a network is opened is an argument.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import EngineError
from core.segmentation.engines.network_predict import Predictor
from core.segmentation.engines.network_windows import Tick, Triple, slide_mirrored

Floats = NDArray[np.float32]
GPU_BATCH = 4
SLOWER = "the CPU was used, which takes longer."
SMALLEST = 32  # voxels; a smaller window shows a network too little


@dataclass(frozen=True)
class Rung:
    """One try: where, with which window, how many at once."""

    device: str
    window: Triple
    batch: int


Open = Callable[[Rung], Predictor]


@dataclass(frozen=True, eq=False)
class Answer:
    """The raw answer (K, x, y, z), how it was made, and what a reader must know of that."""

    data: Floats
    rung: Rung
    notes: dict[str, str]
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For the provenance."""
        return {**self.notes, "window": list(self.rung.window), "windows_at_once": self.rung.batch}


def ladder(
    gpu: bool, window: Triple, stride: Triple, resizable: bool, at_once: int = 1, spread: bool = False
) -> tuple[Rung, ...]:
    """All tries, the best first.

    Args:
        resizable: the network takes windows of other sizes than its own.
        at_once: windows that the CPU takes together.
        spread: as window_of.
    """
    last = Rung("cpu", window, at_once)
    if not gpu:
        return (last,)
    tries = [Rung("cuda", window, GPU_BATCH), Rung("cuda", window, 1)]
    if resizable:
        x, y, z = (smaller(side, step) for side, step in zip(window, stride, strict=True))
        if (x, y, z) != window and not (spread and (x, y, z) == stride):
            tries.append(Rung("cuda", (x, y, z), 1))
    return (*tries, last)


def smaller(side: int, step: int) -> int:
    """Half the side, as a multiple of the step, not below SMALLEST; the side itself if it is no larger."""
    least = -(-SMALLEST // step) * step
    return side if side <= least else max(least, side // 2 // step * step)


def is_full(error: Exception) -> bool:
    """Whether the error says that a device's memory is full."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error)
    return any(words in said for words in ("out of memory", "ALLOC_FAILED", "can't allocate memory"))


def infer(
    image: Floats, rungs: Sequence[Rung], open_on: Open, overlap: float, mirror: Sequence[int], tick: Tick
) -> Answer:
    """The network's answer by the first try that has memory enough.

    Args:
        image: (C, x, y, z).
        mirror: axes to mirror along.

    Raises:
        MemoryError: the last one has not, either.
        EngineError: the CPU failed in another way.
        BadModel: as the network's opener and `slide` do.
    """
    warnings: tuple[str, ...] = ()
    left = list(rungs)
    while left:
        rung = left.pop(0)
        try:
            data, notes = _try(image, rung, open_on, overlap, mirror, tick)
        except (RuntimeError, ValueError) as error:
            full = is_full(error)
            if not left and full:
                raise MemoryError from None
            if rung.device == "cpu" or not left:
                said = f"the network failed on the {name_of(rung.device)} ({type(error).__name__})"
                raise EngineError(said, hint="check the model (python -m core model check)") from None
            left = left if full else left[-1:]
            warnings = (step_down(rung, left[0]) if full else f"The GPU failed ({type(error).__name__}): {SLOWER}",)
        else:
            return Answer(data, rung, notes, warnings)
    raise MemoryError


def _try(
    image: Floats, rung: Rung, open_on: Open, overlap: float, mirror: Sequence[int], tick: Tick
) -> tuple[Floats, dict[str, str]]:
    predictor = open_on(rung)
    try:
        data = slide_mirrored(image, rung.window, overlap, rung.batch, predictor, tick, mirror)
        return data, dict(predictor.notes)
    finally:
        predictor.close()


def name_of(device: str) -> str:
    """For sentences."""
    return "GPU" if device == "cuda" else "CPU"


def step_down(before: Rung, after: Rung) -> str:
    """What a reader must know of a step down the ladder."""
    if after.device != before.device:
        return f"The GPU's memory was too small even for one window: {SLOWER}"
    if after.window != before.window:
        sides = " × ".join(str(side) for side in after.window)
        return f"The GPU's memory was too small: windows of {sides} voxels were used, which may change the result."
    return "The GPU's memory was too small for several windows at once: they were computed one by one."
