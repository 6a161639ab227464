"""ParquetSource: cases of a Parquet dataset on the Hub, such as ISLES'24.

Listing costs no request on the pinned revision; a case costs its shard's footer once and then exactly the columns asked
for. Translates the dataset's column names to ours. The transfers themselves are core.hub's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.case import MODALITIES, CaseRef, Clinical, check_case_id, in_screen_order
from core.errors import HubCorrupt
from core.hub.cache import Key
from core.hub.catalog import Catalog, Entry
from core.hub.client import Hub, RemoteFile
from core.hub.fetch import Advance, Fetcher, OpenDraft, Want
from core.hub.footer import Image, Scalar
from core.hub.images import pull_images
from core.hub.policy import Policy
from core.hub.ranges import Line
from core.sources.dataset import HubDataset
from core.sources.naming import modality_of
from core.sources.protocol import (
    Cancelled,
    Fetched,
    Listing,
    LocalFile,
    Progress,
    Report,
    never,
    no_report,
)


class ParquetSource(HubDataset):
    """One dataset at one commit; keeps the Source contract."""

    def __init__(self, hub: Hub, repo: str, commit: str, catalog: Catalog, fetcher: Fetcher) -> None:
        super().__init__(hub, repo, commit, fetcher)
        self._catalog = catalog

    def listing(self) -> Listing:
        """The cases; without a bundled manifest this reads the footers that are not on disk yet.

        Raises:
            HubError.
        """
        if self._catalog.manifest is None and not self._catalog.complete():
            try:
                self._catalog.refresh(self._line(self._hub.policies.listing))
            except HubCorrupt:  # one bad shard does not hide the others; with none left there is nothing to list
                if not self._catalog.known():
                    raise
        return self._list()

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """The listing with clinical values, modalities and sizes.

        Raises:
            HubError, DiskFull, FetchCancelled. What was read until then is kept.
        """
        line = self._line(self._hub.policies.listing, cancelled)
        self._catalog.refresh(line, lambda done, total: report(Progress("clinical data", done, total)))
        return self._list()

    def case(self, case_id: str) -> CaseRef:
        """One case, at the cost of its shard's footer at most.

        Raises:
            CaseNotFound, HubError.
        """
        return case_of(self._catalog.entry(case_id, self._line(self._hub.policies.listing)))

    def fetch(
        self, case_id: str, modalities: Sequence[str], report: Report = no_report, cancelled: Cancelled = never
    ) -> Fetched:
        """The images as verified files.

        Raises:
            CaseNotFound, HubError, BadVolume, DiskFull, FetchCancelled.
        """
        check_case_id(case_id)
        names = [name for name in dict.fromkeys(modalities) if name in MODALITIES]
        keys = {name: Key(self._repo, self._commit, case_id, name) for name in names}
        hits = {name: self._fetcher.cache.find(key) for name, key in keys.items()}
        files = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in hits.items() if k is not None}
        if names and len(files) == len(dict.fromkeys(modalities)):
            return Fetched(case_id, files, absent=())
        line = self._line(self._hub.policies.transfer, cancelled)
        entry = self._catalog.entry(case_id, line)
        images = {name: image for name, image in images_of(entry).items() if image.present is not False}
        wants = {name: Want(keys[name], images[name].stop - images[name].start) for name in names if name in images}
        with self._fetcher.cache.lease([file.path for file in files.values()]):
            outcome = self._fetcher.get(
                wants,
                lambda these, open_draft, advance: self._pull(line, entry, these, open_draft, advance),
                lambda done, total: report(Progress(", ".join(wants), done, total)),
                cancelled,
            )
        found = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in outcome.files.items() if k is not None}
        absent = tuple(name for name in dict.fromkeys(modalities) if name not in found)
        traffic = line.traffic
        idle = not outcome.transferred and not traffic.requests
        return Fetched(case_id, found, absent, traffic.bytes, traffic.requests, from_cache=idle)

    def cached(self, case_id: str) -> frozenset[str]:
        """Modalities of the case that are on disk. Raises CaseNotFound where the list of cases is known."""
        self._catalog.check_listed(case_id)
        return self._held(case_id)

    def _pull(self, line: Line, entry: Entry, names: Sequence[str], open_draft: OpenDraft, advance: Advance) -> None:
        file = RemoteFile(self._repo, self._commit, entry.shard.path, entry.shard.size)
        images = images_of(entry)
        folder = self._fetcher.cache.root / "images"
        wanted = {name: images[name] for name in names}
        pull_images(line, file, entry.shard, entry.row, wanted, open_draft, advance, folder)

    def _line(self, policy: Policy, cancelled: Cancelled = never) -> Line:
        return Line(self._hub, policy, cancelled)

    def _list(self) -> Listing:
        known = {entry.case_id: case_of(entry) for entry in self._catalog.known()}
        ids = known.keys() if self._catalog.manifest is None else self._catalog.manifest.keys()
        cases = tuple(known.get(case_id) or CaseRef(case_id) for case_id in sorted(ids))
        return Listing(self.spec, self._commit, cases, complete=self._catalog.complete())


def images_of(entry: Entry) -> dict[str, Image]:
    """The row's images by our modality names; columns that are none of ours are left out."""
    found: dict[str, Image] = {}
    for column, image in entry.row.images.items():
        name = column.lower() if column.lower() in MODALITIES else modality_of(f"{column}.nii.gz")
        if name is not None:
            found.setdefault(name, image)
    return found


def case_of(entry: Entry) -> CaseRef:
    """What the screen shows of a case."""
    images = {name: image for name, image in images_of(entry).items() if image.present is not False}
    scalars = entry.row.scalars
    clinical = Clinical(
        age=_number(scalars.get("age")),
        sex=_sex(scalars.get("sex")),
        nihss_admission=_number(scalars.get("nihss_admission")),
        mrs_admission=_number(scalars.get("mrs_admission")),
        mrs_3month=_number(scalars.get("mrs_3month")),
    )
    sizes = {name: image.stop - image.start for name, image in images.items()}
    return CaseRef(entry.case_id, clinical, in_screen_order(frozenset(images)), sizes)


def _number(value: Scalar) -> float | None:
    """A finite number, also from text; anything else is unknown."""
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _sex(value: Scalar) -> str | None:
    """ "F" or "M" from the words datasets use; numbers are codes whose meaning is unknown."""
    words = {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M"}
    return words.get(value.strip().lower()) if isinstance(value, str) else None
