"""The cache: nothing unproven, nothing outside, nothing in use removed."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from core.errors import BadSettings, BadSource, CaseNotFound, DiskFull
from core.hub.cache import Cache, Kept, Key
from core.hub.entries import files, size_and_time
from core.hub.locks import lock
from core.hub.shelf import disk_error, draft_name, keep_record, read_record, write_record
from tests.hubserver.shards import COMMIT, REPO, nifti

HOUR = 3600.0


def key(case_id: str = "sub-01", modality: str = "dwi") -> Key:
    return Key(REPO, COMMIT, case_id, modality)


def put(cache: Cache, of: Key, seed: int = 1, used: float | None = None) -> Kept:
    data, draft = nifti(seed), cache.root / of.folder / draft_name("x")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(data)
    kept = cache.keep(of, draft, ".nii.gz", hashlib.sha256(data).hexdigest())
    if used is not None:
        os.utime(f"{kept.path}.json", (used, used))
    return kept


def part(cache: Cache, of: Key, count: int, changed: float | None = None) -> Path:
    path = cache.root / of.part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * count)
    write_record(Path(f"{path}.json"), {"first": 0})
    if changed is not None:
        os.utime(path, (changed, changed))
    return path


class Shelf:
    """Room on a disk of `limit` bytes that holds nothing but images and unfinished ones."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit

    def __call__(self) -> int:
        found = [path for path in files(self.root / "images") if path.suffix != ".json"]
        return self.limit - sum(size_and_time(path)[0] for path in found)


def limited(root: Path, limit: int) -> Cache:
    return Cache(root, Shelf(root, limit))


def cases(cache: Cache) -> list[str]:
    return [entry.case_id for entry in cache.entries()]


