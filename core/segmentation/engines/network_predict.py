"""Predict: a loaded network on one device, as a function from windows to answers.

The home of torch, MONAI and onnxruntime, which are imported when a network is opened. Weights are held against the
network's own names and shapes before a byte of them is used. Does not choose the device (network_run.py).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import BadModel
from core.resources.cgroup import read_cpu
from core.segmentation.engines import network_weights
from core.segmentation.engines.network_config import ModelConfig
from core.segmentation.engines.network_nets import ONNX, Triple, build

Floats = NDArray[np.float32]
_PREFIXES = ("module.", "_orig_mod.")  # what wrappers of torch put before each name
_SAFE = 0.01  # of a lesion's voxels, which bfloat16 may move over the threshold
CGROUPS = Path("/sys/fs/cgroup")


class Predictor(Protocol):
    """One network on one device."""

    notes: dict[str, str]

    def __call__(self, windows: Floats) -> Floats:
        """Raw answers (B, K, x, y, z) for windows (B, C, x, y, z)."""

    def close(self) -> None:
        """Give back the device's memory."""


def cores() -> int:
    """Cores this process may use, by its affinity and its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = read_cpu(CGROUPS).quota
    return max(1, min(count, round(quota)) if quota else count)


def has_gpu() -> bool:
    """Whether torch can use a GPU here."""
    import torch

    return bool(torch.cuda.is_available())


def open_predictor(
    config: ModelConfig,
    folder: Path,
    device: str,
    window: Triple,
    precision: str,
    threads: int,
    threshold: float | None = None,
) -> Predictor:
    """The model on a device, "cpu" or "cuda".

    Args:
        threshold: of the lesion's probability, by which the precision is judged; None for the config's own.

    Raises:
        BadModel: its weights are not this network's.
    """
    path = network_weights.weights_path(folder, config.weights)
    if config.network == ONNX:
        return OnnxPredictor(path, config, window, threads)
    lesion = lesion_of(config, config.threshold if threshold is None else threshold)
    return TorchPredictor(load_network(config, path, window), device, precision, threads, lesion=lesion)


def lesion_of(config: ModelConfig, threshold: float) -> Callable[[Floats], NDArray[np.bool_]]:
    """What says where raw answers (B, K, x, y, z) are lesion; leaves them as they are."""
    from core.segmentation.engines.network_grid import lesion_probability, mask_of

    def found(answers: Floats) -> NDArray[np.bool_]:
        return np.stack([mask_of(lesion_probability(answer.copy(), config), threshold) for answer in answers])

    return found


def load_network(config: ModelConfig, path: Path, window: Triple) -> Any:
    """The network with its weights, on the CPU, ready to be used.

    Raises:
        BadModel: the file is not weights, or not this network's.
    """
    import torch

    kind = network_weights.kind_of(path)
    if kind == network_weights.ONNX:
        raise BadModel(f"{path.name} is ONNX, but the config names {config.network}", hint="correct the config")

    def made() -> Any:
        return build(config.network, config.arguments, len(config.channels), config.outputs, window)

    try:
        with torch.device("meta"):
            network = made()
    except RuntimeError:  # a network that looks at its numbers while it is built
        network = made()
    named = network.state_dict(keep_vars=True)
    wanted = {name: tuple(tensor.shape) for name, tensor in named.items()}
    same = _same(named)
    if kind == network_weights.SAFETENSORS:
        compare(wanted, _plain(network_weights.safetensors_shapes(path), same), path.name)
    tensors = _plain(network_weights.load_tensors(path, kind), same)
    compare(wanted, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, path.name)
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    network.load_state_dict(tensors, strict=True, assign=True)
    if any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers())):
        network = made()  # it keeps numbers that its weights do not hold
        network.load_state_dict(tensors, strict=True)
    return network.eval().requires_grad_(False)


def _same(named: Mapping[str, Any]) -> list[list[str]]:
    """Names of one and the same tensor, which safetensors keeps once."""
    groups: dict[int, list[str]] = {}
    for name, tensor in named.items():
        groups.setdefault(id(tensor), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _plain(named: Mapping[str, Any], same: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What the file holds, without the prefix of a wrapper, and under all of a tensor's names."""
    found = dict(named)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    for names in same:
        here = next((name for name in names if name in found), None)
        if here is not None:
            found |= {name: found[here] for name in names if name not in found}
    return found


def compare(wanted: network_weights.Shapes, given: network_weights.Shapes, name: str) -> None:
    """Raise BadModel unless the weights have exactly the network's names and shapes."""
    missing, extra = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    wrong = [key for key in wanted if key in given and wanted[key] != given[key]]
    hint = "correct network.arguments, channels or output in the config"
    if wrong:
        said = f"{wrong[0]} is {given[wrong[0]]} and should be {wanted[wrong[0]]}"
        raise BadModel(f"{name} does not fit the network: {said}, and {len(wrong) - 1} more", hint=hint)
    if missing or extra:
        first = f"{missing[0]} is missing" if missing else f"{extra[0][:80]} has no place"
        said = f"{name} does not fit the network: {first} ({len(missing)} missing, {len(extra)} too many)"
        raise BadModel(said, hint=hint)


