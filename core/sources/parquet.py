"""ParquetSource: cases of a Parquet dataset on the Hub, such as ISLES'24.

Listing costs no request on the pinned revision; a case costs its shard's footer once and then exactly the columns asked
for. Translates the dataset's column names to ours. The transfers themselves are core.hub's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.case import MODALITIES, CaseRef, Clinical, check_case_id, in_screen_order
from core.errors import HubError
from core.hub.attempt import Attempt
from core.hub.cache import Key
from core.hub.catalog import BAD_S, Catalog, Entry
from core.hub.client import Hub, RemoteFile
from core.hub.fetch import Fetcher, Want
from core.hub.footer import Image, Scalar
from core.hub.heads import image_head
from core.hub.images import pull_images
from core.hub.part import Promise
from core.hub.policy import Policy
from core.hub.ranges import Line
from core.hub.turns import FRONT, Turn
from core.imaging.header import Header
from core.sources.clinical_tables import merge
from core.sources.dataset import HubDataset
from core.sources.headers import absent
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
        self._quiet_until = 0.0  # monotonic; till then `listing` asks for no footer that an earlier one did not get

    def listing(self, cancelled: Cancelled = never) -> Listing:
        """The cases; without a bundled manifest this reads the footers that are not on disk yet.

        Where some of them cannot be read, the cases of the others, as an incomplete listing; `refresh` tells why.

        Raises:
            HubError: there is no case at all. FetchCancelled.
        """
        if self._catalog.manifest is None and not self._catalog.complete() and time.monotonic() >= self._quiet_until:
            try:
                self._catalog.refresh(self._line(self._hub.policies.listing, cancelled), again=False)
            except HubError:  # a shard out of reach does not hide the others; with none left there is nothing to list
                if not self._catalog.known():
                    raise
                self._quiet_until = time.monotonic() + BAD_S
        return self._list()

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """The listing with clinical values, modalities and sizes.

        Raises:
            HubError, DiskFull, FetchCancelled. What was read until then is kept.
        """
        line = self._line(self._hub.policies.listing, cancelled)
        self._catalog.refresh(line, lambda done, total: report(Progress("clinical data", done, total)))
        return self._list()

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """One case, at the cost of its shard's footer at most.

        Raises:
            CaseNotFound, HubError, FetchCancelled.
        """
        return case_of(self._catalog.entry(case_id, self._line(self._hub.policies.listing, cancelled)))

    def fetch(
        self,
        case_id: str,
        modalities: Sequence[str],
        report: Report = no_report,
        cancelled: Cancelled = never,
        turn: Turn = FRONT,
    ) -> Fetched:
        """The images as verified files.

        Raises:
            CaseNotFound, HubError, BadVolume, DiskFull, FetchCancelled.
        """
        check_case_id(case_id)
        names = [name for name in dict.fromkeys(modalities) if name in MODALITIES]
        keys = {name: Key(self._repo, self._commit, case_id, name) for name in names}
        places = self._places(case_id)
        hits = {name: self._fetcher.cache.find(key, places.get(name, "")) for name, key in keys.items()}
        files = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in hits.items() if k is not None}
        if names and len(files) == len(dict.fromkeys(modalities)):
            return Fetched(case_id, files, absent=())
        self._fetcher.welcome(turn, self._hub.spare)
        entry, line = self._looked_up(case_id, cancelled)
        wants = _wants(entry, keys)
        with self._fetcher.cache.lease([file.path for file in files.values()]):
            outcome = self._fetcher.get(
                wants,
                lambda these, attempt: self._pull(line, entry, these, attempt),
                lambda done, total, note: report(Progress(", ".join(wants), done, total, note)),
                cancelled,
                turn,
                self._hub.spare,
            )
        found = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in outcome.files.items() if k is not None}
        absent = tuple(name for name in dict.fromkeys(modalities) if name not in found)
        traffic = line.traffic
        idle = not outcome.transferred and not traffic.requests
        return Fetched(case_id, found, absent, traffic.bytes, traffic.requests, from_cache=idle)

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """What the image's header says: from the file if it is here, else from the first KB of its column.

        Raises:
            CaseNotFound, ModalityAbsent, BadVolume, FetchCancelled.
            HubNoHeader: the image is compressed by Parquet or packed with others, and large. Other HubErrors.
        """
        self._catalog.check_listed(case_id)
        if modality not in MODALITIES:
            raise absent(case_id, modality)
        here = self._header_here(case_id, modality)
        if here is not None:
            return here
        line = self._line(self._hub.policies.listing, cancelled)

        def ask(length: int) -> bytes | None:
            entry = self._catalog.entry(case_id, line)
            image = images_of(entry).get(modality)
            if image is None:
                return None
            return image_head(line, self._file(entry), entry.shard, entry.row, image, length)

        return self._headers.get(case_id, modality, ask)

    def cached(self, case_id: str) -> frozenset[str]:
        """Modalities of the case that are on disk. Raises CaseNotFound where the list of cases is known."""
        self._catalog.check_listed(case_id)
        return self._held(case_id)

    def _looked_up(self, case_id: str, cancelled: Cancelled) -> tuple[Entry, Line]:
        """The case, and the line for its images, whose patience is what its footer left: one for the whole case."""
        policies, begun = self._hub.policies, time.monotonic()
        line = self._line(policies.listing, cancelled)
        entry = self._catalog.entry(case_id, line)
        spent = min(time.monotonic() - begun, policies.listing.patience_s)  # footers that flow may take longer
        return entry, replace(line, policy=policies.transfer.after(spent))

    def _places(self, case_id: str) -> dict[str, str]:
        """Where the case's images lie, as far as it is known here; empty where the list gives each case its shard.

        Two rows of one id are told apart by a number, which may change while not all shards are known: then the name
        alone does not say whose image lies in the cache.
        """
        known = () if self._catalog.manifest is not None else self._catalog.known()
        entry = next((entry for entry in known if entry.case_id == case_id), None)
        if entry is None:
            return {}
        return {name: _place(entry.shard.path, image) for name, image in images_of(entry).items()}

    def _pull(self, line: Line, entry: Entry, names: Sequence[str], attempt: Attempt) -> None:
        file = self._file(entry)
        images = images_of(entry)
        wanted = {name: images[name] for name in names}
        pull_images(line, file, entry.shard, entry.row, wanted, attempt)

    def _file(self, entry: Entry) -> RemoteFile:
        return RemoteFile(self._repo, self._commit, entry.shard.path, entry.shard.size)

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


def _wants(entry: Entry, keys: Mapping[str, Key]) -> dict[str, Want]:
    """Those of the images that the row has, with their bytes on the wire and where they lie."""
    images = images_of(entry)
    there = {name: images[name] for name in keys if name in images and images[name].present is not False}
    path = entry.shard.path
    return {
        name: Want(keys[name], image.stop - image.start, Promise(place=_place(path, image)))
        for name, image in there.items()
    }


def _place(path: str, image: Image) -> str:
    return f"{path}:{image.start}-{image.stop}"


def case_of(entry: Entry) -> CaseRef:
    """What the screen shows of a case."""
    images = {name: image for name, image in images_of(entry).items() if image.present is not False}
    scalars = entry.row.scalars
    numbers = {name: scalars.get(name) for name in ("age", "nihss_admission", "mrs_admission", "mrs_3month")}
    clinical = merge(Clinical(sex=_sex(scalars.get("sex"))), numbers)
    sizes = {name: image.stop - image.start for name, image in images.items()}
    return CaseRef(entry.case_id, clinical, in_screen_order(frozenset(images)), sizes)


def _sex(value: Scalar) -> str | None:
    """ "F" or "M" from the words datasets use; numbers are codes whose meaning is unknown."""
    words = {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M"}
    return words.get(value.strip().lower()) if isinstance(value, str) else None
