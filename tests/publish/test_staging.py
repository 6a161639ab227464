"""The staging folder: whose it is, which steps there are, and what it never does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadPlan, NotProven, PublishError, StagingBusy, StagingDamaged, StagingForeign
from core.publish.build import build
from core.publish.changes import stale
from core.publish.plan import Plan, make_plan
from core.publish.schema import Column
from core.publish.staging import Staging, begin, resume
from core.publish.tree import Tree
from core.publish.view import MANIFEST, look
from tests.publish.staged import REPO, REVISION, built, contents, noise, noise_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Four small shards; their source lies in `source`."""
    return make_plan(noise(tmp_path / "source", 4), one_row_per_shard=True)


def prove(staging: Staging, index: int) -> None:
    staging.proven({index: (staging[index].bytes, staging[index].sha256)})


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}


def wider(tree: Tree) -> Tree:
    """The same with one more column."""
    return replace(tree, schema=replace(tree.schema, columns=(*tree.schema.columns, Column("age", "float"))))


def renamed(tree: Tree) -> Tree:
    """The same, but another row comes last."""
    return replace(tree, rows=(*tree.rows[:-1], replace(tree.rows[-1], row_id="other")))


OTHERS: dict[str, Callable[[Tree], tuple[Plan, str, str]]] = {
    "repo": lambda tree: (make_plan(tree, one_row_per_shard=True), "owner/other", REVISION),
    "revision": lambda tree: (make_plan(tree, one_row_per_shard=True), REPO, "v2"),
    "schema": lambda tree: (make_plan(wider(tree), one_row_per_shard=True), REPO, REVISION),
    "shards": lambda tree: (make_plan(tree, one_row_per_shard=False), REPO, REVISION),
    "rows": lambda tree: (make_plan(renamed(tree), one_row_per_shard=True), REPO, REVISION),
}


@pytest.mark.parametrize("other", sorted(OTHERS))
def test_a_folder_of_something_else_is_refused_with_both_fingerprints(tmp_path: Path, other: str) -> None:
    tree = noise(tmp_path / "source", 4)
    mine = make_plan(tree, one_row_per_shard=True)
    built(mine, tmp_path / "staging")
    before = files(tmp_path / "staging")
    plan, repo, revision = OTHERS[other](tree)
    with pytest.raises(StagingForeign) as caught, begin(tmp_path / "staging", plan, repo, revision):
        pass
    message = str(caught.value)
    first, _, second = message.partition(", not for ")
    assert f"{REPO}@{REVISION}, schema bids" in first and f"{repo}@{revision}, schema bids" in second
    assert first.partition("begun for ")[2] != second
    assert files(tmp_path / "staging") == before


def test_a_folder_with_other_files_is_refused_and_a_shard_without_a_record_too(tmp_path: Path, plan: Plan) -> None:
    folder = tmp_path / "staging"
    built(plan, folder)
    (folder / MANIFEST).unlink()
    before = files(folder)
    with pytest.raises(StagingForeign, match="no record"), begin(folder, plan, REPO, REVISION):
        pass
    assert files(folder) == before


@pytest.mark.parametrize("place", ["", "deep/er"])
def test_a_folder_inside_the_source_is_refused(plan: Plan, place: str) -> None:
    with pytest.raises(BadPlan, match="inside the source"), begin(plan.root / place, plan, REPO, REVISION):
        pass


def test_what_was_begun_is_gone_on_with_without_the_plan(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    with resume(tmp_path / "staging") as staging:
        assert staging.view.identity.repo == REPO and staging.view.header.schema == plan.schema
        assert staging.view.header.root == plan.root and staging.view.header.layout == plan.layout
        staging.sent([0])
    assert [shard.state for shard in look(tmp_path / "staging").shards] == ["sent", "built", "built", "built"]
    with pytest.raises(StagingForeign, match="no staging folder"), resume(tmp_path / "nowhere"):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_a_second_publisher_is_refused_and_looking_is_not(tmp_path: Path, plan: Plan) -> None:
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        with pytest.raises(StagingBusy), begin(tmp_path / "staging", plan, REPO, REVISION):
            pass
        with pytest.raises(StagingBusy), resume(tmp_path / "staging"):
            pass
        assert look(tmp_path / "staging") == staging.view
    script = "import sys, pathlib; from core.publish.view import look; print(look(pathlib.Path(sys.argv[1])).counts())"
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path / "staging")], cwd=ROOT, capture_output=True)
    assert b"'planned': 4" in told.stdout


