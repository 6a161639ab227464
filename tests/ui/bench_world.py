"""A small folder of cases and two models that somebody brings: one that is quick, and one that takes a while."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.imaging.nifti import write_volume
from core.imaging.volume import Volume
from tests.segmentation.heads import pair, sick
from tests.segmentation.tiny_models import onnx_model, torch_model

CASES = ("sub-01", "sub-02", "sub-03")


@dataclass(frozen=True)
class World:
    """Folders of one app: its own, the cases, the models."""

    folder: Path

    @property
    def source(self) -> str:
        """The cases, as the app names them."""
        return f"local:{self.folder / 'cases'}"

    @property
    def quick(self) -> Path:
        """A model that answers in about a second."""
        return self.folder / "quick"

    @property
    def slow(self) -> Path:
        """A model that takes a minute and more."""
        return self.folder / "slow"

    @property
    def state(self) -> Path:
        """The app's records."""
        return self.folder / "state"

    @property
    def env(self) -> dict[str, str]:
        """For the app."""
        return {
            "STROKESCOPE_SOURCE": self.source,
            "STROKESCOPE_CACHE_DIR": str(self.folder / "cache"),
            "STROKESCOPE_STATE_DIR": str(self.state),
            "STROKESCOPE_MODELS": f"{self.quick},{self.slow}",
        }


def make_world(folder: Path) -> World:
    """Three patients with the same head, each a little brighter than the one before, and both models."""
    for number, name in enumerate(CASES):
        images = folder / "cases" / name / "ses-0001"
        images.mkdir(parents=True)
        for kind, volume in pair(sick()).items():
            brighter = volume.data * np.float32(1 + 0.02 * number) if kind == "dwi" else volume.data
            write_volume(Volume(brighter, volume.affine), images / f"{name}_ses-0001_{kind}.nii.gz", "int16")
        lesion = Volume(sick().lesion.data.astype(np.float32), sick().lesion.affine)
        write_volume(lesion, images / f"{name}_ses-0001_lesion-msk.nii.gz", "uint8")
    world = World(folder)
    onnx_model(world.quick, bias=-6.0, name="Quick")
    torch_model(world.slow, name="Slow", spacing_mm=[1.5, 1.5, 1.5], overlap=0.8, patch=[32, 32, 32])
    return world
