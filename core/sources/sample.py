"""The synthetic sample cohort as a source: needs no network and no data.

Each case is made when it is first asked for, and kept. An index with the digests of a case's files is written after
they all are; without it, or when a file is not what the index says, the case is made again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.case import CaseRef, check_case_id, in_screen_order
from core.errors import CaseNotFound, FetchCancelled
from core.hub.turns import FRONT, Turn
from core.imaging.nifti import Header, read_header, write_volume
from core.imaging.stream import beside, make_folder
from core.imaging.volume import Affine, Volume
from core.sources.cohort import SampleCase, cohort
from core.sources.headers import absent
from core.sources.protocol import Cancelled, Fetched, Listing, LocalFile, Progress, Report, never, no_report

VERSION = "1"  # changes with every change of the images
SHAPE = (112, 128, 44)
SPACING_MM = (1.7, 1.7, 3.5)
_MIDDLE_MM = (0.0, 0.0, 13.0)  # of the field of view, so that it holds the crown and the cerebellum
_STEPS = {"dwi": 1.0, "adc": 2.0, "ncct": 1.0, "tmax": 0.1, "cbf": 1.0, "lesion_mask": 1.0}
_ROUGHLY = {"dwi": 360_000, "adc": 257_000, "ncct": 292_000, "tmax": 160_000, "cbf": 185_000, "lesion_mask": 3_500}
_MARK = "synthetic, Strokescope"
_INDEX = "index.json"


class SampleSource:
    """A Source (protocol.py) of invented patients, kept below `cache_dir`/sample."""

    spec = "sample"
    title = "Synthetic sample cohort"
    synthetic = True

    def __init__(self, cache_dir: Path) -> None:
        self._folder = cache_dir / "sample" / VERSION
        self._cases = {case.case_id: case for case in cohort()}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def listing(self, cancelled: Cancelled = never) -> Listing:
        """All cases; sizes are exact for those made already and rough for the others."""
        return Listing(self.spec, None, tuple(self._ref(case) for case in self._cases.values()), complete=True)

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """The same as `listing`: nothing else is to be known."""
        return self.listing()

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """One case. Raises CaseNotFound."""
        return self._ref(self._find(case_id))

    def fetch(
        self,
        case_id: str,
        modalities: Sequence[str],
        report: Report = no_report,
        cancelled: Cancelled = never,
        turn: Turn = FRONT,
    ) -> Fetched:
        """The files, made now if need be (under a second). Raises CaseNotFound, DiskFull, FetchCancelled."""
        case = self._find(case_id)
        with self._guard:
            lock = self._locks[case_id]
        with lock:
            wanted = in_screen_order(set(modalities) & set(case.modalities))
            files = self._whole(case, wanted)
            kept = files is not None
            if files is None:
                _make(case, self._folder / case_id, report, cancelled)
                made = _read_index(self._folder / case_id)
                files = {name: made[name] for name in wanted}
        absent = tuple(dict.fromkeys(name for name in modalities if name not in files))
        return Fetched(case_id, files, absent, from_cache=kept)

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """What the file's header says; the case is made now if need be. Raises as `fetch`, and ModalityAbsent."""
        if modality not in self._find(case_id).modalities:
            raise absent(case_id, modality)
        return read_header(self.fetch(case_id, [modality], cancelled=cancelled).files[modality].path)

    def cached(self, case_id: str) -> frozenset[str]:
        """Modalities already made."""
        index = _read_index(self._folder / self._find(case_id).case_id)
        return frozenset(name for name, file in index.items() if file.path.is_file())

    def check(self) -> float | None:
        """None: there is no network to answer."""
        return None

    def newest(self) -> str | None:
        """None: there are no commits."""
        return None

    def _find(self, case_id: str) -> SampleCase:
        found = self._cases.get(check_case_id(case_id))
        if found is None:
            raise CaseNotFound("the sample cohort has no such case", hint="choose a case from the list")
        return found

    def _ref(self, case: SampleCase) -> CaseRef:
        index = _read_index(self._folder / case.case_id)
        sizes = {name: index[name].bytes if name in index else _ROUGHLY[name] for name in case.modalities}
        names = in_screen_order(set(case.modalities))
        return CaseRef(case.case_id, case.clinical, names, sizes, f"synthetic; {case.note}")

    def _whole(self, case: SampleCase, wanted: Sequence[str]) -> Mapping[str, LocalFile] | None:
        """The files if all are there with the digests that the index gives."""
        index = _read_index(self._folder / case.case_id)
        if set(index) != set(case.modalities):
            return None
        return {name: index[name] for name in wanted} if all(_intact(index[name]) for name in wanted) else None


def sample_grid() -> tuple[tuple[int, int, int], Affine]:
    """Shape and affine of every sample image: axes L A S, the brain's middle near world (0, 0, 0)."""
    affine = np.diag([-SPACING_MM[0], SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = _MIDDLE_MM - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return SHAPE, affine


def _make(case: SampleCase, folder: Path, report: Report, cancelled: Cancelled) -> None:
    from core.imaging.phantom import head  # scipy is only needed where a head is made

    shape, affine = sample_grid()
    made = head(shape, affine, case.seed, case.lesions)
    images = {**made.images, "lesion_mask": Volume(made.lesion.data.astype(np.float32), affine)}
    make_folder(folder)
    index: dict[str, dict[str, object]] = {}
    total = sum(_ROUGHLY[name] for name in case.modalities)
    done = 0
    for name in case.modalities:
        report(Progress(f"making {name}", min(done, total), total))
        if cancelled():
            raise FetchCancelled("stopped while making a synthetic case", hint="choose the case again to go on")
        path = folder / f"{name}.nii.gz"
        dtype = "uint8" if name == "lesion_mask" else "int16"
        write_volume(images[name], path, dtype, _MARK, _STEPS[name])
        index[name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
        done += _ROUGHLY[name]
    with beside(folder / _INDEX) as part:
        part.write_text(json.dumps(index, indent=1))
    report(Progress("made", total, total))


def _read_index(folder: Path) -> dict[str, LocalFile]:
    """What the index says; empty when it is absent or broken."""
    try:
        entries = json.loads((folder / _INDEX).read_text())
        return {
            name: LocalFile(folder / f"{name}.nii.gz", int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in entries.items()
            if name in _STEPS
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _intact(file: LocalFile) -> bool:
    try:
        return file.path.stat().st_size == file.bytes and _digest(file.path) == file.sha256
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
