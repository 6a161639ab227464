"""Reading a result from its files, and a view of it into files for the viewer.

Decodes each file once; files are written beside, read back and renamed, and named by their content. Measures nothing
(reading.py).
"""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadVolume, GridMismatch
from core.evaluation.components import Box, bounding_box
from core.evaluation.overlap import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from core.imaging import nifti, stored
from core.imaging.geometry import same_grid
from core.imaging.stream import beside, make_folder, readable
from core.imaging.volume import Mask
from core.segmentation.results import JobResult
from core.workflows.parts import Parts
from core.workflows.reading import FULL, LOWEST, MidPlane, Reading, View

GZIP = 31  # as zlib counts: the widest window, in a gzip


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

    Args:
        like: a mask on the result's grid.

    Raises:
        DiskFull, BadVolume, GridMismatch: it could not be written.
    """
    path = folder / f"mask-{_name_of(reading, view.parts)}.nii.gz"
    if not path.is_file():
        voxels = np.zeros(math.prod(reading.shape), np.uint8)
        voxels[reading.in_file(view.parts)] = 1
        _write(voxels, reading, path, like)
    return path


def write_overlap_view(reading: Reading, view: View, folder: Path, like: Path) -> Path | None:
    """The label map of the view against the truth (core.evaluation.overlap), named by its content; None without truth.

    Raises as `write_mask_view`.
    """
    truth = reading.true_parts
    if truth is None or reading.truth is None:
        return None
    path = folder / f"overlap-{_name_of(reading, view.parts, truth)}.nii.gz"
    if not path.is_file():
        labels = np.zeros(math.prod(reading.shape), np.uint8)
        labels[reading.in_file(truth)] = FALSE_NEGATIVE
        hit = reading.truth.reshape(-1)[view.parts.voxels]
        labels[reading.in_file(view.parts)] = np.where(hit, TRUE_POSITIVE, FALSE_POSITIVE)
        _write(labels, reading, path, like)
    return path


def _write(voxels: NDArray[np.uint8], reading: Reading, path: Path, like: Path) -> None:
    """Beside, read back, renamed; with the header of `like`, and packed at once where that holds bytes already."""
    make_folder(path.parent)
    header = nifti.read_header(like)
    if header.grid != reading.shape:
        raise GridMismatch("the view does not lie on the mask's grid", hint="run the job again")
    if (header.dtype, header.slope, header.inter, len(header.shape)) != ("uint8", 1.0, 0.0, 3):
        return nifti.write_labels(voxels.reshape(reading.shape, order="F"), path, like)
    with readable(like) as stream:
        head = stream.read(header.vox_offset)
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    content = b"".join((packer.compress(head), packer.compress(voxels.data), packer.flush()))
    with beside(path) as part:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if part.read_bytes() != content:
            raise BadVolume("the view was not written as it is", hint="check the disk and try again")


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


def _name_of(reading: Reading, *parts: Parts) -> str:
    place = repr((reading.shape, [(s.start, s.stop) for s in reading.box]))
    digest = hashlib.sha256(place.encode() + reading.affine.tobytes())
    for one in parts:
        digest.update(one.starts.size.to_bytes(8, "little") + one.starts.tobytes() + one.lengths.tobytes())
    return digest.hexdigest()[:32]
