"""Config: what a model's `strokescope.json` says, checked line by line before anything else is looked at.

Written for files of strangers: bounded in size and depth, every key known, every number within bounds, names of files
inside the folder. Pure but for reading that one file; docs/models.md describes the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadModel
from core.segmentation.engines.network_arguments import (
    depth,
    fields,
    flag,
    items,
    real,
    refused,
    shown,
    sizes,
    text,
    whole,
    word,
)
from core.segmentation.engines.network_files import open_plain
from core.segmentation.engines.network_nets import ARCHITECTURES, ONNX, Triple, read_arguments

CONFIG_NAME = "strokescope.json"
MAX_CONFIG = 256 * 2**10
MAX_DEPTH = 12
MAX_PATCH = 256  # voxels on each side; 512 cubed would be half a GB for one channel alone
MOST_CHANNELS = 16
METHODS = ("zscore", "percentile", "range", "shift", "none")
_MODALITY = re.compile(r"[a-z][a-z0-9]{0,19}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIXES = {".safetensors", ".onnx", ".pt", ".pth", ".bin"}
_NEEDED = ("format", "name", "version", "licence", "citation", "task", "weights", "network", "channels", "patch")
_OPTIONAL = ("validated", "limits", "orientation", "spacing_mm", "overlap", "output", "threshold", "mirror")


@dataclass(frozen=True)
class Normalise:
    """How a channel's values are scaled.

    Attributes:
        method: "zscore" (to mean 0 and deviation 1), "percentile" (`low`..`high` per cent of the values become 0..1),
            "range" (`low`..`high` become 0..1), "shift" (minus `low`, over `high`), "none".
        nonzero: statistics are taken over voxels that are not 0, and those that are stay 0.
        clip: values beyond 0..1 are cut; for "percentile" and "range".
    """

    method: str
    nonzero: bool = False
    low: float = 0.0
    high: float = 1.0
    clip: bool = True


@dataclass(frozen=True)
class Channel:
    """One input channel: a modality, its scaling, and whether an ADC is brought to 1e-6 mm2/s first."""

    modality: str
    normalise: Normalise
    adc_unit: bool = False


@dataclass(frozen=True)
class ModelConfig:
    """What a model is, needs and gives.

    Attributes:
        network: key in ARCHITECTURES, or ONNX; `arguments` are checked.
        weights: name of the file beside the config; `sha256` of it, if the config says so.
        orientation: of the network's axes, e.g. "RAS"; `spacing_mm` of its grid, None for the image's own.
        patch: voxels of a window; 0 for the whole axis.
        activation, outputs, lesion: "sigmoid" or "softmax" over so many output channels, of which one is the lesion.
        mirror: letters' axes along which the model was trained with flips: "sides" or "all"; None when it was not.
    """

    name: str
    version: str
    licence: str
    citation: str
    task: str
    validated: str
    limits: tuple[str, ...]
    network: str
    arguments: Mapping[str, Any]
    weights: str
    sha256: str | None
    channels: tuple[Channel, ...]
    orientation: str
    spacing_mm: tuple[float, float, float] | None
    patch: Triple
    overlap: float
    activation: str
    outputs: int
    lesion: int
    threshold: float
    mirror: str

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model needs, each once, in the order of its channels."""
        return tuple(dict.fromkeys(channel.modality for channel in self.channels))

    @property
    def stride(self) -> Triple:
        """What the sides of a window must divide by; 1 where nobody knows."""
        return (1, 1, 1) if self.network == ONNX else ARCHITECTURES[self.network].stride(self.arguments)

    @property
    def spread(self) -> bool:
        """A window of one stride on every side is too small: it leaves the network one voxel at its deepest level."""
        return self.network != ONNX and ARCHITECTURES[self.network].spread(self.arguments)


def load_config(folder: Path) -> ModelConfig:
    """The config of the model in a folder.

    Raises:
        BadModel: there is none, or it is not one.
    """
    return parse_config(read_config(folder))


