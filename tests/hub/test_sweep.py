"""The sweep: what is nobody's goes, what may be somebody's stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.hub.cache import Cache
from core.hub.locks import trying
from core.hub.shelf import KEEP_BYTES, draft_name, write_record
from core.hub.sweep import ORPHAN_S, PART_S, sweep
from tests.hub.test_cache import key, part, put

LATER = ORPHAN_S + 60.0


def test_scratch_of_the_dead_goes_and_that_of_the_living_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder = put(cache, key()).path.parent
    footers = tmp_path / "footers" / "a--b"
    footers.mkdir(parents=True)
    mine, old = folder / draft_name("x"), folder / draft_name("y")
    dead, record = folder / ".part-99999999-1-x", footers / ".part-99999999-2-tree.json"
    for path in (mine, old, dead, record):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    Cache(tmp_path)
    assert [path.exists() for path in (mine, old, dead, record)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("count", "age_s", "held", "stays"),
    [
        (KEEP_BYTES, 0.0, False, True),
        (KEEP_BYTES, PART_S + 60, False, False),
        (KEEP_BYTES, PART_S + 60, True, True),
        (KEEP_BYTES - 1, 0.0, False, False),
        (KEEP_BYTES - 1, 0.0, True, True),
    ],
)
def test_unfinished_images(tmp_path: Path, count: int, age_s: float, held: bool, stays: bool) -> None:
    cache = Cache(tmp_path)
    path = part(cache, key(), count, time.time() - age_s)
    if held:
        with trying(tmp_path / key().lock) as mine:
            assert mine
            assert cache.clear() == cache.evict(1) == 0
            Cache(tmp_path)
    else:
        Cache(tmp_path)
    assert path.exists() is Path(f"{path}.json").exists() is stays


def test_the_record_of_an_unfinished_image_that_is_gone(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = part(cache, key(), KEEP_BYTES)
    path.unlink()
    Cache(tmp_path)
    assert not Path(f"{path}.json").exists()


@pytest.mark.parametrize("half", ["image", "record", "broken record"])
def test_halves_go_after_an_hour(tmp_path: Path, half: str) -> None:
    kept = put(Cache(tmp_path), key())
    record = Path(f"{kept.path}.json")
    if half == "image":
        record.unlink()
    elif half == "record":
        kept.path.unlink()
    else:
        record.write_bytes(b"{}")
    left = [path for path in (kept.path, record) if path.exists()]
    for path in left:
        os.utime(path, (1, 1))  # old by its content, but just renamed
    assert sweep(tmp_path, time.time()) == 0
    assert all(path.exists() for path in left)
    assert sweep(tmp_path, time.time() + LATER) > 0
    assert not kept.path.exists()
    sweep(tmp_path, time.time() + LATER)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_whole_images_records_and_strange_files_stay(tmp_path: Path) -> None:
    kept = put(Cache(tmp_path), key())
    strange = kept.path.with_name("notes.txt")
    strange.write_text("not ours")
    write_record(tmp_path / "footers" / "a--b" / "tree.json", {"files": []})
    before = sorted(tmp_path.rglob("*"))
    assert sweep(tmp_path, time.time() + 100 * PART_S) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_left_empty_lock_files_and_files_beside(tmp_path: Path) -> None:
    Cache(tmp_path)
    (tmp_path / key().folder).mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    (tmp_path / key().lock).write_bytes(b"")
    (tmp_path / "sample" / "1" / "sample-01").mkdir(parents=True)
    (tmp_path / "sample" / "1" / "sample-01" / ".0123.part").write_bytes(b"x")
    sweep(tmp_path, time.time())
    assert (tmp_path / key().folder).exists()
    assert list((tmp_path / "locks").iterdir()) == []
    assert sweep(tmp_path, time.time() + LATER) == 1
    assert sweep(tmp_path, time.time() + LATER) == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file() or len(path.parts) > len(tmp_path.parts) + 1] == []


def test_a_lock_that_is_held_stays(tmp_path: Path) -> None:
    lock = tmp_path / key().lock
    with trying(lock) as mine:
        assert mine
        Cache(tmp_path)
        assert lock.exists()
        with trying(lock) as other:
            assert not other
