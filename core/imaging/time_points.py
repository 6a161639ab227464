"""Time points: one 3D image out of a 4D file, with its stored values as they are.

Copies bytes from a stream, so that memory stays at a few MB however long the series is. Does not fetch, show or
average, and keeps nothing but the file that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import BadVolume
from core.imaging.header import Header
from core.imaging.nifti import check_file, raw_header, read_header
from core.imaging.stream import AGAIN, CHUNK, beside, make_folder, packed, readable

Tick = Callable[[int, int], None]  # decoded bytes read, decoded bytes to read; may raise to stop


@dataclass(frozen=True)
class Series:
    """The time axis of a file.

    Attributes:
        count: 3D images in the file, at least 1.
        step_s: seconds from one to the next; None when the file does not say.
    """

    count: int
    step_s: float | None

    @property
    def default(self) -> int:
        """The index shown first: the middle, where contrast has arrived in most perfusion series."""
        return self.count // 2

    def label(self, index: int) -> str:
        """For the screen: "time point 7 of 40, 12.0 s" of index 6 at 2 s a step; the time only where it is known."""
        at = "" if self.step_s is None else f", {index * self.step_s:.1f} s"
        return f"time point {index + 1} of {self.count}{at}"


def time_points(header: Header) -> Series:
    """The time axis that a header gives; a 3D file has one time point."""
    return Series(header.volumes, header.step_s)


def time_point_path(index: int, out_dir: Path) -> Path:
    """Where `time_point` puts the image of that index (from 0)."""
    return out_dir / f"t{index:05d}.nii.gz"


def time_point(path: Path, index: int, out_dir: Path, tick: Tick = lambda done, total: None) -> Path:
    """One volume of a 4D file as a 3D .nii.gz: same stored values, type, scaling, affine and spacing.

    The same file and index give the same bytes under the same name. A file that is there already is read through and
    given again if it is whole.

    Args:
        path: a file that was verified as a whole (fetched, or checked by `check_file`): the checksum at its end is not
            looked at again, since only the part up to the volume is decoded.
        index: from 0.
        out_dir: made if need be; only for time points of this one file.
        tick: told of the progress; what it raises stops the work and nothing is left behind.

    Raises:
        BadVolume: no such time point, a damaged file, or a folder that cannot be written.
        DiskFull: no room.
    """
    header = read_header(path)
    if not 0 <= index < header.volumes:
        raise BadVolume(
            f"the file has {header.volumes} time points, there is no number {index + 1}",
            hint=f"choose a time point from 1 to {header.volumes}",
        )
    target = time_point_path(index, out_dir)
    if target.is_file() and _whole(target, header):
        return target
    make_folder(out_dir)
    with beside(target) as part:
        with readable(path) as stream, packed(part, gzipped=True) as out:
            out.write(_head_of(path))
            _copy(stream, out, header, index, tick)
        check_file(part)
    return target


def _whole(target: Path, header: Header) -> bool:
    try:
        check_file(target)
        return read_header(target).shape == header.grid
    except BadVolume:
        return False


def _head_of(path: Path) -> bytes:
    """The file's header as that of a 3D file, followed by "no extensions". Fields that place or scale it are kept."""
    with readable(path) as stream:
        raw = raw_header(stream)
    raw["dim"][0] = 3
    raw["dim"][4:] = 1
    raw["vox_offset"] = raw.sizeof_hdr + 4
    return bytes(raw.binaryblock) + bytes(4)


def _copy(stream: IO[bytes], out: IO[bytes], header: Header, index: int, tick: Tick) -> None:
    """Pass over what comes before the volume, then copy it."""
    start = header.vox_offset + index * header.volume_bytes
    stop, done = start + header.volume_bytes, 0
    while done < stop:
        tick(done, stop)
        border = start if done < start else stop
        piece = stream.read(min(CHUNK, border - done))
        if not piece:
            raise BadVolume("the file is shorter than its header promises", hint=AGAIN)
        if done >= start:
            out.write(piece)
        done += len(piece)
    tick(stop, stop)