def test_a_shard_is_freed_only_when_it_is_proven(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    with resume(tmp_path / "staging") as staging:
        before = contents(tmp_path / "staging")
        for sent in ([], [1]):
            staging.sent(sent)
            with pytest.raises(NotProven, match="not proven"):
                staging.free(1)
        with pytest.raises(NotProven, match="different in the repository"):
            staging.proven({1: (staging[1].bytes, "0" * 64)})
        with pytest.raises(NotProven):
            staging.proven({0: (staging[0].bytes, staging[0].sha256), 1: (staging[1].bytes + 1, staging[1].sha256)})
        assert contents(tmp_path / "staging") == before and staging[0].state == "built"
        size = staging[1].bytes
        prove(staging, 1)
        assert staging.free(1) == size and staging.free(1) == 0
        assert staging[1].state == "freed" and not staging.view.place(1).exists()
        prove(staging, 1)
        assert staging[1].state == "freed"
    assert len(contents(tmp_path / "staging")) == 3


def test_what_is_not_built_is_neither_sent_nor_proven(tmp_path: Path, plan: Plan) -> None:
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        with pytest.raises(NotProven, match="planned"):
            staging.sent([0])
        with pytest.raises(NotProven, match="planned"):
            staging.proven({0: (0, "")})
        with pytest.raises(NotProven):
            staging.free(0)


def test_what_the_remote_lost_is_sent_again_or_built_again(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    with resume(tmp_path / "staging") as staging:
        for index in (0, 1):
            prove(staging, index)
        staging.free(1)
        for index in (0, 1):
            staging.unsent(index)
        assert [staging[0].state, staging[1].state] == ["built", "planned"]
    assert built(plan, tmp_path / "staging").made == (1,)


def test_every_state_is_there_after_a_restart(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    with resume(tmp_path / "staging") as staging:
        staging.sent([1, 2, 3])
        prove(staging, 2)
        prove(staging, 3)
        staging.free(3)
        kept = staging.view
    assert look(tmp_path / "staging") == kept
    assert kept.counts() == {"planned": 0, "built": 1, "sent": 1, "proven": 1, "freed": 1}
    assert all(len(shard.sums) == 2 for shard in kept.shards)


def damage(path: Path, line: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"', b"'", 1)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("line", [0, 2])
def test_a_record_whose_beginning_is_damaged_is_refused_and_left_alone(tmp_path: Path, plan: Plan, line: int) -> None:
    built(plan, tmp_path / "staging")
    damage(tmp_path / "staging" / MANIFEST, line)
    before = files(tmp_path / "staging")
    with pytest.raises(StagingDamaged):
        look(tmp_path / "staging")
    with pytest.raises(StagingDamaged), begin(tmp_path / "staging", plan, REPO, REVISION):
        pass
    assert files(tmp_path / "staging") == before


def test_a_damaged_step_is_told_and_taken_again(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    before = contents(tmp_path / "staging")
    damage(tmp_path / "staging" / MANIFEST, 1 + 4 + 2)
    view = look(tmp_path / "staging")
    assert view.damaged == 1 and view.shards[2].state == "planned"
    assert built(plan, tmp_path / "staging").made == (2,) and contents(tmp_path / "staging") == before


def test_a_folder_that_cannot_be_written_is_an_error_with_a_next_step(tmp_path: Path, plan: Plan) -> None:
    noise_file(tmp_path, "file", 5)
    with pytest.raises(PublishError) as caught, begin(tmp_path / "file", plan, REPO, REVISION):
        pass
    assert "cannot be written" in str(caught.value) and caught.value.hint


def test_notes_and_a_source_that_moved_are_kept(tmp_path: Path, plan: Plan) -> None:
    built(plan, tmp_path / "staging")
    moved = replace(plan, root=plan.root.rename(tmp_path / "moved"))
    with begin(tmp_path / "staging", moved, REPO, REVISION) as staging:
        staging.note("commit", {"id": "1"})
        staging.note("commit", {"id": "2"})
        assert build(moved, staging).made == ()
    view = look(tmp_path / "staging")
    assert view.notes["commit"] == {"id": "2"} and view.root == tmp_path / "moved" and not stale(view)


def test_errors_inside_the_block_come_out_as_they_are(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(ConnectionResetError), begin(tmp_path / "staging", plan, REPO, REVISION):
        raise ConnectionResetError
