"""NIfTI files: headers, voxels in, voxels out. The only importer of nibabel.

Reads NIfTI-1 and -2 single files, plain or gzipped, as a stream, so that memory stays at the result plus a few MB, and
refuses whatever is not exactly what its header promises. Writes beside the final name, verifies, renames. Does not
resample (geometry.py) and does not choose files.
"""

from __future__ import annotations

import io
from math import prod
from pathlib import Path
from typing import IO, Any, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from core.errors import BadVolume, GridMismatch
from core.imaging import stored
from core.imaging.geometry import orientation, same_grid
from core.imaging.header import Header as Header
from core.imaging.header import settle_affine
from core.imaging.stream import AGAIN, beside, can_decode_to, decoded_head, packed, pieces, readable
from core.imaging.volume import Affine, Mask, Volume, spacing_of

NiftiHeader = Any  # nib.Nifti1Header or Nifti2Header; nibabel is only partly typed

HEAD_BYTES = 540  # decoded bytes that hold any header: 348 of NIfTI-1, 540 of NIfTI-2
_MOST_VOXELS = 1 << 32  # far above a whole CT perfusion series
_TYPES = frozenset(["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"])


def read_header(path: Path) -> Header:
    """The header, from the first few KB of the file; no voxel is decoded.

    Raises:
        BadVolume: not a NIfTI file, or a header that cannot be true.
    """
    with readable(path) as stream:
        header = _parse(raw_header(stream))
        if not can_decode_to(path, header.vox_offset + header.raw_bytes):
            raise BadVolume("the file is shorter than its header promises", hint=AGAIN)
    return header


def parse_head(head: bytes) -> Header:
    """The header that a file with these first bytes has.

    Args:
        head: the file's first bytes, gzipped or not; enough of them to decode HEAD_BYTES.

    Raises:
        BadVolume: not a NIfTI file, a header that cannot be true, or too few bytes.
    """
    return _parse(raw_header(io.BytesIO(decoded_head(head, HEAD_BYTES))))


def promised_bytes(head: bytes) -> int:
    """Bytes that the whole file decodes to, as its header promises; arguments and errors as `parse_head`."""
    header = parse_head(head)
    return header.vox_offset + header.raw_bytes


def check_file(path: Path) -> None:
    """Decode the whole file and keep nothing: the header is sane, the length as promised, the gzip checksum right.

    Raises:
        BadVolume: the file is damaged.
    """
    header = read_header(path)
    with readable(path) as stream:
        for _ in pieces(stream, header.vox_offset, header.raw_bytes):
            pass


def read_volume(path: Path, unit: str = "") -> Volume:
    """The image as float32 with the file's scaling applied; 4D with a single volume becomes 3D.

    Values that are not finite (NaN, infinite, beyond float32) become 0, as scanners mean "nothing here".

    Raises:
        BadVolume: damaged, or more than one volume.
    """
    header = read_header(path)
    data: NDArray[np.float32] = np.empty(header.grid, dtype=np.float32, order="F")
    for start, values in stored.values(path, header):
        with np.errstate(over="ignore"):
            part = values.astype(np.float32)
        part[~np.isfinite(part)] = 0
        data.reshape(-1, order="F")[start : start + len(part)] = part
    return Volume(data, header.affine, unit)


def read_mask(path: Path) -> Mask:
    """The image as a binary mask: scaled value > 0.5; what is not finite is no lesion.

    Raises:
        BadVolume: damaged, or more than one volume.
    """
    header = read_header(path)
    data: NDArray[np.bool_] = np.empty(header.grid, dtype=np.bool_, order="F")
    for start, values in stored.values(path, header):
        data.reshape(-1, order="F")[start : start + len(values)] = (values > 0.5) & np.isfinite(values)
    return Mask(data, header.affine)


