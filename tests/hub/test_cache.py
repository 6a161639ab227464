"""The cache: nothing unproven, nothing outside, nothing in use removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.errors import BadSource, CaseNotFound, DiskFull
from core.hub.cache import Cache, Kept, Key
from core.hub.draft import Draft
from core.hub.shelf import draft_name, read_record, write_record
from tests.hubserver.shards import COMMIT, REPO, nifti


def key(case_id: str = "sub-01", modality: str = "dwi") -> Key:
    return Key(REPO, COMMIT, case_id, modality)


def put(cache: Cache, of: Key, seed: int = 1, used: float | None = None) -> Kept:
    draft = Draft(cache, of)
    draft.write(nifti(seed))
    kept = draft.finish(lambda path: None)
    if used is not None:
        os.utime(f"{kept.path}.json", (used, used))
    return kept


def test_entries_say_what_is_here(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept = put(cache, key())
    sample = tmp_path / "sample" / "v1" / "sample-01" / "adc.nii.gz"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(b"x" * 50)
    first, second = cache.entries()
    assert (first.source, first.case_id, first.modality) == (f"hub:{REPO}@{COMMIT}", "sub-01", "dwi")
    assert (second.source, second.case_id, second.modality, second.bytes) == ("sample", "sample-01", "adc", 50)
    assert cache.total_bytes() == kept.bytes + 50
    assert cache.clear() == kept.bytes + 50
    assert cache.entries() == ()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_empty_root_is_not_created(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none")
    assert (cache.entries(), cache.total_bytes(), cache.clear()) == ((), 0, 0)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("case_id", ["..", "a/b", "", "/etc", ".x", "a" * 200, "a\0b"])
def test_ids_that_lead_elsewhere_are_refused(case_id: str) -> None:
    with pytest.raises(CaseNotFound):
        key(case_id)


@pytest.mark.parametrize(
    ("repo", "commit", "modality"), [("x", COMMIT, "dwi"), (REPO, "main", "dwi"), (REPO, COMMIT, "../x")]
)
def test_keys_are_checked(repo: str, commit: str, modality: str) -> None:
    with pytest.raises(BadSource):
        Key(repo, commit, "sub-01", modality)


@pytest.mark.parametrize("harm", ["cut", "flip", "record", "no record"])
def test_what_was_damaged_since_is_not_given(tmp_path: Path, harm: str) -> None:
    kept = put(Cache(tmp_path), key())
    record = Path(f"{kept.path}.json")
    data = bytearray(kept.path.read_bytes())
    if harm == "cut":
        kept.path.write_bytes(data[:-1])
    elif harm == "flip":
        data[100] ^= 1
        kept.path.write_bytes(data)
    elif harm == "record":
        record.write_bytes(record.read_bytes().replace(b"bytes", b"bites"))
    else:
        record.unlink()
    assert Cache(tmp_path).find(key()) is None


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=20_000)
    now = time.time()
    old, new = put(cache, key("a"), used=now - 100), put(cache, key("b"), used=now - 200)
    assert cache.find(key("b")) == new  # a look counts as a use
    cache.make_room(20_000 - old.bytes)
    assert [entry.case_id for entry in cache.entries()] == ["b"]


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=20_000)
    kept, other = put(cache, key("a")), put(cache, key("b"))
    with cache.lease([kept.path]):
        assert cache.clear(keep=frozenset({other.path})) == 0
        with pytest.raises(DiskFull, match="do not fit"):
            cache.make_room(20_000)
        assert cache.find(key("a")) == kept
    assert cache.clear() == kept.bytes


def test_orphans_are_swept_and_living_drafts_are_not(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder = put(cache, key()).path.parent
    mine, dead, old = (folder / name for name in (draft_name("x"), ".part-99999999-1-x", draft_name("y")))
    for path in (mine, dead, old):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    Cache(tmp_path)
    assert (mine.exists(), dead.exists(), old.exists()) == (True, False, False)


def test_records_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "a" / "record.json"
    assert read_record(path) is None
    write_record(path, {"a": [1, "ü"]})
    assert read_record(path) == {"a": [1, "ü"]}
    path.write_bytes(path.read_bytes()[:-1])
    assert read_record(path) is None
