"""One time point: a 4D image of a case, made viewable by taking one 3D image out of it.

Fetches and verifies the whole file first (its checksum lies at its end), then cuts. What was cut is kept in the cache
and can be made again. Does not draw.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadVolume, FetchCancelled
from core.hub.cache import Cache
from core.hub.leases import alone
from core.hub.turns import FRONT, Turn
from core.imaging.header import Header
from core.imaging.nifti import read_header
from core.imaging.time_points import Series, time_point, time_point_path, time_points
from core.resources.cost import cut_step
from core.sources.headers import absent
from core.sources.protocol import Cancelled, LocalFile, Progress, Report, Source, never, no_report
from core.workflows.guarded import Visit, fetch, recorded_case

DERIVED = "derived"  # the cache's folder of what was made of images
MOST_KEPT = 64  # time points on disk, of all images together
_SPARE = 1.01  # a gzip of noise is a little longer than the noise


@dataclass(frozen=True)
class TimePoint:
    """One time point on this disk.

    Attributes:
        file: a 3D .nii.gz.
        series: the time axis that it is from.
        index: from 0.
    """

    file: LocalFile
    series: Series
    index: int

    @property
    def label(self) -> str:
        """For the screen: "time point 7 of 40, 12.0 s"."""
        return self.series.label(self.index)


def one_time_point(
    source: Source,
    cache: Cache,
    case_id: str,
    modality: str,
    index: int | None = None,
    report: Report = no_report,
    cancelled: Cancelled = never,
    turn: Turn = FRONT,
    visit: Visit | None = None,
) -> TimePoint:
    """One time point of a 4D image; `index` is from 0, None for the series' default.

    Args:
        visit: the door to go through, for the fetch and then for the cut; None for none.

    Raises:
        OverBudget: the door refused.
        CaseNotFound, ModalityAbsent, HubError, FetchCancelled, DiskFull: as the source's fetch does.
        BadVolume: no such time point, or the image is damaged.
    """
    fetched = fetch(visit, source, case_id, [modality], report, cancelled, turn)
    if modality not in fetched.files:
        raise absent(case_id, modality)
    whole = fetched.files[modality]
    with cache.lease([whole.path]):
        header = read_header(whole.path)
        series = time_points(header)
        chosen, folder = series.default if index is None else index, cache.root / DERIVED / whole.sha256[:40]
        cut = time_point_path(chosen, folder).is_file()
        with nullcontext() if cut else _door(visit, source, case_id, header, cancelled):
            if not cut:
                cache.make_room(int(_SPARE * (header.vox_offset + header.volume_bytes)))
            path = time_point(whole.path, chosen, folder, _ticking(series.label(chosen), report, cancelled))
    with cache.lease([path]):
        with suppress(OSError):
            os.utime(path)  # used now
        file = _digested(path)
        prune(cache.root / DERIVED, keep=path)
    return TimePoint(file, series, chosen)


def _ticking(what: str, report: Report, cancelled: Cancelled) -> Callable[[int, int], None]:
    def tick(done: int, total: int) -> None:
        if cancelled():
            raise FetchCancelled("stopped while taking out a time point", hint="choose it again to go on")
        report(Progress(what, done, total))

    return tick


def _door(
    visit: Visit | None, source: Source, case_id: str, header: Header, cancelled: Cancelled
) -> AbstractContextManager[None]:
    if visit is None:
        return nullcontext()
    word = recorded_case(visit.guard.settings, case_id, source.spec)
    return visit.enter(cut_step(header.vox_offset + header.volume_bytes, word), "decode", cancelled)


def prune(folder: Path, keep: Path, most: int = MOST_KEPT) -> int:
    """Remove the time points used least recently beyond `most`, but those that somebody holds. Returns how many."""
    found = [path for path in folder.glob("*/*.nii.gz") if not path.name.startswith(".") and path != keep]
    count = 0
    for path in sorted(found, key=_used)[: max(0, len(found) + 1 - most)]:
        with alone(path) as nobody, suppress(OSError):
            if nobody:
                path.unlink()
                count += 1
                path.parent.rmdir()  # refuses while it is not empty
    return count


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _digested(path: Path) -> LocalFile:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return LocalFile(path, path.stat().st_size, digest)
    except OSError as error:
        raise BadVolume(f"the time point cannot be read ({error.strerror})", hint="choose it again") from None
