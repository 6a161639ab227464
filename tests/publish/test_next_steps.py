"""Next steps that work when they are followed: after a verification that found something, a cleanup, another source."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import StagingForeign
from core.publish.foreign import foreign
from core.publish.plan import Plan, make_plan
from core.publish.records import identify
from core.publish.rescan import is_other
from core.publish.rows import FileRef, Row
from core.publish.schema import Column
from core.publish.staging import begin
from core.publish.verify import Verified, next_steps
from core.publish.view import View, look
from core.workflows.publish_gone import gone
from tests.publish import trees
from tests.publish.commands import Owner, owner
from tests.publish.staged import REPO, REVISION, built, noise

PART = "--no-counts"


def lose(at: Owner, *indices: int) -> None:
    """Files that the repository does not have any more."""
    dataset = at.server.datasets[REPO]
    for index in indices:
        del dataset.files[f"data/train-{index:05d}-of-00004.parquet"]
    dataset.tree, dataset.commit = [], "b" * 40


def test_what_was_freed_and_lost_is_built_anew_as_verify_says(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART, "--rolling")
        lose(at, 0, 2)
        done = at.call("verify", *at.there, "--json")
        told = json.loads(done.stdout)
        assert done.exit_code == 1 and len(told["unbuilt"]) == 2 and told["unbuilt"] == told["missing"]
        last = done.stderr.splitlines()[-1]
        assert "Run it again (or build, then upload)" in last and "Upload again" not in last
        at.answer("build", *at.base)
        at.answer("upload", *at.there)
        assert at.answer("verify", *at.there)["ok"]


def test_what_lies_there_still_is_only_uploaded() -> None:
    found = Verified(REPO, REVISION, "a" * 40, 2, 1, ("data/x",), (), ())
    assert "Upload again: only" in next_steps(found)[0]
    assert "Run it again" in next_steps(replace(found, unbuilt=("data/x",)))[0]
    assert not replace(found, verified=2, missing=(), unpublished=("sub-1",)).ok


def test_after_the_cleanup_it_is_said_to_be_done(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART)
        assert gone(at.staging) is None
        shutil.rmtree(at.staging)
        told = at.answer("status", *at.there)
        assert (told["standing"], told["removed"], told["repo"], told["cleanup"]) == ("done", True, REPO, None)
        said = at.call("status", *at.there)
        assert said.exit_code == 0 and "done: verified" in said.stdout and "4 of 4" in said.stdout
        for step in ("verify", "upload"):
            error = at.refused(step, *at.there)
            assert (
                isinstance(error, StagingForeign) and "nothing is left to do" in error.hint and "removed" in str(error)
            )
        proof = Path(told["proof"])
        proof.write_text(json.dumps({**json.loads(proof.read_text()), "ok": False}))
        assert "no staging folder" in str(at.refused("status", *at.there))


def test_a_source_that_changed_after_the_verification_is_not_called_done(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART)
        image = next(at.source.rglob("*_T1w.nii.gz"))
        os.utime(image, ns=(1, 10**18))
        told = at.answer("status", *at.there)
        assert (told["standing"], told["stale"], told["cleanup"]) == ("idle", 1, None) and "verify" in told["hint"]
        said = at.call("status", *at.there).stdout
        assert "done" not in said and "rm -rf" not in said and "verify again" in said
        assert at.answer("verify", *at.there)["ok"] and at.answer("status", *at.there)["cleanup"]


def test_a_source_that_changed_after_it_was_sent_is_published_anew_as_is_said(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        at.answer("run", *at.base, PART)
        table = at.source / "participants.tsv"
        table.write_text(table.read_text().replace("71.5", "70.5"))
        assert "from a new staging folder, with --replace" in at.refused("run", *at.base, PART).hint
        anew = (*at.base[:-1], str(at.staging.with_name("new")), PART)
        assert at.answer("run", *anew, "--replace")["ok"]
        trees.put(at.source, "sub-M2001/ses-9/anat/sub-M2001_ses-9_T1w.nii.gz", seed=3)
        assert "after the data files that were sent from this one are removed" in at.refused("run", *anew).hint
        for path in at.remote:
            del at.server.datasets[REPO].files[path]
        at.server.datasets[REPO].tree = []
        newer = (*at.base[:-1], str(at.staging.with_name("newer")), PART)
        assert at.answer("run", *newer)["shards"] == 5


def test_a_table_that_went_and_came_back_is_compared_with_what_was_built_last(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        table = at.source / "participants.tsv"
        found, kept = table.stat(), table.read_bytes()
        at.answer("build", *at.base)
        table.write_bytes(kept.replace(b"71.5", b"70.5"))
        at.answer("build", *at.base)
        table.write_bytes(kept)
        os.utime(table, ns=(found.st_atime_ns, found.st_mtime_ns))
        assert at.answer("status", *at.there)["stale"] == 2


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(noise(tmp_path / "source", 3), one_row_per_shard=True)


@pytest.fixture
def view(tmp_path: Path, plan: Plan) -> View:
    built(plan, tmp_path / "staging")
    return look(tmp_path / "staging")


def told(view: View, now: Plan) -> StagingForeign:
    return foreign(view, identify(now, REPO, REVISION), now)


def test_a_folder_of_fewer_rows_says_which_are_new(tmp_path: Path, view: View, plan: Plan) -> None:
    more = make_plan(noise(tmp_path / "source", 5), one_row_per_shard=True)
    error = told(view, more)
    assert "2 subjects more (row3, row4)" in str(error) and view.identity.fingerprint() in str(error)
    assert "another staging folder" in error.hint
    sent = replace(view, shards=(replace(view.shards[0], state="sent"), *view.shards[1:]))
    assert "data files that were sent" in told(sent, more).hint
    less = replace(plan, shards=plan.shards[:1])
    assert "2 subjects less (row1, row2)" in str(told(view, less))
    columns = replace(plan, schema=replace(plan.schema, columns=(*plan.schema.columns, Column("dx", "string"))))
    assert "1 column more (dx)" in str(told(view, columns))


def test_the_same_rows_under_another_limit_are_said_to_be_the_same(tmp_path: Path, view: View) -> None:
    other = make_plan(noise(tmp_path / "source", 3), one_row_per_shard=False)
    error = told(view, other)
    assert "the same rows would be in other shards" in str(error) and "limit" in error.hint
    with pytest.raises(StagingForeign, match="same rows"), begin(view.folder, other, REPO, REVISION):
        pass
    assert "source" not in str(foreign(view, identify(other, "other/repo", REVISION), other))


def test_what_of_a_row_is_a_change_and_what_is_gone(view: View, plan: Plan) -> None:
    row, record, metadata = plan.shards[0].rows[0], view.shards[0], view.header.layout.metadata

    def other(**changes: object) -> bool:
        return is_other(view.header, metadata, record, {row.row_id: replace(row, **changes)})  # type: ignore[arg-type]

    assert not other() and not is_other(view.header, metadata, record, {})
    assert other(values={"id": "corrected"}) and other(values={**row.values, "dx": "1"})
    assert not other(values={**row.values, "dx": None}) and not other(files={**row.files, "i0": ()})
    assert other(files={**row.files, "new": (FileRef("0/2.nii.gz", 5, 1),)})
    assert isinstance(row, Row)
