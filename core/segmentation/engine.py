"""Engine: what segments a lesion, as one written contract.

`ENGINES` names each engine and where it lives; `load_engine` imports it when it is needed. What an engine is and needs
is in engine_info.py. Does not run processes (runner.py) and does not write files (worker.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, BadParameter
from core.imaging import nifti
from core.imaging.header import Header
from core.imaging.volume import Mask, Volume
from core.segmentation.engine_info import Choice as Choice
from core.segmentation.engine_info import EngineInfo as EngineInfo
from core.segmentation.engine_info import Missing as Missing
from core.segmentation.engine_info import Needs as Needs
from core.segmentation.engine_info import Parameter as Parameter
from core.segmentation.engine_info import Value as Value

Phase = Callable[[str, float], None]  # name of the phase, fraction of the engine's work done (0..1, never falling)


@dataclass(frozen=True, eq=False)
class Image:
    """One input of a job: a file that is read when an engine asks for it.

    Attributes:
        name: what the engine calls it, e.g. "dwi".
        path: the file. An engine never writes to it and never lets a foreign program write to it.
        sha256: of the file.
        label: what it is in words, for sentences; by default the name in capitals.
    """

    name: str
    path: Path
    sha256: str
    label: str = ""

    @property
    def title(self) -> str:
        """What it is called in sentences."""
        return self.label or self.name.upper()

    @cached_property
    def header(self) -> Header:
        """What the file says of itself; decodes no voxel.

        Raises:
            BadVolume: it is no NIfTI file.
        """
        return nifti.read_header(self.path)

    @property
    def voxels(self) -> int:
        """Voxels of one 3D image."""
        x, y, z = self.header.grid
        return x * y * z

    @cached_property
    def _volume(self) -> Volume:
        return nifti.read_volume(self.path)

    def volume(self) -> Volume:
        """The voxels as float32, decoded once and kept until `release`.

        Raises:
            BadVolume: damaged, or more than one volume.
        """
        return self._volume

    def release(self) -> None:
        """Forget the voxels; the next `volume` decodes them again."""
        self.__dict__.pop("_volume", None)


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
        threshold: the mask is where the probability is at least this.
        disagreement: (X, Y, Z) float32 in 0..1, how far several opinions lie apart; None if there is only one.
        notes: facts for the provenance, plain values for JSON, e.g. {"device": "cpu"}; no path of this machine.
    """

    mask: Mask
    probability: NDArray[np.float32] | None
    core: Mask | None
    warnings: tuple[str, ...]
    adc_scale: float | None = None
    midplane: tuple[float, float, float, float] | None = None
    threshold: float = 0.5
    disagreement: NDArray[np.float32] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """The contract, checked by tests/segmentation/test_engine_contract.py.

    `segment` takes images by name, in any orientation, spacing and unit; returns a Segmentation on the grid of
    inputs[info.inputs[0]]; is deterministic; reports phases; prints nothing, fetches nothing and writes only below
    `scratch`, an empty folder that is removed afterwards. It runs in a process of its own that may be killed at any
    time, and whatever it starts must die with that process. Raises BadInput for what it cannot judge, BadParameter for
    bad parameters, EngineAbsent when this machine cannot run it, EngineError for whatever else fails.

    `needs` is pure and imports nothing heavy; it never falls when the voxels grow. `missing` asks the machine cheaply
    whether the engine could run here; None when it could.
    """

    @property
    def info(self) -> EngineInfo: ...

    def needs(self, voxels: int, parameters: Mapping[str, Value]) -> Needs: ...

    def missing(self) -> Missing | None: ...

    def segment(
        self, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Phase, scratch: Path
    ) -> Segmentation: ...


ENGINES: dict[str, str] = {
    "diffusion": "core.segmentation.engines.diffusion:ENGINE",
    "deepisles": "core.segmentation.engines.deepisles:ENGINE",
    "network": "core.segmentation.engines.network:open_engine",
}
COMBINERS: dict[str, str] = {  # not chosen for a case: their images are results of other engines
    "consensus": "core.segmentation.consensus:ENGINE",
}


def load_engine(name: str, model: Path | None = None) -> Engine:
    """The engine of that name. Importing an engine's module is cheap: heavy libraries load inside `segment`.

    Args:
        model: a verified local folder, for engines that are nothing without one ("network").

    Raises:
        BadParameter: no such engine, or a model where none is taken, or none where one is needed.
        BadModel: the folder is not a model.
    """
    known = ENGINES | COMBINERS
    if name not in known:
        raise BadParameter(f"there is no engine {name!r}", hint=f"choose one of {', '.join(ENGINES)}")
    module, attribute = known[name].split(":")
    found = getattr(importlib.import_module(module), attribute)
    if not callable(found):
        if model is not None:
            raise BadParameter(f"{name} takes no model", hint="leave the model out, or choose another engine")
        return cast(Engine, found)
    if model is None:
        raise BadParameter(f"{name} needs a model", hint="name a folder or a repository that holds one")
    return cast(Engine, found(model))


def needed(inputs: Mapping[str, Image], info: EngineInfo) -> tuple[Image, ...]:
    """The images that the engine cannot do without.

    Raises:
        BadInput: one was not given.
    """
    for name in info.inputs:
        if name not in inputs:
            given = ", ".join(inputs) or "none"
            hint = f"{info.name} needs {', '.join(info.inputs)}; given: {given}"
            raise BadInput(f"there is no {name.upper()}", hint=hint)
    return tuple(inputs[name] for name in info.inputs)
