"""Exploring: which images of a case to show, what they cost, and getting them.

Decides defaults and costs from a CaseRef, and fetches through a Source. Does not draw and does not decode voxels.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.case import MODALITIES, SESSION_LABELS, TRUTH, CaseRef
from core.errors import DiskFull
from core.imaging.nifti import Header, read_header
from core.sources.protocol import Cancelled, Fetched, Listing, LocalFile, Report, Source, never, no_report
from core.workflows.guarded import Visit
from core.workflows.guarded import costs_network as costs_network
from core.workflows.guarded import fetch as fetch_guarded

PAIRS: dict[str, str] = {"dwi": "adc", "adc": "dwi", "ncct": "tmax", "tmax": "ncct", "cbf": "tmax", "cta": "ncct"}
FIRST: tuple[str, ...] = ("dwi", "adc", "flair", "ncct", "tmax", "cbf", "cta", "cbv", "mtt")
GOOD_EXAMPLES: tuple[str, ...] = ("sub-stroke0014", "sample-01")


@dataclass(frozen=True)
class Shown:
    """What one screen of a case needs: one or two images of one session, and the name of the mask over them, if any."""

    images: tuple[str, ...]
    truth: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Everything to fetch."""
        return self.images + ((self.truth,) if self.truth else ())


def images_of(case: CaseRef) -> tuple[str, ...]:
    """Images (not masks) that exist; every image modality while nobody has looked yet."""
    names = case.modalities if case.modalities is not None else FIRST
    return tuple(n for n in names if n in MODALITIES and not MODALITIES[n].is_mask)


def partners(case: CaseRef, name: str) -> tuple[str, ...]:
    """Images that may stand beside `name`: of the same session only, its usual partner first."""
    same = [n for n in images_of(case) if n != name and MODALITIES[n].session == MODALITIES[name].session]
    usual = PAIRS.get(name)
    return tuple(sorted(same, key=lambda n: n != usual))


def choose(case: CaseRef, wanted: Sequence[str], acute_truth: bool = False) -> Shown:
    """What to show: what was wanted as far as it exists and is of one session, otherwise a good default.

    The truth comes from the follow-up MRI; over acute CT it is shown only where `acute_truth` asks for it.
    """
    there = images_of(case)
    images = [n for n in dict.fromkeys(wanted) if n in there][:2]
    if not images:
        first = next((n for n in FIRST if n in there), there[0] if there else None)
        if first is None:
            return Shown((), None)
        usual = PAIRS.get(first)
        images = [first, usual] if usual in there and usual is not None else [first]
    if len(images) == 2 and MODALITIES[images[0]].session != MODALITIES[images[1]].session:
        images = images[:1]
    has_truth = case.modalities is None or TRUTH in case.modalities
    same = MODALITIES[images[0]].session == MODALITIES[TRUTH].session
    return Shown(tuple(images), TRUTH if has_truth and (same or acute_truth) else None)


def session_label(spec: str, name: str, path: Path | None = None) -> str:
    """When an image was taken, as far as the source says.

    Acute and follow-up are known of ISLES'24 (and of the sample cohort, made like it); of other data only what the
    file's own name says.
    """
    if is_isles24(spec, path):
        return SESSION_LABELS[MODALITIES[name].session]
    named = re.search(r"ses-[A-Za-z0-9]+", path.name) if path is not None and spec.startswith("local:") else None
    return named[0] if named else "session not stated"


def is_isles24(spec: str, path: Path | None = None) -> bool:
    """Whether the sessions are those of ISLES'24: ses-01 the acute CT, ses-02 the follow-up MRI."""
    return spec == "sample" or "isles24" in spec.lower() or (path is not None and "space-ncct" in path.name)


def cost_bytes(case: CaseRef, names: Sequence[str], cached: frozenset[str]) -> int | None:
    """Bytes that showing these modalities will fetch; None when a size is not known yet."""
    missing = [n for n in names if n not in cached]
    if any(n not in case.sizes for n in missing):
        return None
    return sum(case.sizes[n] for n in missing)


def good_example(listing: Listing) -> str | None:
    """A case worth showing first: a known good one, else the first with DWI, ADC and truth, else the first."""
    ids = [c.case_id for c in listing.cases]
    for known in GOOD_EXAMPLES:
        if known in ids:
            return known
    full = [c.case_id for c in listing.cases if c.modalities and {"dwi", "adc", TRUTH} <= set(c.modalities)]
    return next(iter(full or ids), None)


def neighbour(ids: Sequence[str], case_id: str, step: int) -> str:
    """The id `step` rows away, staying inside the list; the first row when the case is not in it."""
    if case_id not in ids:
        return ids[0]
    return ids[min(max(ids.index(case_id) + step, 0), len(ids) - 1)]


def fetch_case(
    source: Source,
    case_id: str,
    modalities: Sequence[str] | None = None,
    out: Path | None = None,
    report: Report = no_report,
    cancelled: Cancelled = never,
    visit: Visit | None = None,
) -> tuple[Fetched, dict[str, Header]]:
    """Fetch modalities (default: all that are not 4D), copy them to `out` if given, and read their headers.

    Args:
        visit: the door to go through; None for none.

    Raises:
        OverBudget: the door refused.
        CaseNotFound, HubError, BadVolume, DiskFull, FetchCancelled: as the source does.
    """
    known: CaseRef | None = None
    if modalities is None:
        known = source.case(case_id, cancelled)
        modalities = [n for n in known.modalities or () if n in MODALITIES and not MODALITIES[n].is_4d]
    names = list(dict.fromkeys(modalities))
    fetched = fetch_guarded(visit, source, case_id, names, report, cancelled, known=known)
    if out is not None:
        files = {n: _copy(f, out / f"{case_id}_{n}{_suffix(f.path)}") for n, f in fetched.files.items()}
        fetched = Fetched(
            fetched.case_id, files, fetched.absent, fetched.bytes_fetched, fetched.requests, fetched.from_cache
        )
    return fetched, {n: read_header(f.path) for n, f in fetched.files.items()}


def _suffix(path: Path) -> str:
    return ".nii.gz" if path.name.endswith(".gz") else ".nii"


def _copy(file: LocalFile, target: Path) -> LocalFile:
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, beside)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise DiskFull(
            f"cannot write into {target.parent}: {error.strerror}", hint="choose a folder with room that you may write"
        ) from error
    return LocalFile(target, file.bytes, file.sha256)
