"""Records of commits are part of the cache: counted, cleared, and evicted last, but never under a source in use."""

from __future__ import annotations

import os
from pathlib import Path

from core.hub.cache import Cache
from core.hub.fetch import Fetcher
from core.imaging.nifti import read_header
from core.settings import PINNED_REPO, PINNED_REVISION
from core.sources.hub import open_hub
from tests.hub.conftest import PATIENT, settings_for, source_on
from tests.hub.test_cache import key, put
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO

OTHERS = ("1" * 40, "2" * 40)


def records(cache: Cache, commit: str, count: int, used: float) -> Path:
    """What stands for the records of a commit."""
    folder = cache.root / "footers" / "tester--strokes" / commit
    (folder / "heads").mkdir(parents=True)
    (folder / "tree.json").write_bytes(b"x" * count)
    (folder / "heads" / "a.json").write_bytes(b"x" * 10)
    os.utime(folder, (used, used))
    return folder


def test_they_are_counted_listed_and_cleared(server: HubServer, tmp_path: Path) -> None:
    source_on(server, tmp_path).refresh()
    cache = Cache(tmp_path)
    (entry,) = cache.records()
    lies = sum(path.stat().st_size for path in (tmp_path / "footers").rglob("*.json"))
    assert (entry.source, entry.modality, entry.is_records) == (f"records {REPO}@{COMMIT}", "list", True)
    assert entry.bytes == cache.total_bytes() == lies > 0
    assert cache.entries() == ()
    assert cache.clear(keep=frozenset({entry.path})) == 0
    assert cache.clear() == lies
    assert (cache.records(), cache.total_bytes(), entry.path.exists()) == ((), 0, False)
    assert len(source_on(server, tmp_path).refresh().cases) == 3  # read again, and kept again
    assert Cache(tmp_path).records()[0].bytes == lies


def test_they_go_after_images_the_oldest_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old, new = (records(cache, commit, 5000, used) for commit, used in zip(OTHERS, (100.0, 200.0), strict=True))
    image = put(cache, key())
    assert cache.evict(image.bytes) == image.bytes
    assert cache.evict(1) == 5010
    assert (old.exists(), new.exists()) == (False, True)


def test_one_in_use_stays_until_its_source_is_gone(server: HubServer, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fetcher = Fetcher(cache, read_header)
    source = open_hub(REPO, COMMIT, settings_for(server, tmp_path), cache, PATIENT, fetcher)
    source.refresh()
    other = records(cache, OTHERS[0], 5000, 4e9)  # used later than the one in use
    assert cache.evict(10**9) == 5010
    assert not other.exists()
    assert [entry.source for entry in cache.records()] == [f"records {REPO}@{COMMIT}"]
    del source
    assert cache.evict(10**9) > 0
    assert cache.records() == ()


def test_the_pinned_list_needs_no_records(tmp_path: Path) -> None:
    with HubServer() as server:
        settings = settings_for(server, tmp_path)
        records(Cache(tmp_path), OTHERS[0], 10, 1.0)
        Cache(tmp_path).clear()
        source = open_hub(PINNED_REPO, PINNED_REVISION, settings, Cache(tmp_path), PATIENT)
        assert len(source.listing().cases) == 149