def read_config(folder: Path) -> bytes:
    """The config's bytes, one more than MAX_CONFIG at most. Raises BadModel where there is none."""
    hint = f"choose a folder that holds a {CONFIG_NAME}; docs/models.md shows one"
    if (folder / "configs" / "metadata.json").is_file() or (folder / "configs" / "inference.json").is_file():
        said = "this is a MONAI bundle, whose configuration can run any code, so it is not opened"
        raise BadModel(said, hint=f"save its weights as safetensors beside a {CONFIG_NAME} (docs/models.md)")
    try:
        with open_plain(folder / CONFIG_NAME) as file:
            return file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise BadModel(f"the model's {CONFIG_NAME} cannot be read ({error.strerror})", hint=hint) from None


def parse_config(data: bytes) -> ModelConfig:
    """The config that these bytes are.

    Raises:
        BadModel: they are none; says where and why.
    """
    said = fields(_json(data), "the file", _NEEDED, _OPTIONAL)
    whole(said["format"], "format", 1, 1)
    network, arguments = _network(said["network"])
    file, sha256 = _weights(said["weights"])
    if (network == ONNX) != file.endswith(".onnx"):
        raise refused("weights.file", f"is {file!r}, but only an onnx network comes as .onnx")
    raw = items(said["channels"], "channels", 1, MOST_CHANNELS)
    activation, outputs, lesion = _output(said.get("output", {}))
    spacing = said.get("spacing_mm")
    config = ModelConfig(
        name=text(said["name"], "name", 80),
        version=_matching(said["version"], "version", _VERSION, "letters, digits, dots and dashes"),
        licence=text(said["licence"], "licence", 80),
        citation=text(said["citation"], "citation", 1000),
        task=text(said["task"], "task", 120),
        validated=_sentence(said.get("validated", "Not validated: its maker does not say on what."), "validated"),
        limits=tuple(_sentence(s, "limits") for s in items(said.get("limits", []), "limits", 0, 20)),
        network=network,
        arguments=arguments,
        weights=file,
        sha256=sha256,
        channels=tuple(_channel(c, f"channels[{at}]") for at, c in enumerate(raw)),
        orientation=_letters(said.get("orientation", "RAS")),
        spacing_mm=None if spacing is None else sizes(spacing, "spacing_mm", 0.2, 10),
        patch=_patch(said["patch"]),
        overlap=real(said.get("overlap", 0.5), "overlap", 0, 0.9),
        activation=activation,
        outputs=outputs,
        lesion=lesion,
        threshold=real(said.get("threshold", 0.5), "threshold", 0.01, 0.99),
        mirror=word(said.get("mirror", "off"), "mirror", ("off", "sides", "all")),
    )
    _check_patch(config)
    return config


def _letters(value: object) -> str:
    pairs = ("LR", "PA", "IS")
    if not isinstance(value, str) or len(value) != 3 or any(sum(c in p for c in value) != 1 for p in pairs):
        raise refused("orientation", f"is {shown(value)}, not three letters such as RAS")
    return value


def _json(data: bytes) -> object:
    if len(data) > MAX_CONFIG:
        raise refused("the file", f"is longer than {MAX_CONFIG // 1024} KB")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise refused("the file", "says one thing twice")
        return found

    def never(name: str) -> object:
        raise refused("the file", f"holds {name}, which is no number")

    try:
        plain = data.decode("utf-8")
        if depth(plain) > MAX_DEPTH:
            raise refused("the file", f"is nested deeper than {MAX_DEPTH} levels")
        return json.loads(plain, object_pairs_hook=once, parse_constant=never)
    except (ValueError, RecursionError):
        raise refused("the file", "is not JSON") from None


def _network(said: object) -> tuple[str, dict[str, Any]]:
    found = fields(said, "network", ("name",), ("arguments",))
    name = word(found["name"], "network.name", (*ARCHITECTURES, ONNX))
    if name == ONNX:
        fields(found.get("arguments", {}), "network.arguments", ())
        return name, {}
    return name, read_arguments(name, found.get("arguments", {}))