class TorchPredictor:
    """A network of torch.

    Args:
        precision: "float32", or "bfloat16" where the device computes it natively; the first window with a lesion is
            looked at both ways, and float32 stays if that would move its mask. Windows before it are float32.
        has_bfloat16: whether a device does; a seam.
        lesion: where raw answers (B, K, x, y, z) are lesion.
    """

    def __init__(
        self,
        network: Any,
        device: str,
        precision: str,
        threads: int,
        has_bfloat16: Callable[[str], bool] | None = None,
        lesion: Callable[[Floats], NDArray[np.bool_]] | None = None,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is float32
        self._torch, self._device = torch, torch.device(device)
        self._network = network.to(self._device, memory_format=torch.channels_last_3d)
        self.notes = {"device": device, "precision": "float32"}
        self._half: bool | None = False
        self._lesion = lesion or _lesion
        if precision == "bfloat16":
            self._half = None if (has_bfloat16 or _has_bfloat16)(device) else False
            why = "this processor has no bfloat16" if self._half is False else "no window held a lesion to judge by"
            self.notes["precision"] = f"float32, as {why}"

    def __call__(self, windows: Floats) -> Floats:
        """As Predictor."""
        answer = self._run(windows, bool(self._half))
        if self._half is None:
            self._judge(windows, answer)
        return answer

    def close(self) -> None:
        """As Predictor."""
        self._network = None
        gc.collect()
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    def _run(self, windows: Floats, half: bool) -> Floats:
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            given = torch.from_numpy(windows).to(self._device).contiguous(memory_format=torch.channels_last_3d)
            answer = self._network(given)
            del given
            if isinstance(answer, list | tuple) and answer:
                answer = answer[0]
            if not isinstance(answer, torch.Tensor):
                raise BadModel("the network does not answer with one image", hint="choose another network")
            found: Floats = answer.float().cpu().numpy()
        return found

    def _judge(self, windows: Floats, exact: Floats) -> None:
        """Whether the rest may be computed in bfloat16; open as long as no window holds a lesion."""
        lesion = self._lesion(exact)
        if not lesion.any():
            return
        moved = np.count_nonzero(lesion != self._lesion(self._run(windows, True)))
        self._half = bool(moved <= _SAFE * np.count_nonzero(lesion))
        self.notes["precision"] = "bfloat16" if self._half else "float32, as bfloat16 moved the mask"


def _lesion(answers: Floats) -> NDArray[np.bool_]:
    """Where raw answers (B, K, x, y, z) speak for something else than background, by their logits."""
    found: NDArray[np.bool_] = answers.argmax(axis=1) > 0 if answers.shape[1] > 1 else answers[:, 0] > 0
    return found


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


class OnnxPredictor:
    """A network of onnxruntime, on the CPU; the file was looked at before."""

    def __init__(self, path: Path, config: ModelConfig, window: Triple, threads: int) -> None:
        found = network_weights.onnx_found(path)
        check_onnx(found, config, window)
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # its arena keeps the largest peak for ever
        options.log_severity_level = 4
        names = ("Fail", "InvalidGraph", "InvalidArgument", "NotImplemented", "RuntimeException", "InvalidProtobuf")
        self._failures: tuple[type[Exception], ...] = tuple(getattr(state, name) for name in names)
        try:
            self._session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except self._failures:
            raise BadModel(f"onnxruntime cannot open {path.name}", hint="export the network again") from None
        self._input, self._output = found.inputs[0].name, found.outputs[0].name
        self.notes = {"device": "cpu", "precision": "float32"}

    def __call__(self, windows: Floats) -> Floats:
        """As Predictor."""
        try:
            answer = self._session.run([self._output], {self._input: windows})[0]
        except self._failures:
            raise BadModel("the ONNX network cannot be run on its window", hint="check the config's patch") from None
        return np.asarray(answer, dtype=np.float32)

    def close(self) -> None:
        """As Predictor."""
        del self._session
        gc.collect()


def check_onnx(found: Any, config: ModelConfig, window: Triple) -> None:
    """Raise BadModel unless the graph takes the config's channels and window and answers with its outputs."""
    if len(found.inputs) != 1 or not found.outputs:
        said = f"the ONNX file has {len(found.inputs)} inputs and {len(found.outputs)} outputs"
        raise BadModel(said, hint="export a network with one input and one output")
    sides = (("takes", found.inputs[0], len(config.channels)), ("answers with", found.outputs[0], config.outputs))
    for does, tensor, count in sides:
        wanted = (1, count, *window)
        fits = len(tensor.shape) == 5 and all(n in (None, w) for n, w in zip(tensor.shape, wanted, strict=True))
        if tensor.kind != "float32" or not fits:
            shape = tuple("?" if n is None else n for n in tensor.shape)
            said = f"the ONNX file {does} {tensor.kind} {shape}, the config says float32 {wanted}"
            raise BadModel(said, hint="correct channels, patch or output in the config")
