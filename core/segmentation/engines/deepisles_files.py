"""DeepISLES' files: images checked and copied under neutral names, and the mask taken from its one place.

The folder is fresh for every job and holds nothing but copies of the images, so DeepISLES can neither change an input
nor see a truth, and no result of an earlier run can be taken for this one's. Starts nothing (deepisles_run.py).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, BadVolume, EngineError
from core.imaging import nifti, stored
from core.imaging.geometry import corners, same_grid, world
from core.imaging.volume import Mask
from core.segmentation.engine import Image

MASK = "lesion_msk.nii.gz"
TEAMS_FOLDER = "output_teams"
TEAMS = {"SEALS": ("seals",), "NVAUTO": ("nvauto",), "SWAN": ("factorizer", "swan")}  # name -> folders it may write
SAME_MM = 0.1
LEAST_SHARE = 0.5  # of the DWI's field of view that a FLAIR must cover


@dataclass(frozen=True)
class Outcome:
    """What DeepISLES left: the lesion, and which algorithms gave an opinion (None: it did not say)."""

    mask: Mask
    teams: tuple[str, ...] | None


def check(inputs: Mapping[str, Image]) -> tuple[str, ...]:
    """Whether the images fit each other; warnings for what is unusual. Reads headers only.

    DeepISLES itself would overwrite an ADC's affine with the DWI's, and take the last volume of a series.

    Raises:
        BadInput: a series, an ADC on another grid, or a FLAIR of another place; with the numbers.
        BadVolume: a file is no image.
    """
    dwi = inputs["dwi"].header
    for image in inputs.values():
        if image.header.volumes != 1:
            said = f"the {image.title} holds {image.header.volumes} volumes, not one"
            raise BadInput(said, hint="save the one of b = 1000 as a 3D file" if image.name == "dwi" else "save one")
    adc = inputs["adc"].header
    if dwi.grid != adc.grid:
        said = f"DWI and ADC have different shapes, {_shape(dwi.grid)} and {_shape(adc.grid)}"
        raise BadInput(said, hint="resample the ADC to the DWI first")
    if not same_grid(dwi.grid, dwi.affine, adc.grid, adc.affine, SAME_MM):
        ends = corners(dwi.grid)
        gap = float(np.linalg.norm(world(dwi.affine, ends) - world(adc.affine, ends), axis=1).max())
        raise BadInput(
            f"DWI and ADC have equal shapes but lie up to {gap:.1f} mm apart", hint="resample the ADC to the DWI first"
        )
    if "flair" not in inputs:
        return ()
    flair = inputs["flair"].header
    if same_grid(dwi.grid, dwi.affine, flair.grid, flair.affine, SAME_MM):
        return ()
    share = covered(dwi.grid, dwi.affine, flair.grid, flair.affine)
    if share < LEAST_SHARE:
        said = f"the FLAIR covers only {100 * share:.0f} % of the DWI's field of view"
        raise BadInput(said, hint="give the FLAIR of the same session and place, or leave it out")
    return (
        f"The FLAIR lies on another grid ({_shape(flair.grid)}) than the DWI ({_shape(dwi.grid)}); "
        "DeepISLES brings it there by itself.",
    )


def covered(
    shape: tuple[int, ...], affine: NDArray[np.float64], other: tuple[int, ...], other_affine: NDArray[np.float64]
) -> float:
    """Share (0..1) of one grid's field of view that lies within another's, from a lattice of 8 x 8 x 8 points."""
    axes = [np.linspace(0, n - 1, 8) for n in shape[:3]]
    points = world(affine, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    inverse = np.linalg.inv(other_affine)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    inside = ((index >= -0.5) & (index <= np.array(other[:3]) - 0.5)).all(axis=1)
    return float(inside.mean())


def lay_out(inputs: Mapping[str, Image], folder: Path) -> dict[str, str]:
    """Copy the images into a new folder; returns the file name of each.

    Raises:
        BadInput: the folder cannot be given to a container, or a file changed since it was chosen.
        EngineError: the folder cannot be written.
    """
    if ":" in str(folder):
        raise BadInput("the output folder's path holds a ':', which Docker cannot mount", hint="choose another folder")
    names = {}
    try:
        folder.mkdir()
        for name, image in inputs.items():
            names[name] = _copy(image, folder)
    except OSError as error:
        hint = "free some disk space, or choose another folder"
        raise EngineError(f"the images could not be laid out for DeepISLES ({error.strerror})", hint=hint) from None
    return names


def _copy(image: Image, folder: Path) -> str:
    """One image as a 3D file; its bytes as they are, but for a fourth axis of length 1, which DeepISLES refuses."""
    if len(image.header.shape) > 3:
        path = folder / f"{image.name}.nii.gz"
        nifti.write_volume(image.volume(), path, dtype="float32")
        image.release()
        return path.name
    with image.path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    path = folder / (f"{image.name}.nii.gz" if packed else f"{image.name}.nii")
    shutil.copyfile(image.path, path)
    with path.open("rb") as file:
        same = hashlib.file_digest(file, "sha256").hexdigest() == image.sha256
    if not same:
        raise BadInput(f"the {image.title} changed while it was read", hint="start the job again")
    return path.name


def collect(results: Path, dwi: Image) -> Outcome | None:
    """What DeepISLES left in its results folder; None if there is no mask.

    Raises:
        EngineError: what lies there is no mask on the DWI's grid.
    """
    path = results / MASK
    if path.is_symlink() or not path.is_file():
        return None
    hint = "run it again; if it fails again, report this with DeepISLES' version"
    try:
        header = nifti.read_header(path)
        if not same_grid(header.grid, header.affine, dwi.header.grid, dwi.header.affine, SAME_MM):
            said = f"DeepISLES' mask ({_shape(header.grid)}) does not lie on the DWI's grid ({_shape(dwi.header.grid)})"
            raise EngineError(said, hint=hint)
        data: NDArray[np.bool_] = np.empty(header.grid, dtype=np.bool_, order="F")
        for start, values in stored.values(path, header):
            if not ((values == 0) | (values == 1)).all():
                raise EngineError("DeepISLES' mask holds values other than 0 and 1", hint=hint)
            data.reshape(-1, order="F")[start : start + len(values)] = values == 1
    except BadVolume as error:
        raise EngineError(f"DeepISLES' mask cannot be read: {error}", hint=hint) from None
    return Outcome(Mask(data, dwi.header.affine), teams_of(results))


def teams_of(results: Path) -> tuple[str, ...] | None:
    """The algorithms whose own output is there, in a fixed order; None if DeepISLES saved none of them."""
    folder = results / TEAMS_FOLDER
    if not folder.is_dir():
        return None
    return tuple(team for team, names in TEAMS.items() if any(_gave(folder / name) for name in names))


def _gave(folder: Path) -> bool:
    return folder.is_dir() and any(
        path.name.endswith(".nii.gz") and path.is_file() and path.stat().st_size > 0 for path in folder.iterdir()
    )


def _shape(grid: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in grid)
