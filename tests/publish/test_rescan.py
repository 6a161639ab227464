"""A source that changed or grew since its shards were planned: nothing of it is sent, nor is it called published."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.errors import SourceChanged, StagingForeign
from core.publish.changes import Drift, drift
from core.publish.plan import make_plan
from core.publish.rescan import SOURCE, note_source
from core.publish.staging import begin, resume
from core.publish.view import look
from tests.publish import trees
from tests.publish.commands import Owner, owner
from tests.publish.staged import REPO, REVISION, built, tree_of

PART = "--no-counts"
FIRST, TSV = "data/train-00000-of-00004.parquet", "participants.tsv"


def correct(at: Owner, old: str = "71.5", new: str = "70.5") -> None:
    """A value in the table of participants, as its owner would."""
    table = at.source / TSV
    table.write_text(table.read_text().replace(old, new))


def grow(at: Owner) -> None:
    """One more session."""
    name = "sub-M2001_ses-9_dwi.nii.gz"
    trees.put(at.source, f"sub-M2001/ses-9/dwi/{name}", trees.packed(trees.image(7, (*trees.SHAPE, 4))))


def verified(at: Owner, *more: str) -> tuple[int, Any, str]:
    """How it ends, what it prints for a program, and its last line."""
    done = at.call("verify", *at.there, "--json", *more)
    return done.exit_code, json.loads(done.stdout), done.stderr.splitlines()[-1]


def test_a_table_that_was_corrected_after_the_build_is_not_published_stale(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("build", *at.base)
        correct(at)
        assert at.answer("status", *at.there)["stale"] == 2, "the sessions of that person"
        error = at.refused("upload", *at.there)
        assert isinstance(error, SourceChanged) and FIRST in str(error) and not at.server.writes.committed
        assert "build again" in error.hint and at.answer("build", *at.base)["stale"] is None
        at.answer("upload", *at.there)
        assert at.answer("verify", *at.there)["ok"]
        table = at.source / TSV
        os.utime(table, ns=(1, 10**18))
        assert at.answer("verify", *at.there)["ok"], "only its time is new"
        table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
        assert at.answer("verify", *at.there)["ok"], "the same values"
        correct(at, "70.5", "71.5")
        code, told, last = verified(at, "--read-back", "all")
        assert (code, told["ok"], told["cleanup"], len(told["stale"]), told["altered"]) == (1, False, None, 2, [])
        assert "new staging folder" in last and at.status.cleanup == ""
        table.unlink()
        shutil.rmtree(at.source)
        assert at.answer("verify", *at.there)["ok"], "what is gone can be compared no more"


def test_a_run_that_found_the_table_changed_is_not_called_done_afterwards(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART)
        correct(at)
        assert isinstance(at.refused("run", *at.base, PART), SourceChanged)
        assert not at.status.cleanup
        code, told, _ = verified(at)
        assert (code, told["stale"][0], at.status.cleanup) == (1, FIRST, "")


def test_sessions_that_came_after_the_build_are_missed(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("build", *at.base)
        grow(at)
        error = at.refused("upload", *at.there)
        assert "1 session of the source is in no shard" in str(error) and "sub-M2001_ses-9" in str(error)
        assert "another staging folder" in error.hint and not at.server.writes.committed
        assert at.answer("status", *at.there)["unpublished"] == 1
        again = at.refused("build", *at.base)
        assert isinstance(again, StagingForeign) and "1 session more (sub-M2001_ses-9)" in str(again)
        assert "another staging folder" in again.hint
        other = at.staging.with_name("other")
        assert at.answer("run", *at.base[:-1], str(other), PART)["shards"] == 5


def test_a_source_that_is_still_being_filled_is_not_called_done_in_the_morning(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART)
        grow(at)
        code, told, last = verified(at)
        assert (code, told["verified"], told["unpublished"], told["cleanup"]) == (1, 4, ["sub-M2001_ses-9"], None)
        assert "1 in the source and in no shard (sub-M2001_ses-9)" in last and "data files" in last
        said = at.call("verify", *at.there).stdout
        assert "Everything" not in said and "rm -rf" not in said and not at.status.cleanup


@pytest.mark.parametrize("schema", ["isles24", "arc", "bids"])
def test_nothing_is_read_again_unless_something_is_new(tmp_path: Path, schema: str) -> None:
    tree = tree_of(tmp_path, schema)
    plan, folder = make_plan(tree), tmp_path / "staging"
    built(plan, folder)
    with begin(folder, plan, REPO, REVISION) as staging:
        assert drift(staging.view).values == () == drift(staging.view).rows, "an older run noted nothing"
        note_source(staging, tree, plan, lambda: False)
        size = (folder / "manifest.jsonl").stat().st_size
        note_source(staging, tree, plan, lambda: False)
        assert (folder / "manifest.jsonl").stat().st_size == size
    noted = look(folder).notes[SOURCE]
    assert isinstance(noted, dict) and noted["rows"] == len(tree.rows) and len(noted["tables"]) == len(tree.tables)
    (tree.root / "notes.txt").write_text("more")
    assert drift(look(folder)) == Drift(), "read again, and the same"
    with resume(folder) as staging:
        staging.note(SOURCE, "?")
        assert drift(staging.view).rows == ()


def test_one_more_image_of_a_row_that_was_built_is_a_change(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("build", *at.base)
        trees.put(at.source, "sub-M2001/ses-2/anat/sub-M2001_ses-2_T1w.nii.gz", seed=5)
        assert at.answer("status", *at.there)["stale"] == 1
        assert isinstance(at.refused("upload", *at.there), SourceChanged)
        at.answer("build", *at.base)
        at.answer("upload", *at.there)
        assert at.answer("verify", *at.there)["ok"]


@pytest.mark.parametrize("schema", ["isles24", "bids"])
def test_a_value_of_one_person_changes_that_persons_shard_alone(tmp_path: Path, schema: str) -> None:
    tree = tree_of(tmp_path, schema)
    plan, folder = make_plan(tree, one_row_per_shard=True), tmp_path / "staging"
    built(plan, folder)
    with begin(folder, plan, REPO, REVISION) as staging:
        note_source(staging, tree, plan, lambda: False)
    if schema == "isles24":
        book = next(tree.root.rglob("sub-stroke0002*_demographic_baseline.xlsx"))
        head: list[object] = ["Age", "Sex", "NIHSS at admission", "mRS at admission"]
        trees.workbook(book, {"Sheet1": [head, [44, "F", 9, 1]]})
    else:
        table = tree.root / TSV
        table.write_text(table.read_text().replace("sub-02\t32", "sub-02\t33"))
    assert drift(look(folder)).stale(look(folder)) == (1,)
