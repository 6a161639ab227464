"""Which version is in use, in words."""

from __future__ import annotations

from core.settings import PINNED_REPO, PINNED_REVISION
from core.sources.sample import SampleSource
from core.ui.revision import followed, newer_spec, version_name

COMMIT, LATER = "a" * 40, "b" * 40


class Following(SampleSource):
    """A dataset at one commit of a branch that may have moved on."""

    spec = f"hub:owner/heads@{COMMIT}"
    title = "owner/heads on the Hub"

    def __init__(self, newest: str | None = None) -> None:
        self._newest = newest

    def newest(self) -> str | None:
        return self._newest


def test_a_branch_is_told_with_its_commit() -> None:
    assert version_name("hub:owner/heads", Following()) == "heads main @aaaaaaa"
    assert version_name("hub:owner/heads@v2/x", Following()) == "heads v2/x @aaaaaaa"
    assert version_name(f"hub:owner/heads@{COMMIT}", Following()) == "heads @aaaaaaa"


def test_the_pinned_dataset_follows_nothing_by_itself() -> None:
    assert followed(f"hub:{PINNED_REPO}") == ""
    assert followed(f"hub:{PINNED_REPO}@main") == "main"
    assert followed(f"hub:{PINNED_REPO}@{PINNED_REVISION}") == ""
    assert followed("sample") == ""


def test_the_newer_version_has_an_address_of_its_own() -> None:
    assert newer_spec(Following(LATER)) == f"hub:owner/heads@{LATER}"
    assert newer_spec(Following()) is None
