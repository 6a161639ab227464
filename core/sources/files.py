"""HubFilesSource: cases of a dataset on the Hub that holds NIfTI files in BIDS-like folders, grouped by `sub-*`.

One listing of the tree names everything; each file is fetched alone and must hash to what the tree says. Of clinical
tables it reads participants.tsv, when refreshed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.case import CaseRef, Clinical, check_case_id
from core.errors import CaseNotFound, HubCorrupt
from core.hub.attempt import Attempt
from core.hub.cache import Key
from core.hub.client import Hub, RemoteFile
from core.hub.fetch import Fetcher, Want
from core.hub.heads import file_head
from core.hub.ids import unique_id
from core.hub.part import Promise
from core.hub.ranges import Line, copy_range, copy_whole
from core.hub.turns import FRONT, Turn
from core.imaging.header import Header
from core.sources.dataset import HubDataset
from core.sources.headers import absent
from core.sources.naming import choose
from core.sources.participants import Participants, find_table
from core.sources.protocol import Cancelled, Fetched, Listing, LocalFile, Progress, Report, never, no_report

_SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]{1,60})(?=[/_.])")


def group(files: Sequence[RemoteFile]) -> dict[str, dict[str, RemoteFile]]:
    """Case id -> modality -> file, for all NIfTI files that belong to a `sub-*`; ids differ in more than their case."""
    by_path = {file.path: file for file in files if file.path.lower().endswith((".nii", ".nii.gz"))}
    by_case: dict[str, list[str]] = {}
    for path in by_path:
        subject = _SUBJECT.search(path)
        if subject:
            by_case.setdefault(subject[1], []).append(path)
    taken: set[str] = set()
    counts: dict[str, int] = {}
    chosen = {unique_id(name, taken, counts): choose(sorted(by_case[name])) for name in sorted(by_case)}
    return {
        case_id: {modality: by_path[path] for modality, path in images.items()}
        for case_id, images in sorted(chosen.items())
        if images
    }


class HubFilesSource(HubDataset):
    """One dataset at one commit; keeps the Source contract.

    Args:
        files: the commit's whole tree.
    """

    def __init__(self, hub: Hub, repo: str, commit: str, files: Sequence[RemoteFile], fetcher: Fetcher) -> None:
        super().__init__(hub, repo, commit, fetcher)
        self._cases: Mapping[str, Mapping[str, RemoteFile]] = group(files)
        self._participants = Participants(find_table(files), self._records / "participants.json")

    def listing(self, cancelled: Cancelled = never) -> Listing:
        """The cases; complete once the table of participants, if there is one, was read."""
        complete = self._participants.known() is not None
        return Listing(self.spec, self._commit, tuple(self.case(case_id) for case_id in self._cases), complete)

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """The listing with clinical values, at the cost of one small file at most.

        Raises:
            HubError, FetchCancelled.
        """
        self._participants.fetch(Line(self._hub, self._hub.policies.listing, cancelled))
        return self.listing()

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """One case; its clinical values only once they were read. Raises CaseNotFound."""
        images = self._images(case_id)
        clinical = (self._participants.known() or {}).get(case_id, Clinical())
        return CaseRef(case_id, clinical, tuple(images), {name: file.size or 0 for name, file in images.items()})

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
        images = self._images(case_id)
        names = tuple(dict.fromkeys(modalities))
        wants = {
            name: Want(Key(self._repo, self._commit, case_id, name), file.size, promise_of(file))
            for name, file in images.items()
            if name in names
        }
        line = Line(self._hub, self._hub.policies.transfer, cancelled)

        def pull(these: Sequence[str], attempt: Attempt) -> None:
            for name in these:
                pull_file(attempt.line(line), images[name], name, attempt)

        outcome = self._fetcher.get(
            wants,
            pull,
            lambda done, total, note: report(Progress(", ".join(wants), done, total, note)),
            cancelled,
            turn,
            self._hub.spare,
        )
        found = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in outcome.files.items() if k is not None}
        absent = tuple(name for name in names if name not in found)
        traffic = line.traffic
        return Fetched(case_id, found, absent, traffic.bytes, traffic.requests, not outcome.transferred)

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """What the image's header says: from the file if it is here, else from its first KB.

        Raises:
            CaseNotFound, ModalityAbsent, HubError, BadVolume, FetchCancelled.
        """
        file = self._images(case_id).get(modality)
        if file is None:
            raise absent(case_id, modality)
        here = self._header_here(case_id, modality)
        if here is not None:
            return here
        line = Line(self._hub, self._hub.policies.listing, cancelled)
        return self._headers.get(case_id, modality, lambda length: file_head(line, file, file.size or 0, length))

    def cached(self, case_id: str) -> frozenset[str]:
        """Modalities of the case that are on disk. Raises CaseNotFound."""
        self._images(case_id)
        return self._held(case_id)

    def _images(self, case_id: str) -> Mapping[str, RemoteFile]:
        check_case_id(case_id)
        if case_id not in self._cases:
            raise CaseNotFound(f"there is no case {case_id} in {self._repo}", hint="choose a case from the list")
        return self._cases[case_id]


def promise_of(file: RemoteFile) -> Promise:
    """What the tree says of the file's content."""
    return Promise(file.size, file.sha256, file.git_oid)


def pull_file(line: Line, file: RemoteFile, name: str, attempt: Attempt) -> None:
    """What is missing of one whole file, into its draft.

    Raises:
        HubError, FetchCancelled, DiskFull.
    """
    if not file.size:
        raise HubCorrupt(f"{file.path} is empty on the Hub", hint="report it to the dataset's owner")
    draft = attempt.resumed(name, 0, file.size) or attempt.open(name, 0, file.size)

    def sink(data: bytes) -> None:
        draft.write(data)
        attempt.reached(name, draft.bytes)

    if draft.bytes:
        copy_range(line, file, draft.bytes, file.size, sink)
    else:
        copy_whole(line, file, file.size, sink)
