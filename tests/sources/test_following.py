"""Branches that move on: what is on disk opens at once, the newer commit is offered and never switched to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import FetchCancelled, HubError, HubOffline, HubTimeout
from core.hub.cache import Cache
from core.settings import PINNED_REPO, PINNED_REVISION
from core.sources.hub import open_hub
from core.sources.local import LocalSource
from core.sources.protocol import Source
from core.sources.sample import SampleSource
from tests.hub.conftest import IMPATIENT, PATIENT, settings_for, source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, case, isles24, shard

NEWER = "7" * 40


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as hub:
        serve(hub, COMMIT, 1)
        yield hub


def serve(hub: HubServer, commit: str, cases: int) -> None:
    """So many cases on main, which names this commit."""
    hub.add_dataset(REPO, commit, {f"{n}.parquet": shard([case(n)]) for n in range(1, cases + 1)})


def on(server: HubServer, folder: Path, revision: str | None = None) -> Source:
    return source_on(server, folder, revision=revision)


def names(source: Source) -> list[str]:
    return [c.case_id for c in source.listing().cases]


def test_a_known_branch_opens_without_a_request(server: HubServer, tmp_path: Path) -> None:
    on(server, tmp_path).listing()
    serve(server, NEWER, 2)
    server.reset_counts()
    again = on(server, tmp_path)
    assert names(again) == ["sub-stroke0001"]
    assert again.spec == f"hub:{REPO}@{COMMIT}"
    assert server.requests == 0


def test_a_newer_commit_is_offered_and_not_switched_to(server: HubServer, tmp_path: Path) -> None:
    source = on(server, tmp_path)
    source.listing()
    assert source.newest() is None
    source.check()
    assert source.newest() is None
    serve(server, NEWER, 2)
    server.reset_counts()
    assert source.check() is not None
    assert server.requests == 1
    assert source.newest() == NEWER
    assert (source.spec, names(source)) == (f"hub:{REPO}@{COMMIT}", ["sub-stroke0001"])
    assert on(server, tmp_path).listing().revision == COMMIT


def test_whoever_opens_the_offered_commit_has_it_from_then_on(server: HubServer, tmp_path: Path) -> None:
    source = on(server, tmp_path)
    source.listing()
    serve(server, NEWER, 2)
    source.check()
    assert names(on(server, tmp_path, NEWER)) == ["sub-stroke0001", "sub-stroke0002"]
    assert on(server, tmp_path).listing().revision == NEWER
    source.check()  # by somebody who still looks at the old one
    assert source.newest() == NEWER
    assert on(server, tmp_path).listing().revision == NEWER


def test_a_commit_that_was_not_offered_changes_nothing(server: HubServer, tmp_path: Path) -> None:
    on(server, tmp_path).listing()
    serve(server, NEWER, 2)
    on(server, tmp_path, NEWER).listing()
    assert on(server, tmp_path).listing().revision == COMMIT


def test_an_explicit_commit_follows_main(server: HubServer, tmp_path: Path) -> None:
    source = on(server, tmp_path, COMMIT)
    source.listing()
    serve(server, NEWER, 2)
    with pytest.raises(HubError):  # this server forgets old commits; the first question has settled it
        on(server, tmp_path / "other", COMMIT).listing()
    source.check()
    assert source.newest() == NEWER
    assert on(server, tmp_path, COMMIT).listing().revision == COMMIT


def test_the_pinned_revision_follows_main_and_stays(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.add_dataset(PINNED_REPO, NEWER, dict(isles24(2)))
        source = source_on(hub, tmp_path, PINNED_REPO, None)
        source.check()
        assert source.newest() == NEWER
        assert source.listing().revision == PINNED_REVISION
        assert source_on(hub, tmp_path, PINNED_REPO, None).spec.endswith(PINNED_REVISION)


@pytest.mark.parametrize("how", ["offline", "gone"])
def test_without_a_network_all_that_is_cached_works(server: HubServer, tmp_path: Path, how: str) -> None:
    on(server, tmp_path).fetch("sub-stroke0001", ["dwi"])
    server.faults.add(Fault("silent", times=None))
    server.reset_counts()
    settings = settings_for(server, tmp_path, HF_HUB_OFFLINE=how == "offline")
    source = open_hub(REPO, None, settings, Cache(tmp_path), IMPATIENT)
    assert source.cached("sub-stroke0001") == {"dwi"}
    assert names(source) == ["sub-stroke0001"]
    assert source.fetch("sub-stroke0001", ["dwi"]).from_cache
    assert server.requests == 0
    with pytest.raises(HubOffline if how == "offline" else HubTimeout) as caught:
        source.check()
    assert caught.value.hint
    assert source.newest() is None


def test_an_unknown_branch_is_not_guessed(server: HubServer, tmp_path: Path) -> None:
    server.faults.add(Fault("silent", times=None))
    source = source_on(server, tmp_path, revision=None, policies=IMPATIENT)
    assert source.cached("sub-stroke0001") == frozenset()
    for ask in (source.listing, source.check):
        with pytest.raises(HubTimeout):
            ask()
    assert source.newest() is None


def test_who_waits_for_another_ones_question_may_cancel(server: HubServer, tmp_path: Path) -> None:
    server.faults.add(Fault("silent", times=None))
    source = source_on(server, tmp_path, revision=None, policies=PATIENT)
    stop, asked = threading.Event(), threading.Event()

    def cancelled() -> bool:
        asked.set()
        return stop.is_set()

    def first() -> None:
        with pytest.raises(FetchCancelled):
            source.refresh(cancelled=cancelled)

    thread = threading.Thread(target=first)
    thread.start()
    assert asked.wait(30)
    with pytest.raises(FetchCancelled):
        source.refresh(cancelled=lambda: True)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_has_no_commits_has_no_newer_one(tmp_path: Path) -> None:
    assert SampleSource(tmp_path).newest() is None
    assert LocalSource(tmp_path).newest() is None
