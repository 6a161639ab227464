"""Hub: the source for a dataset on the Hub, whatever its layout.

The pinned revision of ISLES'24 is known beforehand; for any other the revision is resolved once, the tree listed once,
and both are kept on disk: from then on a source stands on them without a request, also where the branch has moved on.
`check` sees that, `newest` offers it, and once somebody has opened the offered commit the branch's name stands for it.
Building a source makes no request: the first question that needs an answer does.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence

from core.case import CaseRef, check_case_id
from core.errors import BadSource
from core.hub.cache import Cache
from core.hub.catalog import Catalog, bundled_manifest
from core.hub.client import Hub, RemoteFile, check_repo, check_revision, is_commit
from core.hub.fetch import Fetcher
from core.hub.hubs import Hubs, hub_for
from core.hub.policy import POLL_S, Policies, stop_if
from core.hub.turns import FRONT, Turn
from core.hub.wire import Traffic
from core.imaging.header import Header
from core.imaging.nifti import promised_bytes, read_header
from core.settings import PINNED_REPO, PINNED_REVISION, Settings
from core.sources.files import HubFilesSource, group
from core.sources.parquet import ParquetSource
from core.sources.protocol import Cancelled, Fetched, Listing, Report, Source, never, no_report
from core.sources.records import Records


def make_fetcher(cache: Cache) -> Fetcher:
    """What fetches into the cache; best one for all sources of a process, which then share its places."""
    return Fetcher(cache, read_header, promised_bytes)  # every byte is decoded once, while it comes


def open_hub(
    repo: str,
    revision: str | None,
    settings: Settings,
    cache: Cache,
    policies: Policies | None = None,
    fetcher: Fetcher | None = None,
    hubs: Hubs | None = None,
) -> Source:
    """The source of a dataset. Makes no request.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; None for the pinned revision of ISLES'24, "main" of any other.
        policies: deadlines of a client of its own; a shared one has its own.
        fetcher: shared with other sources; None for one of its own.
        hubs: clients shared with other sources; None for one of its own.

    Raises:
        BadSource: not a dataset's name or revision. BadSettings: HF_ENDPOINT is no address.
    """
    check_repo(repo)
    hub = hubs.of(settings) if hubs else hub_for(settings, policies)
    fetcher = fetcher or make_fetcher(cache)
    records = Records(settings.cache_dir / "footers" / repo.replace("/", "--"))
    if repo == PINNED_REPO and revision in (None, PINNED_REVISION):
        catalog = Catalog(hub, repo, PINNED_REVISION, records.commit(PINNED_REVISION), bundled_manifest())
        return ParquetSource(hub, repo, PINNED_REVISION, catalog, fetcher)
    return LazyHubSource(hub, repo, check_revision(revision or "main"), records, fetcher)


class LazyHubSource:
    """A dataset whose commit and layout are learned at the first question; keeps the Source contract.

    Until then `spec` holds the revision as it was asked for, afterwards the commit. What an earlier run has learned is
    on disk and is used without a request.
    """

    synthetic = False

    def __init__(self, hub: Hub, repo: str, revision: str, records: Records, fetcher: Fetcher) -> None:
        self._hub, self._repo, self._revision = hub, repo, revision
        self._records, self._fetcher = records, fetcher
        self._lock = threading.Lock()
        self._settled: ParquetSource | HubFilesSource | None = None

    @property
    def spec(self) -> str:
        """`hub:owner/name@<40 hex>`, or with the revision's name while its commit is unknown."""
        return self._settled.spec if self._settled else f"hub:{self._repo}@{self._revision}"

    @property
    def title(self) -> str:
        """For the screen."""
        return f"{self._repo} on the Hub"

    def listing(self, cancelled: Cancelled = never) -> Listing:
        """As the layout's source; learns the layout first. Raises HubError, BadSource, FetchCancelled."""
        return self._settle(cancelled).listing(cancelled)

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """As the layout's source."""
        return self._settle(cancelled).refresh(report, cancelled)

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """As the layout's source."""
        return self._settle(cancelled).case(case_id, cancelled)

    def fetch(
        self,
        case_id: str,
        modalities: Sequence[str],
        report: Report = no_report,
        cancelled: Cancelled = never,
        turn: Turn = FRONT,
    ) -> Fetched:
        """As the layout's source; its requests count without those that learn the layout."""
        return self._settle(cancelled).fetch(case_id, modalities, report, cancelled, turn)

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """As the layout's source; learns the layout first."""
        return self._settle(cancelled).header(case_id, modality, cancelled)

    def cached(self, case_id: str) -> frozenset[str]:
        """As the layout's source; nothing while the layout is unknown."""
        check_case_id(case_id)
        if not self._settled and self._remembered() is not None:
            self._settle()
        return self._settled.cached(case_id) if self._settled else frozenset()

    def check(self) -> float | None:
        """Seconds the Hub took to say what the branch names now. Raises HubError, within 5 s."""
        if self._settled or self._remembered() is not None:
            return self._settle().check()
        begun = time.monotonic()
        self._hub.commit_of(self._repo, self._revision, Traffic(), never)
        return time.monotonic() - begun

    def newest(self) -> str | None:
        """As the layout's source."""
        return self._settled.newest() if self._settled else None

    def _settle(self, cancelled: Cancelled = never) -> ParquetSource | HubFilesSource:
        while not self._lock.acquire(timeout=POLL_S):
            stop_if(cancelled)
        try:
            if self._settled is None:
                commit, files = self._remembered() or self._asked(cancelled)
                settled = self._layout(commit, files)
                if is_commit(self._revision):
                    self._records.accept(commit)
                else:
                    settled.follow(self._revision, functools.partial(self._records.note_newest, self._revision))
                self._settled = settled
            return self._settled
        finally:
            self._lock.release()

    def _remembered(self) -> tuple[str, Sequence[RemoteFile]] | None:
        """The commit in use and its files, if both are on disk."""
        commit = self._revision if is_commit(self._revision) else self._records.last_commit(self._revision)
        files = self._records.tree(self._repo, commit) if commit is not None else None
        return None if commit is None or files is None else (commit, files)

    def _asked(self, cancelled: Cancelled) -> tuple[str, Sequence[RemoteFile]]:
        """The commit and its files as the Hub says now, and from now on the records."""
        traffic, commit = Traffic(), self._revision
        if not is_commit(commit):
            commit = self._hub.commit_of(self._repo, commit, traffic, cancelled)
        files = self._records.tree(self._repo, commit)
        if files is None:
            files = self._hub.tree(self._repo, commit, traffic, cancelled)
            self._records.note_tree(commit, files)
        if not is_commit(self._revision):
            self._records.note_commit(self._revision, commit)
        return commit, files

    def _layout(self, commit: str, files: Sequence[RemoteFile]) -> ParquetSource | HubFilesSource:
        if any(file.path.endswith(".parquet") for file in files):
            catalog = Catalog(self._hub, self._repo, commit, self._records.commit(commit), files=files)
            return ParquetSource(self._hub, self._repo, commit, catalog, self._fetcher)
        if group(files):
            return HubFilesSource(self._hub, self._repo, commit, files, self._fetcher)
        raise BadSource(
            f"{self._repo} holds neither Parquet shards nor NIfTI files of sub-* cases", hint="choose another dataset"
        )
