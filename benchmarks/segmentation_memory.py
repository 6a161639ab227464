"""What a job with a network takes, against what was predicted: networks, windows, mirroring, bfloat16, ONNX.

A job in its worker each, on the smallest image but for two. Where the processor has no bfloat16 the job computes in
float32 and says so. Part of `python -m benchmarks.segmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.segmentation_cases import (
    MIDDLE,
    SEGRESNET,
    SMALL,
    WITHIN,
    Case,
    make,
    measure,
    model,
    onnx_model,
    table,
)
from core.segmentation.engine import Value
from core.segmentation.engines.network_nets import Triple
from core.segmentation.job import Job

HEAD = ("network", "window", "besides", "image", "s", "predicted s", "peak RSS MB", "predicted MB", "off")
UNET = {"channels": [16, 32, 64, 128], "strides": [2, 2, 2], "num_res_units": 2}
DYN = {
    "kernel_size": [3, 3, 3, 3], "strides": [1, 2, 2, 2], "upsample_kernel_size": [2, 2, 2],
    "filters": [16, 32, 64, 128],
}  # fmt: skip
SHAPE = (112, 112, 73)


@dataclass(frozen=True)
class Ask:
    """One line of the table."""

    network: str
    arguments: dict[str, Any]
    patch: Triple
    besides: dict[str, Value] = field(default_factory=dict)
    onnx: bool = False
    case: str = SMALL
    spacing: tuple[float, float, float] | None = None


ASKS = (
    Ask("SegResNet", SEGRESNET, (48, 48, 48)),
    Ask("SegResNet", SEGRESNET, (64, 64, 64)),
    Ask("SegResNet", SEGRESNET, (96, 96, 64)),
    Ask("SegResNet", SEGRESNET, (128, 128, 80)),
    Ask("SegResNet", SEGRESNET, (0, 0, 0)),
    Ask("SegResNet", SEGRESNET | {"init_filters": 16}, (96, 96, 64)),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"mirror": "sides"}),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"mirror": "all"}),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"overlap": 0.5}),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"precision": "bfloat16"}),
    Ask("SegResNet", SEGRESNET, (96, 96, 64), case=MIDDLE),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"mirror": "sides"}, case=MIDDLE, spacing=(1.5, 1.5, 1.5)),
    Ask("UNet", UNET, (64, 64, 64)),
    Ask("UNet", UNET, (96, 96, 64)),
    Ask("AttentionUnet", {"channels": [16, 32, 64], "strides": [2, 2]}, (64, 64, 64)),
    Ask("DynUNet", DYN, (64, 64, 64)),
    Ask("BasicUNet", {"features": [16, 16, 32, 64, 128, 16]}, (64, 64, 64)),
    Ask("VNet", {}, (64, 64, 64)),
    Ask("UNETR", {"feature_size": 8, "hidden_size": 192, "mlp_dim": 768, "num_heads": 12}, (64, 64, 64)),
    Ask("SwinUNETR", {"feature_size": 12}, (64, 64, 64)),
    Ask("UNet", UNET, (64, 64, 64), onnx=True),
    Ask("UNet", UNET, (96, 96, 64), onnx=True),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), onnx=True),
    Ask("SegResNet", SEGRESNET, (64, 64, 64), {"mirror": "all"}, onnx=True),
)
QUICK = (1, 3, 9, 12, 20)


def run(folder: Path, quick: bool) -> bool:
    """Print the table; whether every prediction held."""
    made: dict[str, Case] = {}
    held = []

    def rows() -> Iterator[tuple[str, ...]]:
        for number in QUICK if quick else range(len(ASKS)):
            row, off = line(folder / str(number), made, ASKS[number])
            held.append(abs(off) <= WITHIN)
            yield row

    table(HEAD, rows())
    return all(held)


def line(folder: Path, made: dict[str, Case], ask: Ask) -> tuple[tuple[str, ...], float]:
    """Its line, and how far the prediction was off."""
    if ask.case not in made:
        made[ask.case] = make(ask.case, folder / "case")
    maker, spacing = onnx_model if ask.onnx else model, None if ask.spacing is None else list(ask.spacing)
    at = maker(folder / "model", ask.network, ask.arguments, ask.patch, spacing_mm=spacing)
    job = Job("bench", None, "network", made[ask.case].inputs, ask.besides, folder / "out", model=at)
    cell = measure(ask.network, made[ask.case], job)
    said = [f"{name} {value}" for name, value in ask.besides.items()]
    said += [] if ask.spacing is None else [f"{ask.spacing[0]:g} mm"]
    precision = str(cell.result.notes["precision"])
    if "precision" in ask.besides and precision != "bfloat16":
        said = [f"bfloat16 asked for: {precision}"]
    window = " × ".join(str(side) for side in cell.result.notes["window"])
    name = f"{ask.network}, {weights(at)}{', as ONNX' if ask.onnx else ''}"
    numbers = (f"{cell.seconds:.1f}", f"{cell.predicted_s:.1f}", f"{cell.rss_mb:.0f}", f"{cell.predicted_mb:.0f}")
    return (name, window, ", ".join(said) or "–", cell.case, *numbers, f"{cell.off:+.0%}"), cell.off


def weights(folder: Path) -> str:
    """Millions of float32 weights, from their file."""
    return f"{max(p.stat().st_size for p in folder.iterdir()) / 4e6:.1f} M"