def _weights(said: object) -> tuple[str, str | None]:
    found = fields(said, "weights", ("file",), ("sha256",))
    name = _matching(found["file"], "weights.file", _FILE, "the plain name of a file beside the config")
    if Path(name).suffix not in _SUFFIXES:
        raise refused("weights.file", f"is {name!r}, not one of {', '.join(sorted(_SUFFIXES))}")
    digest = found.get("sha256")
    return name, None if digest is None else _matching(digest, "weights.sha256", _SHA256, "64 hexadecimal digits")


def _channel(said: object, where: str) -> Channel:
    found = fields(said, where, ("modality",), ("normalise", "adc_unit"))
    modality = _matching(found["modality"], f"{where}.modality", _MODALITY, "a modality such as dwi")
    unit = flag(found.get("adc_unit", False), f"{where}.adc_unit")
    if unit and modality != "adc":
        raise refused(f"{where}.adc_unit", "is for the ADC alone")
    return Channel(modality, _normalise(found.get("normalise", {"method": "zscore"}), f"{where}.normalise"), unit)


def _normalise(said: object, where: str) -> Normalise:
    method = word(fields(said, where, ("method",), _KEYS)["method"], f"{where}.method", METHODS)
    numbers = {"percentile": ("low", "high"), "range": ("low", "high"), "shift": ("mean", "deviation")}.get(method, ())
    extra = {"zscore": ("nonzero",), "percentile": ("nonzero", "clip"), "range": ("clip",)}.get(method, ())
    found = fields(said, where, ("method", *numbers), extra)
    nonzero = flag(found.get("nonzero", method == "zscore"), f"{where}.nonzero")
    clip = flag(found.get("clip", True), f"{where}.clip")
    if not numbers:
        return Normalise(method, nonzero)
    most = 100.0 if method == "percentile" else 1e9
    low = real(found[numbers[0]], f"{where}.{numbers[0]}", 0 if method == "percentile" else -most, most)
    high = real(found[numbers[1]], f"{where}.{numbers[1]}", 1e-9 if method == "shift" else -most, most)
    if method != "shift" and not high > low:
        raise refused(where, "has a high that is not above its low")
    return Normalise(method, nonzero, low, high, clip)


_KEYS = ("low", "high", "mean", "deviation", "nonzero", "clip")


def _output(said: object) -> tuple[str, int, int]:
    found = fields(said, "output", (), ("activation", "channels", "lesion"))
    activation = word(found.get("activation", "sigmoid"), "output.activation", ("sigmoid", "softmax", "none"))
    least = 2 if activation == "softmax" else 1
    outputs = whole(found.get("channels", least), "output.channels", least, 64)
    return activation, outputs, whole(found.get("lesion", outputs - 1), "output.lesion", 0, outputs - 1)


def _patch(said: object) -> Triple:
    x, y, z = (whole(n, "patch", 0, MAX_PATCH) for n in items(said, "patch", 3, 3))
    return x, y, z


def _check_patch(config: ModelConfig) -> None:
    for side, step in zip(config.patch, config.stride, strict=True):
        if side % step or step > MAX_PATCH:
            said = f"has a side of {side}, which {config.network} needs to be a multiple of {step}"
            raise refused("patch", said if side else f"cannot be free: {config.network} needs multiples of {step}")
        if side == 0 and config.network != ONNX and ARCHITECTURES[config.network].fixed:
            raise refused("patch", f"must have no 0 for {config.network}, which is made for one window size")
    if config.spread and config.patch == config.stride:
        said = " × ".join(str(side) for side in config.patch)
        why = f"leaves {config.network} one voxel at its deepest level, where its instance norm needs at least two"
        raise refused("patch", f"of {said} {why}: make one side {2 * min(config.stride)} or more")


def _sentence(value: object, where: str) -> str:
    said = text(value, where, 500).strip()
    return said if said.endswith(".") else f"{said}."


def _matching(value: object, where: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value) or ".." in value:
        raise refused(where, f"is {shown(value)}, not {what}")
    return value
