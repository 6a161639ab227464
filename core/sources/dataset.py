"""HubDataset: what every source on the Hub has in common: one repository at one commit, its cache, and its pulse."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.case import MODALITIES
from core.hub.cache import Key
from core.hub.client import Hub
from core.hub.fetch import Fetcher
from core.hub.wire import Traffic
from core.imaging.nifti import Header, read_header
from core.sources.headers import Headers
from core.sources.protocol import never


class HubDataset:
    """The part of the Source contract that does not depend on how the images are stored."""

    synthetic = False

    def __init__(self, hub: Hub, repo: str, commit: str, fetcher: Fetcher) -> None:
        self._hub, self._repo, self._commit, self._fetcher = hub, repo, commit, fetcher
        self._newest: str | None = None
        self._follows = "main"
        self._note_newest: Callable[[str], None] = lambda commit: None
        self._records = fetcher.cache.root / "footers" / repo.replace("/", "--") / commit
        fetcher.cache.use_records(self, self._records)
        self._headers = Headers(self._records / "heads")

    @property
    def spec(self) -> str:
        """`hub:owner/name@<40 hex>`."""
        return f"hub:{self._repo}@{self._commit}"

    @property
    def title(self) -> str:
        """For the screen."""
        return f"{self._repo} on the Hub"

    def check(self) -> float | None:
        """Seconds the Hub took to say what the followed branch names now; one request.

        Raises:
            HubError, within 5 s.
        """
        begun = time.monotonic()
        self._newest = self._hub.commit_of(self._repo, self._follows, Traffic(), never)
        seconds = time.monotonic() - begun
        self._note_newest(self._newest)
        return seconds

    def newest(self) -> str | None:
        """The commit that the last `check` found, where it is another than this one; it is never switched to."""
        return self._newest if self._newest not in (None, self._commit) else None

    def follow(self, branch: str, note_newest: Callable[[str], None]) -> None:
        """What `check` asks for, "main" otherwise, and who is told of the commit that it names."""
        self._follows, self._note_newest = branch, note_newest

    def _held(self, case_id: str) -> frozenset[str]:
        return self._fetcher.cache.held([Key(self._repo, self._commit, case_id, name) for name in MODALITIES])

    def _header_here(self, case_id: str, modality: str) -> Header | None:
        """The header of an image that is on disk. Raises BadVolume."""
        here = self._fetcher.cache.find(Key(self._repo, self._commit, case_id, modality))
        return read_header(here.path) if here is not None else None
