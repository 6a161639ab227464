"""Nets: the networks of MONAI that a model may name, and how each is built from checked arguments.

An allow-list: for each network its arguments with their bounds, what its windows must divide by, and how much memory
it takes for a voxel. MONAI is imported when a network is built. Loads no weights (network_weights.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from core.errors import BadModel
from core.segmentation.engines.network_arguments import (
    ACTIVATION,
    NORM,
    Argument,
    Flag,
    Real,
    Whole,
    Wholes,
    Word,
    fields,
    refused,
)

Triple = tuple[int, int, int]
Arguments = Mapping[str, Any]
ONNX = "onnx"  # the network is inside the weights file
_CHANNELS = Wholes(1, 2048, 2, 8)
_STRIDES = Wholes(1, 4, 1, 8, rows=True)
_KERNEL = Whole(1, 7)
_DROPOUT = Real(0, 0.9)  # without effect when a network is used


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        arguments: what a config may say; `needed` of them it must.
        stride: what each side of a window must divide by.
        width: channels at full resolution, from which memory follows.
        window_bytes: per voxel of a window and per channel of `width`, measured at its peak.
        fixed: the network is made for one window size, which is given to it as `img_size`.
        check: raises BadModel for arguments that contradict each other.
        spread: its deepest level must hold more than one voxel, since it is scaled by its own deviation.
    """

    arguments: Mapping[str, Argument]
    needed: tuple[str, ...]
    stride: Callable[[Arguments], Triple]
    width: Callable[[Arguments], int]
    window_bytes: float
    fixed: bool = False
    check: Callable[[Arguments], None] = lambda arguments: None
    spread: Callable[[Arguments], bool] = lambda arguments: False


def _triple(item: int | Triple) -> Triple:
    return item if isinstance(item, tuple) else (item, item, item)


def _product(strides: tuple[int | Triple, ...]) -> Triple:
    x, y, z = (prod(_triple(s)[axis] for s in strides) for axis in range(3))
    return x, y, z


def _levels(arguments: Arguments) -> None:
    if len(arguments["strides"]) != len(arguments["channels"]) - 1:
        raise refused("network.arguments", "must have one stride less than channels")


def _dyn_levels(arguments: Arguments) -> None:
    kernels, strides, ups = (arguments[n] for n in ("kernel_size", "strides", "upsample_kernel_size"))
    if len(kernels) != len(strides) or len(ups) != len(strides) - 1 or len(strides) < 3:
        said = "must have as many strides as kernels, at least 3, and one upsampling kernel less"
        raise refused("network.arguments", said)
    if any(_triple(u) != _triple(s) for u, s in zip(ups, strides[1:], strict=True)):
        raise refused("network.arguments", "must upsample by the strides it goes down by")
    if any(size % 2 == 0 for kernel in kernels for size in _triple(kernel)):
        raise refused("network.arguments", "must have odd kernels")
    if len(arguments.get("filters", strides)) < len(strides):
        raise refused("network.arguments", "must have as many filters as strides")
    if arguments.get("deep_supr_num", 1) >= len(strides) - 1:
        raise refused("network.arguments", "has too many heads of deep supervision")


def _heads(arguments: Arguments) -> None:
    hidden, heads = arguments.get("hidden_size", 768), arguments.get("num_heads", 12)
    if hidden % heads:
        raise refused("network.arguments", f"must split its hidden size {hidden} evenly over {heads} heads")


def _seg_groups(arguments: Arguments) -> None:
    norm, filters = arguments.get("norm", ("group", {"num_groups": 8})), arguments.get("init_filters", 8)
    groups = norm[1].get("num_groups", 8) if isinstance(norm, tuple) and norm[0] == "group" else 1
    if filters % groups:
        raise refused("network.arguments", f"must split {filters} filters evenly over {groups} groups")


def _seg_levels(arguments: Arguments) -> None:
    down, up = arguments.get("blocks_down", (1, 2, 2, 4)), arguments.get("blocks_up", (1, 1, 1))
    if len(up) != len(down) - 1:
        raise refused("network.arguments", "must have one entry less in blocks_up than in blocks_down")
    _seg_groups(arguments)


def _instance(name: str, default: str) -> Callable[[Arguments], bool]:
    """Whether the layer `name` is an instance norm, as far as the order of layers has one."""

    def found(arguments: Arguments) -> bool:
        norm = arguments.get(name, default)
        said = norm[0] if isinstance(norm, tuple) else norm
        return said == "instance" and "N" in arguments.get("adn_ordering", "N")

    return found


def _blocks_down(arguments: Arguments) -> Triple:
    side = 2 ** (len(arguments.get("blocks_down", (1, 2, 2, 4))) - 1)
    return side, side, side


def _same(side: int) -> Callable[[Arguments], Triple]:
    return lambda arguments: (side, side, side)


