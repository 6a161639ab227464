"""Damaged NIfTI files: the right voxels or BadVolume, never another exception, never an absurd allocation."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from core.errors import BadVolume
from core.imaging import nifti
from tests.stress.campaign import play, sizes

SHAPE = (7, 6, 5)
KINDS: list[tuple[Any, str, str]] = [
    (nib.Nifti1Header, "<", "i2"),
    (nib.Nifti1Header, ">", "f4"),
    (nib.Nifti1Header, "<", "f8"),
    (nib.Nifti2Header, "<", "f8"),
    (nib.Nifti2Header, ">", "u1"),
]
INTS = (0, 1, -1, 2, 3, 7, 8, 127, 255, 2**15 - 1, -(2**15), 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 352.0, np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-42, 1e300, -1e300, 5e-324)
SLACK = 12e6  # chunks while a stream is read
TIGHTEST = 1040  # deflate packs at most so tightly


@cache
def whole(index: int) -> bytes:
    """A decoded file of each kind, with both forms, a slope and all bits in use."""
    kind, order, dtype = KINDS[index]
    header = kind(endianness=order)
    header.set_data_dtype(np.dtype(order + dtype))
    header.set_data_shape(SHAPE)
    affine = np.diag([-2.0, 2, 3, 1])
    header.set_qform(affine, 2)
    header.set_sform(affine, 1)
    header.set_xyzt_units("mm")
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = header.sizeof_hdr + 4, 0.5, 3
    voxels = np.random.default_rng(index).integers(0, 200, 210).astype(order + dtype)
    return bytes(header.binaryblock) + bytes(4) + voxels.tobytes()


def flip(raw: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)


def scribble(raw: bytearray, random: Random) -> None:
    at = random.randrange(len(raw))
    raw[at : at + 16] = random.randbytes(len(raw[at : at + 16]))


def cut(raw: bytearray, random: Random) -> None:
    del raw[random.randrange(len(raw)) :]


def grow(raw: bytearray, random: Random) -> None:
    raw += random.randbytes(random.choice((1, 2, 100, 5000)))


DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (flip, scribble, cut, grow)


def extreme(raw: bytearray, index: int, random: Random) -> None:
    """Set up to three header fields to values that no library would write."""
    kind, order, _ = KINDS[index]
    header = np.frombuffer(raw, dtype=kind.template_dtype.newbyteorder(order), count=1)
    if random.random() < 0.2:  # a believable grid that the file does not hold
        header["dim"][0, 1:4] = [random.randint(1, 1500) for _ in range(3)]
    for _ in range(random.randint(1, 3)):
        field = header[random.choice(header.dtype.names)].reshape(-1)
        at = random.randrange(field.size)
        if field.dtype.kind == "f":
            limit = np.finfo(field.dtype).max
            field[at] = np.clip(random.choice(FLOATS), -limit, limit) if random.random() < 0.8 else random.gauss(0, 9)
        elif field.dtype.kind in "iu":
            limits = np.iinfo(field.dtype)
            field[at] = min(max(random.choice(INTS), limits.min), limits.max)
        else:
            field[at] = random.randbytes(field.dtype.itemsize)


def damaged(index: int, random: Random) -> tuple[bytearray, bytes, bool]:
    """(decoded bytes, bytes on disk, whether those on disk still pack exactly the decoded ones)."""
    raw = bytearray(whole(index))
    if random.random() < 0.6:
        extreme(raw, index, random)
    if random.random() < 0.5:
        random.choice(DAMAGES)(raw, random)
    if random.random() < 0.5:
        return raw, bytes(raw), True
    packed = bytearray(gzip.compress(raw, 1, mtime=0))
    intact = random.random() < 0.5
    if not intact:
        random.choice(DAMAGES)(packed, random)
    return raw, bytes(packed), intact


def tried(read: Callable[[Path], Any], path: Path, limit: float) -> Any:
    """What a reader gives, None for BadVolume; fails on anything else and on too much memory."""
    tracemalloc.reset_peak()
    try:
        found = read(path)
    except BadVolume as error:
        assert error.hint and str(error)
        found = None
    assert tracemalloc.get_traced_memory()[1] < limit
    return found


def expected(raw: bytes, header: nifti.Header) -> NDArray[np.float32]:
    """The voxels, decoded here from the header's numbers alone."""
    kind = np.dtype(header.dtype).newbyteorder(header.byteorder)
    stored = np.frombuffer(raw, kind, int(np.prod(header.shape)), header.vox_offset)
    with np.errstate(all="ignore"):
        values = (
            stored if (header.slope, header.inter) == (1, 0) else stored.astype(float) * header.slope + header.inter
        )
        values = values.astype(np.float32)
    return np.where(np.isfinite(values), values, np.float32(0)).reshape(header.grid, order="F")


@sizes(sample=150, campaign=20_000)
def test_a_damaged_image_is_read_right_or_refused(tmp_path: Path, count: int) -> None:
    seen = {"read": 0, "refused": 0}

    def one(number: int, random: Random) -> None:
        raw, stored, intact = damaged(random.randrange(len(KINDS)), random)
        path = tmp_path / random.choice(("a.nii", "a.nii.gz"))
        path.write_bytes(stored)
        limit = tracemalloc.get_traced_memory()[0] + SLACK + 4 * len(stored) * TIGHTEST
        header = tried(nifti.read_header, path, limit)
        tried(nifti.check_file, path, limit)
        volume, mask = tried(nifti.read_volume, path, limit), tried(nifti.read_mask, path, limit)
        assert (volume is None) == (mask is None)
        seen["refused" if volume is None else "read"] += 1
        if volume is None:
            return
        nifti.check_file(path)
        assert volume.data.shape == header.grid and np.isfinite(volume.affine).all()
        decoded = bytes(raw) if intact else _unpacked(stored)
        np.testing.assert_array_equal(volume.data, expected(decoded, header))

    tracemalloc.start()
    try:
        play(count, one)
    finally:
        tracemalloc.stop()
    assert min(seen.values()) > count / 20  # or the damage proves nothing


def _unpacked(stored: bytes) -> bytes:
    """By the standard library, which checks the sum; a file whose gzip mark is gone was read as it is."""
    return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored
