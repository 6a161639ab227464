"""Every engine, made ready for the contract tests: one factory each, one line in FACTORIES."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.imaging import nifti
from core.imaging.volume import Volume
from core.segmentation.engine import Engine, Image, load_engine
from core.segmentation.engines.deepisles import DeepIsles
from tests.segmentation.heads import pair, sick


@dataclass(frozen=True)
class Ready:
    """An engine, and images of a sick head that it can judge. `inputs` are copies of its own: a test may ruin them."""

    engine: Engine
    inputs: Mapping[str, Image]


Factory = Callable[[Path], Ready]  # gets an empty folder of its own


def image_of(name: str, path: Path, label: str = "") -> Image:
    """The file as an engine gets it."""
    return Image(name, path, hashlib.sha256(path.read_bytes()).hexdigest(), label)


def stored(volumes: Mapping[str, Volume], folder: Path) -> dict[str, Image]:
    """Volumes by name as files, as an engine gets them."""
    images = {}
    for name, volume in volumes.items():
        nifti.write_volume(volume, folder / f"{name}.nii.gz", dtype="float32")
        images[name] = image_of(name, folder / f"{name}.nii.gz")
    return images


def diffusion(folder: Path) -> Ready:
    """The embedded one."""
    return Ready(load_engine("diffusion"), stored(pair(sick()), folder))


def deepisles(folder: Path) -> Ready:
    """DeepISLES through a Docker of ours."""
    from tests.segmentation.deepisles_bench import bench, images

    made = bench(folder)
    return Ready(DeepIsles(made.setup), images(folder / "images", "flair"))


def network(folder: Path) -> Ready:
    """A model of ours as somebody would bring it."""
    from core.segmentation.engines.network import open_engine
    from tests.segmentation.tiny_models import torch_model

    model = torch_model(folder / "model", spacing_mm=[8, 8, 8], overlap=0)
    return Ready(dataclasses.replace(open_engine(model), threads=1), stored(pair(sick()), folder))


def consensus(folder: Path) -> Ready:
    """Three masks of one head, and a probability of one of them."""
    truth = sick().lesion
    inputs: dict[str, Image] = {}
    for n, data in enumerate((truth.data, np.roll(truth.data, 2, axis=0), np.roll(truth.data, 1, axis=1)), start=1):
        volume = Volume(np.asfortranarray(data.astype(np.float32)), truth.affine)
        inputs |= stored({f"mask{n}": volume}, folder)
        if n == 2:
            inputs |= stored({"probability2": Volume(volume.data * np.float32(0.75), truth.affine)}, folder)
    return Ready(load_engine("consensus"), inputs)


FACTORIES: dict[str, Factory] = {
    "consensus": consensus,
    "deepisles": deepisles,
    "diffusion": diffusion,
    "network": network,
}
