"""Models small enough for a test: folders as a stranger would bring them, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_model

from core.segmentation.engines.network_config import CONFIG_NAME
from core.segmentation.engines.network_nets import build

ZSCORE = {"method": "zscore"}


def config(**said: Any) -> dict[str, Any]:
    """A config of two channels for a tiny SegResNet; `said` replaces what it says."""
    return {
        "format": 1,
        "name": "Tiny",
        "version": "1.0",
        "licence": "CC0-1.0",
        "citation": "Nobody, 2026",
        "task": "test",
        "weights": {"file": "model.safetensors"},
        "network": {"name": "SegResNet", "arguments": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}},
        "channels": [{"modality": "dwi", "normalise": ZSCORE}, {"modality": "adc", "normalise": ZSCORE}],
        "orientation": "RAS",
        "spacing_mm": [4, 4, 4],
        "patch": [32, 32, 32],
        "overlap": 0.25,
        "output": {"activation": "sigmoid", "channels": 1},
        **said,
    }


def arguments_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """The network's arguments as Python has them: lists as tuples."""
    raw = said["network"].get("arguments", {})
    return {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}


def network_of(said: Mapping[str, Any], seed: int = 0) -> torch.nn.Module:
    """The network that a config describes, with weights by chance."""
    torch.manual_seed(seed)
    x, y, z = said["patch"]
    channels, outputs = len(said["channels"]), said["output"]["channels"]
    made: torch.nn.Module = build(said["network"]["name"], arguments_of(said), channels, outputs, (x, y, z))
    return made.eval()


def write_config(folder: Path, said: Mapping[str, Any]) -> Path:
    """The folder with this config."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(json.dumps(said), encoding="utf-8")
    return folder


def torch_model(folder: Path, seed: int = 0, **said: Any) -> Path:
    """A folder with a model whose weights are safetensors."""
    described = config(**said)
    write_config(folder, described)
    save_model(network_of(described, seed), str(folder / "model.safetensors"))
    return folder


def onnx_model(folder: Path, bias: float = -2.0, domain: str = "", **said: Any) -> Path:
    """A folder with an ONNX model: one convolution that finds what is bright on DWI and dark on ADC."""
    network = {"name": "onnx"}
    write_config(folder, config(network=network, weights={"file": "model.onnx"}, **said))
    values = np.array([2.0, -1.0], np.float32).reshape(1, 2, 1, 1, 1)
    onnx.save(graph(values, bias, domain), folder / "model.onnx")
    return folder


def graph(values: NDArray[np.float32], bias: float = 0.0, domain: str = "") -> onnx.ModelProto:
    """One convolution as an ONNX model with free sides."""
    sides: list[int | str] = ["x", "y", "z"]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, values.shape[1], *sides])
    made = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, values.shape[0], *sides])
    constants = [numpy_helper.from_array(values, "w"), numpy_helper.from_array(np.full(1, bias, np.float32), "b")]
    node = helper.make_node("Conv", ["image", "w", "b"], ["answer"], domain=domain)
    domains = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(helper.make_graph([node], "g", [given], [made], constants), opset_imports=domains)
    model.ir_version = 8
    return model
