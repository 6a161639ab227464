"""Engine: what segments a lesion, as one written contract.

`ENGINES` names each engine and where it lives; `load_engine` imports it when it is needed. Does not run processes
(runner.py) and does not read or write files (worker.py).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import BadParameter
from core.imaging.volume import Mask, Volume

Phase = Callable[[str, float], None]  # name of the phase, fraction of the whole job done (0..1, never falling)


@dataclass(frozen=True)
class Parameter:
    """One number a user may change. `unit` and `help` are for the screen; the range is inclusive."""

    name: str
    label: str
    default: float
    low: float
    high: float
    step: float
    unit: str
    help: str


@dataclass(frozen=True)
class EngineInfo:
    """What the screen and the budget need to know of an engine.

    Attributes:
        name: key in ENGINES and on the command line.
        label: honest name for the screen.
        version: changes whenever the same input may give another output.
        inputs: modalities that it needs; `optional` ones it can use.
        validated: one sentence: on what it is and is not validated.
        failures: known failures, one sentence each, always on screen.
        parameters: what a user may change.
        memory_base_mb, memory_bytes_per_voxel: peak RSS of the worker = base + bytes x voxels of the native grid.
        seconds_base, seconds_per_mvoxel: rough time on one core, for the button's "~ 3 s".
    """

    name: str
    label: str
    version: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    validated: str
    failures: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    memory_base_mb: float
    memory_bytes_per_voxel: float
    seconds_base: float
    seconds_per_mvoxel: float

    def predict_memory_mb(self, voxels: int) -> float:
        """Peak resident memory of the worker in MB (1e6 bytes) for a native grid of so many voxels."""
        return self.memory_base_mb + self.memory_bytes_per_voxel * voxels / 1e6

    def predict_seconds(self, voxels: int) -> float:
        """Rough seconds on one core."""
        return self.seconds_base + self.seconds_per_mvoxel * voxels / 1e6

    def settle(self, chosen: Mapping[str, float]) -> dict[str, float]:
        """All parameters with their values: the chosen ones, checked, over the defaults.

        Raises:
            BadParameter: an unknown name, or a value that is not a number within its range.
        """
        known = {p.name: p for p in self.parameters}
        for name, value in chosen.items():
            if name not in known:
                raise BadParameter(f"{self.name} has no parameter {name!r}", hint=f"it has {', '.join(known)}")
            low, high = known[name].low, known[name].high
            if not (math.isfinite(value) and low <= value <= high):
                raise BadParameter(f"{name} = {value:g} is out of range", hint=f"choose {low:g} to {high:g}")
        return {p.name: float(chosen.get(p.name, p.default)) for p in self.parameters}


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What an engine returns, on the grid of its first input.

    Attributes:
        mask: the lesion.
        probability: (X, Y, Z) float32 in 0..1 on the same grid, or None if the engine has none.
        core: voxels inside the mask with ADC below the core threshold, or None if the engine cannot tell.
        warnings: sentences for the screen; everything a reader must know to judge the result.
        adc_scale: what the ADC input must be multiplied with to be in 1e-6 mm2/s; None if the engine did not judge.
        midplane: (nx, ny, nz, d), n . p = d in RAS+ mm with n to the patient's right; None if it was not sought.
    """

    mask: Mask
    probability: NDArray[np.float32] | None
    core: Mask | None
    warnings: tuple[str, ...]
    adc_scale: float | None = None
    midplane: tuple[float, float, float, float] | None = None


class Engine(Protocol):
    """The contract, checked by tests/segmentation/test_engine_contract.py.

    `segment` takes volumes by modality, in any orientation, spacing and unit; returns a Segmentation on the grid of
    inputs[info.inputs[0]]; is deterministic; reports phases; does not write, fetch or print.
    Raises BadInput for what it cannot judge, BadParameter for bad parameters.
    """

    @property
    def info(self) -> EngineInfo: ...

    def segment(self, inputs: Mapping[str, Volume], parameters: Mapping[str, float], phase: Phase) -> Segmentation: ...


ENGINES: dict[str, str] = {
    "diffusion": "core.segmentation.engines.diffusion:ENGINE",
}


def load_engine(name: str) -> Engine:
    """The engine of that name. Importing an engine's module is cheap: heavy libraries load inside `segment`.

    Raises:
        BadParameter: no such engine.
    """
    if name not in ENGINES:
        raise BadParameter(f"there is no engine {name!r}", hint=f"choose one of {', '.join(ENGINES)}")
    module, attribute = ENGINES[name].split(":")
    return cast(Engine, getattr(importlib.import_module(module), attribute))
