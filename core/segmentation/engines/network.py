"""Engine "network": a model of somebody else, as weights and a small config in a folder.

Says what the model is and needs, and takes images through it: to the network's grid, window by window, and back.
Importing it is cheap: torch, MONAI and onnxruntime are loaded inside `segment`. Runs no code of the model and fetches
nothing (core.segmentation.models).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadModel
from core.imaging.volume import Mask
from core.segmentation.engine import (
    Choice,
    EngineInfo,
    Image,
    Missing,
    Needs,
    Parameter,
    Phase,
    Segmentation,
    Value,
    needed,
)
from core.segmentation.engines import network_needs, network_weights, network_windows
from core.segmentation.engines.network_config import ModelConfig, parse_config, read_config
from core.segmentation.engines.network_nets import ARCHITECTURES, ONNX, Triple

if TYPE_CHECKING:
    from core.segmentation.engines.network_grid import Floats, Grid
    from core.segmentation.engines.network_run import Open, Rung

FAILURES = (
    "A network gives an answer for any image, also for one unlike those it was trained on.",
    "Its probability is the network's own and not calibrated.",
)
WINDOWS = 0.95  # of the engine's work, when the last of them is done
LEAST_COVER = 0.9  # of the network's grid that each image should show
EINOPS = ("UNETR", "SwinUNETR")  # networks of MONAI that need it


def open_engine(model: Path) -> Network:
    """The engine of the model in a folder.

    Raises:
        BadModel: the folder holds no model, or one that is refused.
    """
    said = read_config(model)
    config = parse_config(said)
    weights = network_weights.weights_path(model, config.weights)
    kind = network_weights.kind_of(weights)
    if (kind == network_weights.ONNX) != (config.network == ONNX):
        raise BadModel(f"{weights.name} is {kind}, but the config names {config.network}", hint="correct the config")
    width = ARCHITECTURES[config.network].width(config.arguments) if config.network != ONNX else 0
    width = width or max(8, network_weights.onnx_found(weights).width)  # refused before all of it is read
    sha256 = network_weights.digest(weights)
    if config.sha256 not in (None, sha256):
        told = f"the weights have the sha256 {sha256[:12]}…, the config says {str(config.sha256)[:12]}…"
        raise BadModel(told, hint="fetch them again, or correct weights.sha256")
    return Network(model, config, sha256, hashlib.sha256(said).hexdigest(), weights.stat().st_size, width)


@dataclass(frozen=True)
class Network:
    """One model as an engine; see core.segmentation.engine.Engine for the contract.

    Attributes:
        folder: of the model, which is not written to.
        sha256, config_sha256: of its two files.
        weights_bytes: of the weights file.
        width: channels at full resolution.
        threads: that compute; None for as many as this process may use.
    """

    folder: Path
    config: ModelConfig
    sha256: str
    config_sha256: str
    weights_bytes: int
    width: int
    threads: int | None = None

    @property
    def info(self) -> EngineInfo:
        """What the model is, needs, and cannot do."""
        config, zero = self.config, self.needs(0, {})
        return EngineInfo(
            name="network",
            label=f"{config.name} ({config.network}, a model that you brought)",
            version=f"{config.version}+{self.sha256[:12]}.{self.config_sha256[:6]}",
            inputs=config.modalities,
            optional=(),
            validated=config.validated,
            failures=(*config.limits, *FAILURES),
            parameters=parameters_of(config),
            memory_base_mb=zero.memory_mb,
            memory_bytes_per_voxel=network_needs.NATIVE_BYTES,
            seconds_base=zero.seconds,
            seconds_per_mvoxel=network_needs.NATIVE_S * 1e6,
            licence=config.licence,
            citation=config.citation,
            task=config.task,
            probability="the network's own answer from 0 to 1, not calibrated",
            backstop=False,
        )

    def needs(self, voxels: int, parameters: Mapping[str, Value]) -> Needs:
        """What a job takes; see Engine.needs."""
        overlap, mirror = parameters.get("overlap", self.config.overlap), parameters.get("mirror", self.config.mirror)
        known = mirror if mirror in network_needs.MIRRORS else "off"
        part = min(0.9, float(overlap)) if not isinstance(overlap, str) else self.config.overlap
        return network_needs.predict(self.config, self.weights_bytes, self.width, voxels, part, str(known))

    def missing(self) -> Missing | None:
        """Why it cannot run here; see Engine.missing."""
        wanted = ["onnxruntime"] if self.config.network == ONNX else ["torch", "monai", "safetensors"]
        wanted += ["einops"] if self.config.network in EINOPS else []
        absent = [name for name in wanted if find_spec(name) is None]
        if not absent:
            return None
        said = f"This computer has no {' and no '.join(absent)}, which the model needs."
        return Missing(said, "run: make network")

    def segment(
        self, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Phase, scratch: Path
    ) -> Segmentation:
        """Segment one head; see Engine.segment.

        Raises:
            BadInput: an image is missing, empty or of another place.
            BadParameter: unknown parameter, or out of range.
            BadModel: the weights are not the network's, or refused.
        """
        from core.segmentation.engines import network_grid  # scipy stays out of the pages' process
        from core.segmentation.engines.network_run import infer

        settled = self.info.settle(parameters)
        config = self.config
        chosen = needed(inputs, self.info)
        like = chosen[0].header
        voxels = prod(like.grid)
        loaded = network_needs.loading(config, voxels, self.needs(voxels, settled).seconds)
        grid, prepared, adc_scale, warnings = self._prepare(chosen, phase, loaded)
        window = network_windows.window_of(config.patch, grid.shape, config.stride, config.spread)
        threshold = float(settled["threshold"])
        rungs, on = self._ways(window, str(settled["precision"]), threshold)

        def tick(done: int, of: int) -> None:
            phase(f"Window {done} of {of}", loaded + (WINDOWS - loaded) * done / of)

        axes = mirror_axes(str(settled["mirror"]), config.orientation)
        answer = infer(prepared, rungs, on, float(settled["overlap"]), axes, tick)
        self._make_sure()
        notes = answer.facts() | {"grid": list(grid.shape), "weights": self.sha256}
        del prepared
        phase("Mapping the answer back", WINDOWS)
        probability = network_grid.lesion_probability(answer.data, config)
        warnings += answer.warnings
        del answer
        native = network_grid.back(probability, grid, like.grid, like.affine)
        phase("Done", 1.0)
        mask = Mask(network_grid.mask_of(native, threshold), like.affine)
        return Segmentation(mask, native, None, warnings, adc_scale, threshold=threshold, notes=notes)

    def _make_sure(self) -> None:
        """Raise BadModel where the weights are not those any more that the version names; they may be gone by now."""
        path = self.folder / self.config.weights
        if path.exists() and network_weights.digest(path) != self.sha256:
            raise BadModel("the model's weights changed while they were used", hint="run it again")

    def _prepare(
        self, chosen: Sequence[Image], phase: Phase, share: float
    ) -> tuple[Grid, Floats, float | None, tuple[str, ...]]:
        """The network's grid, its channels (C, x, y, z), what scales the ADC, and warnings; images are let go.

        Args:
            share: of the work that is done when the network's first window begins.
        """
        from core.segmentation.engines import network_grid

        config = self.config
        images: dict[str, Floats] = {}
        warnings: tuple[str, ...] = ()
        first = chosen[0].header
        grid = network_grid.network_grid(first.grid, first.affine, config.orientation, config.spacing_mm)
        for at, image in enumerate(chosen):
            phase(f"Reading {image.title}", share * at / (len(chosen) + 1))
            images[image.name] = network_grid.bring(image.volume(), grid, image.name)
            image.release()
            cover = network_grid.cover(image.header.grid, image.header.affine, grid)
            if cover < LEAST_COVER:
                warnings += (f"{image.title} shows only {cover:.0%} of the field of view.",)
        phase("Scaling", share * len(chosen) / (len(chosen) + 1))
        prepared, scale = network_grid.channels(images, config)
        return grid, prepared, scale, warnings

    def _ways(self, window: Triple, precision: str, threshold: float) -> tuple[tuple[Rung, ...], Open]:
        """The devices to try, and how the model is opened there."""
        from core.segmentation.engines.network_predict import Predictor, cores, has_gpu, open_predictor
        from core.segmentation.engines.network_run import ladder

        onnx = self.config.network == ONNX
        resizable = not onnx and not ARCHITECTURES[self.config.network].fixed
        threads = self.threads or cores()

        def on(rung: Rung) -> Predictor:
            return open_predictor(self.config, self.folder, rung.device, rung.window, precision, threads, threshold)

        at_once = network_needs.at_once(self.config, self.width, prod(window))
        gpu, config = not onnx and has_gpu(), self.config
        return ladder(gpu, window, config.stride, resizable, at_once, config.spread), on


def parameters_of(config: ModelConfig) -> tuple[Parameter | Choice, ...]:
    """What a user may change of a model; its own config gives the defaults."""
    said = "Probability from which a voxel belongs to the lesion."
    overlap = "How much neighbouring windows overlap: more is smoother and slower."
    mirror = "Average over mirror images: off, left and right (x 2), or all axes (x 8)."
    precision = "bfloat16 is faster where the processor has it; it is used only if the mask stays the same."
    return (
        Parameter("threshold", "Threshold", config.threshold, 0.01, 0.99, 0.01, "", said),
        Parameter("overlap", "Overlap", config.overlap, 0, 0.9, 0.05, "", overlap),
        Choice("mirror", "Mirror averaging", config.mirror, ("off", "sides", "all"), mirror),
        Choice("precision", "Precision", "float32", ("float32", "bfloat16"), precision),
    )


def mirror_axes(mirror: str, letters: str) -> tuple[int, ...]:
    """The network's axes to mirror along."""
    if mirror == "off":
        return ()
    return (0, 1, 2) if mirror == "all" else tuple(axis for axis in range(3) if letters[axis] in "LR")
