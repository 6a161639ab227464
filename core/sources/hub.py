"""Hub: the source for a dataset on the Hub, whatever its layout.

The pinned revision of ISLES'24 is known beforehand; for any other the revision is resolved once, the tree listed once,
and both are kept on disk. Building a source makes no request: the first question that needs an answer does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

from core.case import CaseRef, check_case_id
from core.errors import BadSource, HubOffline, HubServerError, HubTimeout
from core.hub.cache import Cache
from core.hub.catalog import Catalog, bundled_manifest
from core.hub.client import Hub, RemoteFile, answer_time, check_repo, check_revision, is_commit
from core.hub.fetch import Fetcher
from core.hub.policy import Policies
from core.hub.shelf import read_record, write_record
from core.hub.wire import Traffic
from core.imaging.nifti import check_file
from core.settings import PINNED_REPO, PINNED_REVISION, Settings
from core.sources.files import HubFilesSource, group
from core.sources.parquet import ParquetSource
from core.sources.protocol import Cancelled, Fetched, Listing, Report, Source, never, no_report


def open_hub(
    repo: str, revision: str | None, settings: Settings, cache: Cache, policies: Policies | None = None
) -> Source:
    """The source of a dataset. Makes no request.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; None for the pinned revision of ISLES'24, "main" of any other.

    Raises:
        BadSource: not a dataset's name or revision. BadSettings: HF_ENDPOINT is no address.
    """
    check_repo(repo)
    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    hub = Hub(settings.hf_endpoint, token, settings.hf_hub_offline, policies)
    fetcher = Fetcher(cache, check_file)
    records = Records(settings.cache_dir / "footers" / repo.replace("/", "--"))
    if repo == PINNED_REPO and revision in (None, PINNED_REVISION):
        catalog = Catalog(hub, repo, PINNED_REVISION, records.commit(PINNED_REVISION), bundled_manifest())
        return ParquetSource(hub, repo, PINNED_REVISION, catalog, fetcher)
    return LazyHubSource(hub, repo, check_revision(revision or "main"), records, fetcher)


@dataclasses.dataclass(frozen=True)
class Records:
    """What is kept on disk about one dataset: the commit that a branch last named, and the trees of commits."""

    root: Path

    def commit(self, commit: str) -> Path:
        """Folder for the records of one commit."""
        return self.root / commit

    def last_commit(self, revision: str) -> str | None:
        """The commit that the revision named when it was last asked."""
        record = read_record(self._ref(revision))
        commit = record.get("commit") if isinstance(record, dict) else None
        return commit if isinstance(commit, str) and is_commit(commit) else None

    def note_commit(self, revision: str, commit: str) -> None:
        """Remember what the revision names now."""
        write_record(self._ref(revision), {"revision": revision, "commit": commit})

    def tree(self, repo: str, commit: str) -> tuple[RemoteFile, ...] | None:
        """The commit's files, if they were listed before."""
        record = read_record(self.commit(commit) / "tree.json")
        try:
            rows = record["files"] if isinstance(record, dict) else None
            return tuple(RemoteFile(repo, commit, *row) for row in rows) if rows is not None else None
        except (KeyError, TypeError):
            return None

    def note_tree(self, commit: str, files: Sequence[RemoteFile]) -> None:
        """Remember the commit's files."""
        rows = [[file.path, file.size, file.sha256, file.git_oid] for file in files]
        write_record(self.commit(commit) / "tree.json", {"files": rows})

    def _ref(self, revision: str) -> Path:
        return self.root / "refs" / f"{hashlib.sha256(revision.encode()).hexdigest()[:24]}.json"


class LazyHubSource:
    """A dataset whose commit and layout are learned at the first question; keeps the Source contract.

    Until then `spec` holds the revision as it was asked for, afterwards the commit.
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

    def listing(self) -> Listing:
        """As the layout's source; learns the layout first. Raises HubError, BadSource."""
        return self._settle().listing()

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """As the layout's source."""
        return self._settle(cancelled).refresh(report, cancelled)

    def case(self, case_id: str) -> CaseRef:
        """As the layout's source."""
        return self._settle().case(case_id)

    def fetch(
        self, case_id: str, modalities: Sequence[str], report: Report = no_report, cancelled: Cancelled = never
    ) -> Fetched:
        """As the layout's source; its requests count without those that learn the layout."""
        return self._settle(cancelled).fetch(case_id, modalities, report, cancelled)

    def cached(self, case_id: str) -> frozenset[str]:
        """As the layout's source; nothing while the layout is unknown."""
        check_case_id(case_id)
        if not self._settled and is_commit(self._revision) and self._records.tree(self._repo, self._revision):
            self._settle()
        return self._settled.cached(case_id) if self._settled else frozenset()

    def check(self) -> float | None:
        """Seconds the Hub took to answer. Raises HubError within 5 s."""
        if self._settled:
            return self._settled.check()
        return answer_time(self._hub, self._repo, self._revision)

    def _settle(self, cancelled: Cancelled = never) -> ParquetSource | HubFilesSource:
        with self._lock:
            if self._settled is None:
                traffic = Traffic()
                commit = self._commit(traffic, cancelled)
                files = self._records.tree(self._repo, commit)
                if files is None:
                    files = self._hub.tree(self._repo, commit, traffic, cancelled)
                    self._records.note_tree(commit, files)
                self._settled = self._layout(commit, files)
            return self._settled

    def _commit(self, traffic: Traffic, cancelled: Cancelled) -> str:
        if is_commit(self._revision):
            return self._revision
        try:
            commit = self._hub.commit_of(self._repo, self._revision, traffic, cancelled)
        except (HubOffline, HubTimeout, HubServerError):
            last = self._records.last_commit(self._revision)
            if last is None:
                raise
            return last
        self._records.note_commit(self._revision, commit)
        return commit

    def _layout(self, commit: str, files: Sequence[RemoteFile]) -> ParquetSource | HubFilesSource:
        if any(file.path.endswith(".parquet") for file in files):
            catalog = Catalog(self._hub, self._repo, commit, self._records.commit(commit), files=files)
            return ParquetSource(self._hub, self._repo, commit, catalog, self._fetcher)
        if group(files):
            return HubFilesSource(self._hub, self._repo, commit, files, self._fetcher)
        raise BadSource(
            f"{self._repo} holds neither Parquet shards nor NIfTI files of sub-* cases", hint="choose another dataset"
        )