_UNET: dict[str, Argument] = {
    "channels": _CHANNELS,
    "strides": _STRIDES,
    "kernel_size": _KERNEL,
    "up_kernel_size": _KERNEL,
    "dropout": _DROPOUT,
}
ARCHITECTURES: dict[str, Architecture] = {
    "UNet": Architecture(
        {**_UNET, "num_res_units": Whole(0, 8), "act": ACTIVATION, "norm": NORM, "bias": Flag(),
         "adn_ordering": Word(("NDA", "NAD", "NA", "AN", "A", "N", "DNA", "DAN", "ADN", "AND"))},
        ("channels", "strides"),
        lambda a: _product(a["strides"]), lambda a: a["channels"][0], 9.0, check=_levels,
        spread=_instance("norm", "instance"),
    ),
    "AttentionUnet": Architecture(
        _UNET, ("channels", "strides"),
        lambda a: _product(a["strides"]), lambda a: a["channels"][0], 35.0, check=_levels,
    ),
    "DynUNet": Architecture(
        {"kernel_size": Wholes(1, 7, 3, 8, rows=True), "strides": Wholes(1, 4, 3, 8, rows=True),
         "upsample_kernel_size": Wholes(1, 4, 2, 7, rows=True), "filters": Wholes(1, 2048, 3, 8),
         "norm_name": NORM, "act_name": ACTIVATION, "deep_supervision": Flag(), "deep_supr_num": Whole(1, 6),
         "res_block": Flag(), "trans_bias": Flag(), "dropout": _DROPOUT},
        ("kernel_size", "strides", "upsample_kernel_size"),
        lambda a: _product(a["strides"]), lambda a: a.get("filters", (32,))[0], 34.0, check=_dyn_levels,
        spread=_instance("norm_name", "instance"),
    ),
    "SegResNet": Architecture(
        {"init_filters": Whole(1, 256), "dropout_prob": _DROPOUT, "act": ACTIVATION, "norm": NORM,
         "use_conv_final": Flag(), "blocks_down": Wholes(1, 16, 2, 7), "blocks_up": Wholes(1, 16, 1, 6),
         "upsample_mode": Word(("nontrainable", "deconv", "pixelshuffle"))},
        (), _blocks_down, lambda a: a.get("init_filters", 8), 26.0, check=_seg_levels,
        spread=_instance("norm", "group"),
    ),
    "UNETR": Architecture(
        {"feature_size": Whole(1, 128), "hidden_size": Whole(8, 2048), "mlp_dim": Whole(8, 8192),
         "num_heads": Whole(1, 32), "proj_type": Word(("conv", "perceptron")), "norm_name": NORM,
         "conv_block": Flag(), "res_block": Flag(), "dropout_rate": _DROPOUT, "qkv_bias": Flag()},
        (), _same(16), lambda a: a.get("feature_size", 16), 45.0, fixed=True, check=_heads,
    ),
    "SwinUNETR": Architecture(
        {"feature_size": Whole(12, 192), "depths": Wholes(1, 24, 4, 4), "num_heads": Wholes(1, 64, 4, 4),
         "window_size": Whole(2, 16), "qkv_bias": Flag(), "mlp_ratio": Real(0.5, 8), "norm_name": NORM,
         "drop_rate": _DROPOUT, "attn_drop_rate": _DROPOUT, "dropout_path_rate": _DROPOUT, "normalize": Flag(),
         "patch_norm": Flag(), "downsample": Word(("merging", "mergingv2")), "use_v2": Flag()},
        (), _same(32), lambda a: a.get("feature_size", 24), 125.0, spread=_instance("norm_name", "instance"),
    ),
    "VNet": Architecture(
        {"act": ACTIVATION, "dropout_prob_down": _DROPOUT, "bias": Flag()},
        (), _same(16), lambda a: 16, 42.0,
    ),
    "BasicUNet": Architecture(
        {"features": Wholes(1, 2048, 6, 6), "act": ACTIVATION, "norm": NORM, "bias": Flag(), "dropout": _DROPOUT,
         "upsample": Word(("deconv", "pixelshuffle", "nontrainable"))},
        (), _same(16), lambda a: a.get("features", (32,))[0], 41.0, spread=_instance("norm", "instance"),
    ),
}  # fmt: skip


def read_arguments(name: str, said: object) -> dict[str, Any]:
    """The arguments of the network `name`, checked.

    Raises:
        BadModel: one is unknown, missing, out of bounds, or they contradict each other.
    """
    kind = ARCHITECTURES[name]
    optional = tuple(n for n in kind.arguments if n not in kind.needed)
    given = fields(said, "network.arguments", kind.needed, optional)
    found = {key: kind.arguments[key].read(value, f"network.arguments.{key}") for key, value in given.items()}
    kind.check(found)
    return found


def build(name: str, arguments: Arguments, inputs: int, outputs: int, patch: Triple) -> Any:
    """The network with weights of no meaning; give torch a default device of "meta" to build it without memory.

    Raises:
        BadModel: MONAI cannot build it from these arguments.
    """
    from monai.networks import nets
    from monai.utils.module import OptionalImportError

    kind = ARCHITECTURES[name]
    given: dict[str, Any] = {**arguments, "in_channels": inputs, "out_channels": outputs}
    if kind.fixed:
        given["img_size"] = patch
    if name in ("UNet", "DynUNet", "AttentionUnet"):
        given["spatial_dims"] = 3
    try:
        return getattr(nets, name)(**given)
    except OptionalImportError:
        hint = "install what requirements-network.txt lists"
        raise BadModel(f"{name} needs a library that is not installed", hint=hint) from None
    except (ValueError, TypeError, KeyError, IndexError, NotImplementedError, AssertionError, ZeroDivisionError) as e:
        said = str(e).splitlines()[0][:120] if str(e) else type(e).__name__
        raise BadModel(f"MONAI cannot build this {name}: {said}", hint="correct the config's arguments") from None