def write_mask(mask: Mask, path: Path, like: Path) -> None:
    """Write a mask as uint8 0/1 with the spatial header of `like` (affine, qform and sform with codes, units).

    A `like` of shape (X, Y, Z, 1) gives a 3D mask. The same mask gives the same bytes.

    Raises:
        GridMismatch: the mask does not lie on `like`'s grid.
        DiskFull, BadVolume: the file could not be written.
    """
    header = read_header(like)
    if not same_grid(mask.data.shape, mask.affine, header.grid, header.affine):
        raise GridMismatch("the mask does not lie on the image's grid", hint="resample it to the image first")
    _write(mask.data.view(np.uint8), _header_like(like, mask.data.shape, "uint8"), path)


def write_probability(data: NDArray[np.float32], path: Path, like: Path) -> None:
    """Write probabilities 0..1 on `like`'s grid as uint8 with slope 1/255 (steps of 0.004, a quarter of float32).

    Raises as `write_mask`; BadVolume also for values outside 0..1.
    """
    low, high = float(data.min()), float(data.max())
    if not (low >= 0 and high <= 1):  # also catches NaN
        raise BadVolume("a probability lies outside 0 to 1", hint="this is a fault of the engine; please report it")
    header = _header_like(like, data.shape, "uint8")
    header["scl_slope"], header["scl_inter"] = 1 / 255, 0
    header["cal_max"] = 1
    _write(data, header, path, scale=255.0)


def write_labels(data: NDArray[np.uint8], path: Path, like: Path) -> None:
    """Write small labels (X, Y, Z) uint8 on `like`'s grid. Raises as `write_mask`."""
    _write(data, _header_like(like, data.shape, "uint8"), path)


def write_volume(
    volume: Volume, path: Path, dtype: str = "int16", description: str = "", step: float | None = None
) -> None:
    """Write an image with its affine as sform, and as qform where that can hold it.

    Args:
        dtype: on disk, "uint8", "int16", "uint16", "float32" or "float64".
        description: at most 79 ASCII characters, kept in the file.
        step: value of one stored integer; None is the smallest that holds the range. Not for floats.

    Raises:
        BadVolume: values that do not fit the type, or the file could not be written.
        DiskFull: no room.
    """
    if dtype not in ("uint8", "int16", "uint16", "float32", "float64"):
        raise BadVolume(f"images are not written as {dtype}", hint="choose an integer or float type")
    header: NiftiHeader = nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(dtype)
    header.set_data_shape(volume.data.shape)
    header.set_sform(volume.affine, 1)
    header.set_qform(volume.affine, 1, strip_shears=True)
    if not same_grid(volume.data.shape, header.get_qform(), volume.data.shape, volume.affine, 0.01):
        header.set_qform(None, 0)
    header.set_xyzt_units("mm")
    header["descrip"] = description.encode("ascii", "replace")[:79]
    scale = 1.0
    if not dtype.startswith("float"):
        step = stored.finest_step(volume.data, dtype) if step is None else step
        header["scl_slope"], header["scl_inter"] = step, 0
        scale = 1 / float(header["scl_slope"])
    _write(volume.data, header, path, scale=scale)


# Reading


def raw_header(stream: IO[bytes]) -> NiftiHeader:
    """The header block that `stream` starts with, in either byte order and version, unchecked but for its kind.

    Raises:
        BadVolume: it is none.
    """
    start = stream.read(348)
    kinds: dict[int, tuple[Any, int, bytes]] = {
        348: (nib.Nifti1Header, 344, b"n+1\0"),
        540: (nib.Nifti2Header, 4, b"n+2\0"),
    }
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        found = kinds.get(int.from_bytes(start[:4], order))
        if found is None:
            continue
        kind, at, magic = found
        if start[at : at + 4] != magic:
            raise BadVolume("the file is not a single-file NIfTI image", hint="convert it to .nii.gz")
        block = start + stream.read(kind.sizeof_hdr - 348)
        if len(block) < kind.sizeof_hdr:
            raise BadVolume("the file ends within its header", hint=AGAIN)
        return kind(block, endianness="<" if order == "little" else ">", check=False)
    raise BadVolume("the file is not a NIfTI image", hint="choose a .nii or .nii.gz file")


