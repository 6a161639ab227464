"""HubDataset: what every source on the Hub has in common: one repository at one commit, its cache, and its pulse."""

from __future__ import annotations

from core.case import MODALITIES
from core.hub.cache import Key
from core.hub.client import Hub, answer_time
from core.hub.fetch import Fetcher


class HubDataset:
    """The part of the Source contract that does not depend on how the images are stored."""

    synthetic = False

    def __init__(self, hub: Hub, repo: str, commit: str, fetcher: Fetcher) -> None:
        self._hub, self._repo, self._commit, self._fetcher = hub, repo, commit, fetcher

    @property
    def spec(self) -> str:
        """`hub:owner/name@<40 hex>`."""
        return f"hub:{self._repo}@{self._commit}"

    @property
    def title(self) -> str:
        """For the screen."""
        return f"{self._repo} on the Hub"

    def check(self) -> float | None:
        """Seconds the Hub took to answer.

        Raises:
            HubError, within 5 s.
        """
        return answer_time(self._hub, self._repo, self._commit)

    def _held(self, case_id: str) -> frozenset[str]:
        return self._fetcher.cache.held([Key(self._repo, self._commit, case_id, name) for name in MODALITIES])
