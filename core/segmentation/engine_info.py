"""EngineInfo: what an engine is, needs and cannot do, and what a user may change of it.

Plain descriptions for the screen, the budget and the provenance. Segments nothing (engine.py has the contract).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import BadParameter

Value = float | str


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

    def check(self, value: Value) -> float:
        """The value as a number.

        Raises:
            BadParameter: it is none, or not within the range.
        """
        if isinstance(value, str) or not (math.isfinite(value) and self.low <= value <= self.high):
            said = value if isinstance(value, str) else f"{value:g}"
            raise BadParameter(f"{self.name} = {said} is out of range", hint=f"choose {self.low:g} to {self.high:g}")
        return float(value)


@dataclass(frozen=True)
class Choice:
    """One word a user may choose out of `options`. `help` is for the screen."""

    name: str
    label: str
    default: str
    options: tuple[str, ...]
    help: str

    def check(self, value: Value) -> str:
        """The word.

        Raises:
            BadParameter: it is not among the options.
        """
        if not isinstance(value, str) or value not in self.options:
            hint = f"choose one of {', '.join(self.options)}"
            raise BadParameter(f"{self.name} = {value} is not among its options", hint=hint)
        return value


@dataclass(frozen=True)
class Needs:
    """What a job will take, predicted.

    Attributes:
        memory_mb: peak resident memory of the worker and all it starts, MB (1e6 bytes).
        seconds: rough wall time.
        gpu_mb: GPU memory, MB; 0 for none.
        disk_mb: scratch on the disk of the output folder, MB.
    """

    memory_mb: float
    seconds: float
    gpu_mb: float = 0.0
    disk_mb: float = 0.0


@dataclass(frozen=True)
class Missing:
    """Why an engine cannot run on this machine: one sentence, and the next step."""

    sentence: str
    hint: str


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
        licence: under which the engine and its weights may be used, in words.
        citation: what to cite when its results are published.
        task: what it segments, e.g. "ischemic lesion on follow-up DWI"; a score belongs to one task.
        probability: what its probability map means; "" for an engine without one.
        backstop: its worker may be given a limit of address space; not where libraries reserve far more than they use.
    """

    name: str
    label: str
    version: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    validated: str
    failures: tuple[str, ...]
    parameters: tuple[Parameter | Choice, ...]
    memory_base_mb: float
    memory_bytes_per_voxel: float
    seconds_base: float
    seconds_per_mvoxel: float
    licence: str
    citation: str
    task: str
    probability: str = ""
    backstop: bool = True

    def predict_memory_mb(self, voxels: int) -> float:
        """Peak resident memory of the worker in MB (1e6 bytes) for a native grid of so many voxels."""
        return self.memory_base_mb + self.memory_bytes_per_voxel * voxels / 1e6

    def predict_seconds(self, voxels: int) -> float:
        """Rough seconds on one core."""
        return self.seconds_base + self.seconds_per_mvoxel * voxels / 1e6

    def needs(self, voxels: int) -> Needs:
        """What a job takes by the straight lines above; an engine that knows better says it itself."""
        return Needs(self.predict_memory_mb(voxels), self.predict_seconds(voxels), disk_mb=12 * voxels / 1e6)

    def settle(self, chosen: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters with their values: the chosen ones, checked, over the defaults.

        Raises:
            BadParameter: an unknown name, a value that is not a number within its range, or not among the options.
        """
        for name in chosen:
            self._known(name)
        return {p.name: p.check(chosen.get(p.name, p.default)) for p in self.parameters}

    def read(self, name: str, text: str) -> Value:
        """A parameter's value as a person typed it; checked by `settle`, not here.

        Raises:
            BadParameter: an unknown name, or words where a number belongs.
        """
        if isinstance(self._known(name), Choice):
            return text.strip()
        try:
            return float(text)
        except ValueError:
            hint = f"write e.g. --set {name}=1.5"
            raise BadParameter(f"{name} = {text!r} is not a number", hint=hint) from None

    def _known(self, name: str) -> Parameter | Choice:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = ", ".join(p.name for p in self.parameters) or "none"
        raise BadParameter(f"{self.name} has no parameter {name!r}", hint=f"it has {names}")
