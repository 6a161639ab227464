"""Kept results that were moved, damaged, made elsewhere, or are in use: a list that never breaks and never loses."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, ResultInUse
from core.segmentation.engine import load_engine
from core.segmentation.kept import Results, is_key
from core.segmentation.kept_record import KeptResult, Origin, origin_of
from core.segmentation.results import JobResult, LesionRow

ENGINE = load_engine("diffusion").info
ROW = LesionRow(1, "left", 1.0, (1.0, 2.0, 3.0), 12.0, None)


def made(results: Results, digest: str, case: str = "c1", source: str = "sample", origin: Origin | None = None) -> Path:
    """A kept result; its folder."""
    folder = results.folder(ENGINE, {}, [digest], case, source)
    folder.mkdir(parents=True)
    (folder / "m.nii.gz").write_bytes(b"mask")
    said = {"Source": source, "GeneratedBy": {"Label": "by rules"}, "Parameters": {"z_seed": {"value": 4.0}}}
    (folder / "m.json").write_text(json.dumps(said))
    files = (folder / "m.nii.gz", None, None, folder / "m.json")
    results.keep(
        folder, JobResult(case, "diffusion", "1.1", *files, 1.0, None, 1, (ROW,), 1.0, 10.0, ()), origin=origin
    )
    return folder


def test_a_case_has_its_own_newest_first(tmp_path: Path) -> None:
    results = Results(tmp_path)
    origin = origin_of(ENGINE, ENGINE.settle({"z_seed": 5.0}), "sample", "hub:a/b@abc")
    first, second = made(results, "a", origin=origin), made(results, "b")
    made(results, "c", case="c2")
    made(results, "d", source="hub:a/b@abc")
    found = results.of_case("sample", "c1")
    assert [kept.key for kept in found] == [second.name, first.name]
    assert (found[1].parameters, found[1].model, found[1].changes) == ({"z_seed": 5.0}, "hub:a/b@abc", "a/b, z_seed 5")
    assert (found[0].label, found[0].title, found[0].parameters) == ("by rules", "diffusion 1.1", {"z_seed": 4.0})
    assert found[0].bytes > 0 and found[0].made > 0
    assert results.of_case("sample", "c3") == ()


def test_a_moved_cache_keeps_its_results(tmp_path: Path) -> None:
    folder = made(Results(tmp_path / "old"), "a")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Results(tmp_path / "new").get(folder.name)
    assert moved is not None and moved.result.mask == tmp_path / "new" / "results" / folder.name / "m.nii.gz"
    assert str(tmp_path) not in (moved.result.mask.parent / "result.json").read_text()


def test_a_record_with_whole_paths_is_read_where_it_lies(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = made(results, "a")
    old = results.find(folder)
    assert old is not None
    raw = {**old.to_dict(), "mask": "/elsewhere/m.nii.gz", "sidecar": "/elsewhere/m.json"}
    (folder / "result.json").write_text(json.dumps(raw))
    assert results.find(folder) == old


@pytest.mark.parametrize("name", ["", "..", "../x", "A" * 32, "0" * 31, "0" * 33, "0" * 31 + "/", "g" * 32])
def test_what_is_no_key_is_no_path(tmp_path: Path, name: str) -> None:
    results = Results(tmp_path)
    made(results, "a")
    assert not is_key(name) and results.get(name) is None
    with pytest.raises(BadInput):
        results.delete(name)
    assert results.hold("me", [name]) == frozenset()


def swap(path: Path, make: Callable[[Path], object]) -> None:
    """Another thing at the place of a file."""
    path.unlink()
    make(path)


Harm = Callable[[Path], object]
HARMS: dict[str, Harm] = {
    "torn record": lambda f: (f / "result.json").write_text('{"mask": '),
    "not text": lambda f: (f / "result.json").write_bytes(b"\xff\xfe\x00"),
    "another kind": lambda f: (f / "result.json").write_text("[1, 2]"),
    "very deep": lambda f: (f / "result.json").write_text("[" * 100_000),
    "record is a folder": lambda f: swap(f / "result.json", Path.mkdir),
    "mask gone": lambda f: (f / "m.nii.gz").unlink(),
    "mask cut off": lambda f: (f / "m.nii.gz").write_bytes(b"ma"),
    "mask is a link": lambda f: swap(f / "m.nii.gz", lambda path: path.symlink_to("/etc/passwd")),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=list(HARMS))
def test_a_damaged_folder_is_no_result_and_can_go(tmp_path: Path, harm: Harm) -> None:
    results = Results(tmp_path)
    folder, whole = made(results, "a"), made(results, "b")
    assert len(results.of_case("sample", "c1")) == 2
    harm(folder)
    assert results.find(folder) is None and results.get(folder.name) is None
    assert [kept.key for kept in results.of_case("sample", "c1")] == [whole.name]
    assert {entry.key: entry.found is None for entry in results.entries()} == {folder.name: True, whole.name: False}
    results.delete(folder.name)
    assert not folder.exists() and whole.exists()


NAMES = st.sampled_from(["volume_ml", "lesions", "warnings", "engine", "notes", "case_id", "kept"])
LISTS = st.one_of(st.lists(st.integers()), st.dictionaries(st.text(), st.integers()))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), LISTS, st.just(float("nan")))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_a_record_with_other_values_never_breaks_the_list(tmp_path_factory: pytest.TempPathFactory, wrong: Any) -> None:
    results = Results(tmp_path_factory.mktemp("r"))
    folder = made(results, "a")
    raw = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**raw, **wrong}))
    for kept in results.of_case("sample", "c1"):
        assert isinstance(kept.title + kept.changes, str) and kept.result.volume_ml == kept.result.volume_ml


def test_what_is_held_is_not_deleted_not_evicted_not_cleared(tmp_path: Path) -> None:
    results = Results(tmp_path)
    old, new = made(results, "a"), made(results, "b")
    os.utime(old, (1, 1))
    assert results.hold("screen", [old.name]) == {old.name}
    with pytest.raises(ResultInUse, match="screen"):
        results.delete(old.name)
    kept = results.find(new)
    assert kept is not None
    results.keep(new, kept, most=1)
    assert old.exists()
    results.clear()
    assert old.exists() and not new.exists()
    results.let_go("screen")
    assert results.delete(old.name) > 0 and not old.exists()
    assert results.delete(old.name) == 0


def test_a_folder_that_a_job_uses_stays_and_an_empty_one_goes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = results.folder(ENGINE, {}, ["a"], "c1", "sample")
    with results.using([folder, tmp_path / "not ours"]):
        (folder / "half").write_bytes(b"x")
        with pytest.raises(ResultInUse):
            results.delete(folder.name)
        assert results.clear() == 0
        (folder / "half").unlink()
    assert not folder.exists() and not (tmp_path / "not ours").exists()


def _hold(cache: Path, key: str, ready: Event, over: Event) -> None:
    Results(cache).hold("another app", [key])
    ready.set()
    over.wait(60)


def test_another_process_holds_too_until_it_ends(tmp_path: Path) -> None:
    results, spawn = Results(tmp_path), multiprocessing.get_context("spawn")
    folder = made(results, "a")
    ready, over = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(tmp_path, folder.name, ready, over))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(ResultInUse):
            results.delete(folder.name)
    finally:
        other.kill()
        other.join(60)
    assert results.delete(folder.name) > 0


def test_a_removal_that_broke_off_is_swept(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = made(results, "a")
    shutil.copytree(folder, folder.parent / ".gone-1234")
    assert [entry.key for entry in results.entries()] == [folder.name]
    assert not (folder.parent / ".gone-1234").exists()


def test_a_new_record_is_seen_at_once(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = made(results, "a")
    before = results.get(folder.name)
    assert isinstance(before, KeptResult)
    results.keep(folder, replace(before.result, volume_ml=7.0))
    after = results.get(folder.name)
    assert after is not None and after.result.volume_ml == 7.0