def _parse(raw: NiftiHeader) -> Header:
    axes = int(raw["dim"][0])
    shape = tuple(int(n) for n in raw["dim"][1 : axes + 1]) if 1 <= axes <= 7 else ()
    if axes < 3 or min(shape, default=0) < 1 or prod(shape) > _MOST_VOXELS:
        raise BadVolume(f"the header gives impossible dimensions {shape}", hint="export the image again as 3D NIfTI")
    try:
        dtype = raw.get_data_dtype()
    except (HeaderDataError, KeyError):
        raise BadVolume("the header names an unknown voxel type", hint=AGAIN) from None
    if dtype.newbyteorder("=").name not in _TYPES:
        raise BadVolume(f"voxels of type {dtype.name} are not grey values", hint="export as integers or floats")
    offset = float(raw["vox_offset"])
    if not (raw.sizeof_hdr + 4 <= offset <= 1 << 26 and offset.is_integer()):
        raise BadVolume("the header points to voxels at an impossible place", hint=AGAIN)
    affine = _affine(raw, shape)
    slope, inter = _scaling(raw)
    return Header(
        shape=shape,
        spacing_mm=spacing_of(affine),
        dtype=dtype.newbyteorder("=").name,
        affine=affine,
        slope=slope,
        inter=inter,
        raw_bytes=prod(shape) * dtype.itemsize,
        orientation=orientation(affine),
        qform_code=int(raw["qform_code"]),
        sform_code=int(raw["sform_code"]),
        description=bytes(raw["descrip"]).split(b"\0")[0].decode("latin-1").strip(),
        vox_offset=int(offset),
        byteorder=raw.endianness,
        step_s=_step_s(raw),
    )


def _affine(raw: NiftiHeader, shape: tuple[int, ...]) -> Affine:
    if int(raw["xyzt_units"]) & 7 in (1, 3):
        raise BadVolume("the header gives sizes in metres or microns", hint="export the image in millimetres")
    try:
        qform = raw.get_qform() if raw["qform_code"] > 0 else None
    except (HeaderDataError, ValueError):
        if raw["sform_code"] <= 0:
            raise BadVolume("the header's rotation is not a rotation", hint=AGAIN) from None
        qform = None
    sform = raw.get_sform() if raw["sform_code"] > 0 else None
    with np.errstate(all="ignore"):  # what overflows is refused as an impossible size
        return settle_affine(shape, sform, qform, raw.get_base_affine())


def _step_s(raw: NiftiHeader) -> float | None:
    unit = {8: 1.0, 16: 1e-3, 24: 1e-6}.get(int(raw["xyzt_units"]) & 0x38)
    step = float(raw["pixdim"][4])
    return step * unit if unit and int(raw["dim"][0]) >= 4 and np.isfinite(step) and step > 0 else None


def _scaling(raw: NiftiHeader) -> tuple[float, float]:
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0
    if not np.isfinite(inter):
        raise BadVolume("the header scales values by something that is not a number", hint=AGAIN)
    return slope, inter


# Writing


def _header_like(like: Path, shape: tuple[int, ...], dtype: str) -> NiftiHeader:
    """A 3D header of `dtype` whose place in space is, field by field, that of `like`."""
    with readable(like) as stream:
        old = raw_header(stream)
    if _parse(old).grid != shape:
        raise GridMismatch("the result does not have the image's shape", hint="resample it to the image first")
    new = type(old)()
    new.set_data_dtype(dtype)
    new.set_data_shape(shape)
    new["pixdim"][:4] = old["pixdim"][:4]
    names = "qform_code sform_code xyzt_units quatern_b quatern_c quatern_d qoffset_x qoffset_y qoffset_z"
    for name in (*names.split(), "srow_x", "srow_y", "srow_z"):
        new[name] = old[name]
    new["descrip"] = b"Strokescope; research use only"
    return new


def _write(data: NDArray[Any], header: NiftiHeader, path: Path, scale: float = 1.0) -> None:
    """Write beside, decode again, rename."""
    header["vox_offset"] = header.sizeof_hdr + 4
    with beside(path) as part:
        with packed(part, path.name.endswith(".gz")) as stream:
            stream.write(header.binaryblock + bytes(4))
            stored.write_values(data, header.get_data_dtype(), stream, scale)
        check_file(part)
