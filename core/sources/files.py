"""HubFilesSource: cases of a dataset on the Hub that holds NIfTI files in BIDS-like folders, grouped by `sub-*`.

One listing of the tree names everything; each file is fetched alone and must hash to what the tree says. Reads no
clinical tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.case import CaseRef, check_case_id
from core.errors import CaseNotFound, HubCorrupt
from core.hub.cache import Key
from core.hub.client import Hub, RemoteFile
from core.hub.draft import Promise
from core.hub.fetch import Advance, Fetcher, OpenDraft, Want
from core.hub.ranges import Line, copy_whole
from core.sources.dataset import HubDataset
from core.sources.naming import choose
from core.sources.protocol import Cancelled, Fetched, Listing, LocalFile, Progress, Report, never, no_report

_SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]{1,60})(?=[/_.])")


def group(files: Sequence[RemoteFile]) -> dict[str, dict[str, RemoteFile]]:
    """Case id -> modality -> file, for all NIfTI files that belong to a `sub-*`."""
    by_path = {file.path: file for file in files if file.path.lower().endswith((".nii", ".nii.gz"))}
    by_case: dict[str, list[str]] = {}
    for path in by_path:
        subject = _SUBJECT.search(path)
        if subject:
            by_case.setdefault(subject[1], []).append(path)
    chosen = {case_id: choose(sorted(paths)) for case_id, paths in by_case.items()}
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

    def listing(self) -> Listing:
        """The cases; all that can be known is known."""
        return Listing(self.spec, self._commit, tuple(self.case(case_id) for case_id in self._cases), complete=True)

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """The listing: a commit's tree never changes."""
        return self.listing()

    def case(self, case_id: str) -> CaseRef:
        """One case. Raises CaseNotFound."""
        images = self._images(case_id)
        return CaseRef(case_id, modalities=tuple(images), sizes={name: f.size or 0 for name, f in images.items()})

    def fetch(
        self, case_id: str, modalities: Sequence[str], report: Report = no_report, cancelled: Cancelled = never
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

        def pull(these: Sequence[str], open_draft: OpenDraft, advance: Advance) -> None:
            for name in these:
                pull_file(line, images[name], name, open_draft, advance)

        outcome = self._fetcher.get(
            wants, pull, lambda done, total: report(Progress(", ".join(wants), done, total)), cancelled
        )
        found = {name: LocalFile(k.path, k.bytes, k.sha256) for name, k in outcome.files.items() if k is not None}
        absent = tuple(name for name in names if name not in found)
        traffic = line.traffic
        return Fetched(case_id, found, absent, traffic.bytes, traffic.requests, not outcome.transferred)

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


def pull_file(line: Line, file: RemoteFile, name: str, open_draft: OpenDraft, advance: Advance) -> None:
    """One whole file into a draft.

    Raises:
        HubError, FetchCancelled, DiskFull.
    """
    if not file.size:
        raise HubCorrupt(f"{file.path} is empty on the Hub", hint="report it to the dataset's owner")
    draft = open_draft(name)

    def sink(data: bytes) -> None:
        draft.write(data)
        advance(len(data))

    copy_whole(line, file, file.size, sink)
