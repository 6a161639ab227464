"""Reading a result from its files, and a view of it into files for the viewer.

Decodes each file once; files are written beside, verified and renamed, and named by their content. Measures nothing
(reading.py).
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import GridMismatch
from core.evaluation.components import Box, bounding_box
from core.evaluation.overlap import overlap_labels
from core.imaging import nifti, stored
from core.imaging.geometry import same_grid
from core.imaging.stream import make_folder
from core.imaging.volume import Mask
from core.segmentation.results import JobResult
from core.workflows.reading import FULL, LOWEST, MidPlane, Reading, View


def open_reading(
    result: JobResult,
    truth: Path | None = None,
    adc: Path | None = None,
    *,
    adc_scale: float | None = None,
    adc_core: float | None = None,
    midplane: MidPlane | None = None,
) -> Reading:
    """Decode a result, and what it is held against, once.

    Args:
        truth: on the result's grid.
        adc: the ADC image on the result's grid; another grid gives no core and no mean ADC.
        adc_scale, midplane: as the result's sidecar has them ("AdcScale", "MidPlane").
        adc_core: below this, 1e-6 mm2/s, a voxel counts as core (the parameter of that name); None for no core.

    Raises:
        BadVolume: a file is damaged. GridMismatch: the truth lies on another grid.
    """
    own = nifti.read_mask(result.mask)
    levels = own.data.view(np.uint8) * np.uint8(FULL) if result.probability is None else read_levels(result.probability)
    true = None if truth is None else nifti.read_mask(truth)
    _require_grids(own, levels.shape, true)
    can_change = (levels >= math.ceil(LOWEST * FULL - 1e-6)) | own.data
    if true is not None:
        can_change |= true.data
    box = bounding_box(can_change) or (slice(0, 1), slice(0, 1), slice(0, 1))
    values = _cut_adc(adc, own, box) if adc_scale is not None else None
    low = None
    if values is not None and adc_core is not None and adc_scale is not None:
        low = (values > 0) & (values < adc_core / adc_scale)
    return Reading(
        shape=(own.data.shape[0], own.data.shape[1], own.data.shape[2]),
        affine=own.affine,
        box=box,
        levels=np.ascontiguousarray(levels[box].T),
        own=np.ascontiguousarray(own.data[box].T),
        low=low,
        truth=None if true is None else np.ascontiguousarray(true.data[box].T),
        adc=values,
        adc_scale=adc_scale,
        midplane=midplane,
        threshold=result.threshold,
        graded=result.probability is not None,
    )


def read_levels(path: Path) -> NDArray[np.uint8]:
    """A probability map in steps of 1/255, a byte a voxel.

    Raises:
        BadVolume: damaged, or more than one volume.
    """
    header = nifti.read_header(path)
    levels: NDArray[np.uint8] = np.empty(header.grid, np.uint8, order="F")
    for start, values in stored.values(path, header):
        part = np.nan_to_num(np.clip(values, 0, 1))
        levels.reshape(-1, order="F")[start : start + len(part)] = np.rint(part * FULL)
    return levels


def write_mask_view(reading: Reading, view: View, folder: Path, like: Path) -> Path:
    """The view's mask as a file for the viewer, named by its content: the same mask is written once.

    Raises:
        DiskFull, BadVolume, GridMismatch: it could not be written.
    """
    path = folder / f"mask-{_name_of(reading, view.inside)}.nii.gz"
    if not path.is_file():
        make_folder(folder)
        nifti.write_mask(Mask(reading.whole(view.inside), reading.affine), path, like)
    return path


def write_overlap_view(reading: Reading, view: View, folder: Path, like: Path) -> Path | None:
    """The label map of the view against the truth (core.evaluation.overlap), named by its content; None without truth.

    Raises as `write_mask_view`.
    """
    if reading.truth is None:
        return None
    labels = overlap_labels(view.inside, reading.truth)
    path = folder / f"overlap-{_name_of(reading, labels)}.nii.gz"
    if not path.is_file():
        make_folder(folder)
        nifti.write_labels(reading.whole(labels), path, like)
    return path


def _require_grids(own: Mask, levels: tuple[int, ...], truth: Mask | None) -> None:
    if levels != own.data.shape:
        raise GridMismatch("the probability does not lie on the mask's grid", hint="run the job again")
    if truth is not None and not same_grid(own.data.shape, own.affine, truth.data.shape, truth.affine):
        raise GridMismatch("the truth does not lie on the mask's grid", hint="compare masks of one image")


def _cut_adc(path: Path | None, own: Mask, box: Box) -> NDArray[np.float32] | None:
    if path is None:
        return None
    volume = nifti.read_volume(path)
    if not same_grid(volume.data.shape, volume.affine, own.data.shape, own.affine):
        return None
    return np.ascontiguousarray(volume.data[box].T)


def _name_of(reading: Reading, inside: NDArray[Any]) -> str:
    place = repr((reading.shape, [(s.start, s.stop) for s in reading.box], inside.dtype.str))
    digest = hashlib.sha256(place.encode() + reading.affine.tobytes())
    digest.update(np.ascontiguousarray(inside).tobytes())
    return digest.hexdigest()[:32]
