"""Stored: voxel values as they lie in a file, brought out with its scaling and put in with rounding.

Streams, a few values at a time. Knows neither headers' bytes nor folders (nifti.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadVolume
from core.imaging.header import Header
from core.imaging.stream import pieces, readable


def values(path: Path, header: Header) -> Iterator[tuple[int, NDArray[Any]]]:
    """(index of the first, scaled values) of the one volume in stored order, a few at a time.

    Raises:
        BadVolume: damaged, or more than one volume.
    """
    if header.volumes != 1:
        raise BadVolume(f"the file holds {header.volumes} volumes, not one", hint="save one time point as a 3D file")
    kind = np.dtype(header.dtype).newbyteorder(header.byteorder)
    start = 0
    with readable(path) as stream:
        for piece in pieces(stream, header.vox_offset, header.raw_bytes):
            found = np.frombuffer(piece, dtype=kind)
            if (header.slope, header.inter) != (1.0, 0.0):
                with np.errstate(over="ignore", invalid="ignore"):
                    found = found.astype(np.float64) * header.slope + header.inter
            yield start, found
            start += len(found)


def finest_step(data: NDArray[Any], dtype: str) -> float:
    """The smallest value of one stored integer with which the type holds the data's range; 1.0 for zeros."""
    low, high = float(data.min()), float(data.max())
    limits = np.iinfo(dtype)
    return max(high / limits.max, low / limits.min if limits.min else 0.0) * (1 + 1e-6) or 1.0


def write_values(data: NDArray[Any], kind: np.dtype[Any], stream: IO[bytes], scale: float = 1.0) -> None:
    """Write (X, Y, Z) voxels times `scale` as `kind`, a slab at a time, the first axis fastest.

    Raises:
        BadVolume: a value does not fit the type.
    """
    for k in range(data.shape[2]):
        slab = data[:, :, k]
        if kind.kind in "iu" and slab.dtype != kind:
            slab = np.rint(slab * scale)
            limits = np.iinfo(kind)
            if not (slab.min() >= limits.min and slab.max() <= limits.max):
                raise BadVolume(f"values do not fit {kind.name}", hint="write it as float32 or choose a larger step")
        stream.write(slab.astype(kind, copy=False).tobytes(order="F"))