def test_entries_say_what_is_here(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept = put(cache, key())
    for name in ("sample/v1/sample-01/adc.nii.gz", "derived/0123/t00007.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x" * 50)
    unfinished = part(cache, key(modality="adc"), 70)
    made, first, second = cache.entries()
    assert (made.source, made.case_id, made.modality, made.bytes) == ("derived", "0123", "t00007", 50)
    assert (first.source, first.case_id, first.modality) == (f"hub:{REPO}@{COMMIT}", "sub-01", "dwi")
    assert (second.source, second.case_id, second.modality, second.bytes) == ("sample", "sample-01", "adc", 50)
    assert [(e.modality, e.bytes, e.path, e.unfinished) for e in cache.unfinished()] == [("adc", 70, unfinished, True)]
    assert cache.total_bytes() == kept.bytes + 170
    assert cache.clear() == kept.bytes + 170
    assert (cache.entries(), cache.unfinished()) == ((), ())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_empty_root_is_not_created(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none")
    assert (cache.entries(), cache.unfinished(), cache.total_bytes(), cache.clear()) == ((), (), 0, 0)
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


@pytest.mark.parametrize("harm", ["cut", "flip", "record", "no record", "image"])
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
    elif harm == "image":
        kept.path.unlink()
    else:
        record.unlink()
    cache = Cache(tmp_path)
    assert cache.find(key()) is None
    assert put(cache, key()) == kept == cache.find(key())


def test_a_file_that_changes_while_we_run_is_read_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept = put(cache, key())
    assert cache.find(key()) == kept
    stat, data = kept.path.stat(), bytearray(kept.path.read_bytes())
    data[100] ^= 1
    other = kept.path.with_name("other")
    other.write_bytes(data)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(kept.path)  # same size, same time
    assert cache.find(key()) is None
    assert not kept.path.exists()


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = limited(tmp_path, 20_000)
    now = time.time()
    old, new = put(cache, key("a"), used=now - 100), put(cache, key("b"), used=now - 200)
    assert cache.find(key("b")) == new  # a look counts as a use
    cache.make_room(20_000 - old.bytes)
    assert cases(cache) == ["b"]


def test_unfinished_images_go_before_whole_ones(tmp_path: Path) -> None:
    cache = limited(tmp_path, 20_000)
    put(cache, key("a"), used=1)
    left = part(cache, key("b"), 5000)
    cache.make_room(20_000 - cache.total_bytes() + 4000)
    assert not left.exists() and not Path(f"{left}.json").exists()
    assert cases(cache) == ["a"]


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    cache = limited(tmp_path, 20_000)
    kept, other = put(cache, key("a")), put(cache, key("b"))
    with cache.lease([kept.path, tmp_path / "nothing"]) as held:
        assert held == {kept.path}
        assert cache.clear(keep=frozenset({other.path})) == 0
        with pytest.raises(DiskFull, match="the rest of the cache is in use"):
            cache.make_room(20_000)
        assert cases(cache) == ["a", "b"]  # nothing went in vain
        assert cache.find(key("a")) == kept
    assert cache.clear() == kept.bytes + other.bytes


def test_what_can_never_fit_is_said_with_numbers_and_costs_nothing(tmp_path: Path) -> None:
    cache = limited(tmp_path, 57_000_000)
    put(cache, key("a"))
    with pytest.raises(DiskFull, match=r"needs 190\.0 MB, and the cache may hold 57\.0 MB"):
        cache.make_room(190_000_000)
    assert cases(cache) == ["a"]


def test_a_disk_that_others_filled_beyond_the_limit(tmp_path: Path) -> None:
    cache, now = Cache(tmp_path), time.time()
    images = [put(cache, key(name), used=now - age) for age, name in enumerate("abc")]
    full = limited(tmp_path, sum(image.bytes for image in images) - 10)  # ten bytes too many lie there already
    full.make_room(images[2].bytes - 10)
    assert cases(full) == ["a", "b"]


def test_background_takes_nothing_that_was_used_lately(tmp_path: Path) -> None:
    cache, now = limited(tmp_path, 20_000), time.time()
    put(cache, key("a"), used=now - HOUR / 2)
    used = cache.total_bytes()
    with pytest.raises(DiskFull, match="reading ahead"):
        cache.make_room(20_000, background=True)
    assert cases(cache) == ["a"]
    put(cache, key("b"), used=now - 2 * HOUR)
    cache.make_room(20_000 - used, background=True)
    assert cases(cache) == ["a"]


def test_without_a_limit_there_is_room(tmp_path: Path) -> None:
    for cache in (Cache(tmp_path), Cache(tmp_path, lambda: None)):
        put(cache, key())
        cache.make_room(10**15)
        assert (cache.room(), cases(cache)) == (None, ["sub-01"])


def test_evict_frees_what_was_asked_and_no_more(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for age, name in enumerate("abc"):
        put(cache, key(name), used=1000 - age)
    assert cache.evict(1) == cache.total_bytes() / 2
    assert cases(cache) == ["a", "b"]
    assert Cache(tmp_path).evict(10**9) > 0
    assert cache.evict(1) == 0  # another cache was first
    assert cache.total_bytes() == 0


def test_many_caches_on_one_root_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each stands for a process: keeps, finds, evicts, clears and sweeps while the others do."""
    freed: list[int] = []

    def live(number: int) -> None:
        random, cache = Random(number), limited(tmp_path, 30_000)
        for _ in range(40):
            of = key(random.choice("abcd"), random.choice(["dwi", "adc"]))
            act = random.randrange(6)
            if act < 2:
                with lock(tmp_path / of.lock, lambda: False):
                    put(cache, of)
            elif act == 2:
                found = cache.find(of)
                assert found is None or found.bytes == len(nifti(1))
            elif act == 3:
                with cache.lease([tmp_path / of.folder / f"{of.modality}.nii.gz"]) as held:
                    assert all(path.exists() for path in held)
                    freed.append(cache.evict(5_000))
                    assert all(path.exists() for path in held)
            elif act == 4:
                with suppress(DiskFull):
                    cache.make_room(10_000)
            else:
                cache.sweep()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(live, number) for number in range(4)]:
            done.result()
    assert sum(freed) > 0
    cache = Cache(tmp_path)
    found = [cache.find(key(entry.case_id, entry.modality)) for entry in cache.entries()]
    assert None not in found
    assert cache.total_bytes() == cache.clear() == len(found) * len(nifti(1))


def test_a_record_that_cannot_be_written_is_told_and_nothing_is_half_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept = put(cache, key())
    cache.clear()
    Path(f"{kept.path}.json").mkdir()  # where the record should lie
    with pytest.raises(BadSettings):
        put(cache, key())
    assert not kept.path.exists()
    assert isinstance(disk_error(OSError(errno.ENOSPC, "")), DiskFull)


def test_records_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "a" / "record.json"
    assert read_record(path) is None
    write_record(path, {"a": [1, "ü"]})
    assert read_record(path) == {"a": [1, "ü"]}
    path.write_bytes(path.read_bytes()[:-1])
    assert read_record(path) is None


def test_a_convenience_that_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    assert keep_record(tmp_path / "a" / "b.json", [1])
    assert read_record(tmp_path / "a" / "b.json") == [1]
    assert not keep_record(tmp_path / "a" / "b.json" / "c.json", [1])
