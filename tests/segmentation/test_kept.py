"""Kept results: found by exactly what they were made of, bounded, clearable."""

from __future__ import annotations

import os
from pathlib import Path

from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.segmentation.results import JobResult

ENGINE = load_engine("diffusion").info


def result_in(folder: Path) -> JobResult:
    folder.mkdir(parents=True)
    (folder / "m.nii.gz").write_bytes(b"mask")
    (folder / "m.json").write_text("{}")
    files = (folder / "m.nii.gz", None, None, folder / "m.json")
    return JobResult("c1", "diffusion", "1", *files, 1.0, None, 0, (), 1.0, 10.0, ())


def test_every_part_of_the_recipe_counts(tmp_path: Path) -> None:
    results = Results(tmp_path)
    base = results.folder(ENGINE, {}, ["a", "b"], "c1", "sample")
    assert results.folder(ENGINE, {"min_volume": 0.03}, ["a", "b"], "c1", "sample") == base  # the default, said aloud
    others = {
        results.folder(ENGINE, {"min_volume": 1.0}, ["a", "b"], "c1", "sample"),
        results.folder(ENGINE, {}, ["b", "a"], "c1", "sample"),
        results.folder(ENGINE, {}, ["a", "b"], "c2", "sample"),
        results.folder(ENGINE, {}, ["a", "b"], "c1", "local:/x"),
        results.folder(ENGINE, {}, ["a", "b"], "c1", "sample", {"dwi": "another"}),
    }
    assert len(others) == 5
    assert base not in others


def test_a_result_with_a_missing_file_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = results.folder(ENGINE, {}, ["a"], "c1", "sample")
    made = result_in(folder)
    assert results.find(folder) is None
    results.keep(folder, made)
    assert results.find(folder) == made
    made.sidecar.unlink()
    assert results.find(folder) is None


def test_a_torn_record_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = results.folder(ENGINE, {}, ["a"], "c1", "sample")
    results.keep(folder, result_in(folder))
    (folder / "result.json").write_text('{"mask": ')
    assert results.find(folder) is None


def test_only_the_newest_stay_and_all_can_go(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for n in range(4):
        folder = results.folder(ENGINE, {}, [str(n)], "c1", "sample")
        made = result_in(folder)
        os.utime(folder, (n, n))
        if n == 3:
            results.keep(folder, made, most=2)
    left = results.entries()
    assert len(left) == 2
    assert results.clear() == sum(entry.bytes for entry in left) > 0
    assert results.entries() == ()
    assert Results(tmp_path / "nowhere").entries() == ()
