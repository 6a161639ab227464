"""A source that changed: new times are compared, what is not sent is built again, what was sent is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import SourceChanged
from core.publish.build import build
from core.publish.changes import stale
from core.publish.plan import Plan, make_plan
from core.publish.rows import Row
from core.publish.staging import begin
from core.publish.tree import Tree
from core.publish.view import look
from tests.publish.staged import REPO, REVISION, built, contents, noise, ref_of


def again(tree: Tree, **values: str) -> Plan:
    """The plan of the tree as it is now."""
    rows = [
        Row(
            row.row_id,
            {name: tuple(ref_of(tree.root, f.path) for f in fs) for name, fs in row.files.items()},
            row.values,
        )
        for row in tree.rows
    ]
    rows = [Row(row.row_id, row.files, {"id": values.get(row.row_id, row.row_id)}) for row in rows]
    return make_plan(Tree(tree.root, tree.schema, tuple(rows)), one_row_per_shard=True)


def touch(tree: Tree, path: str) -> None:
    os.utime(tree.root / path, ns=(1, 10**18))


def flip(tree: Tree, path: str) -> None:
    data = bytearray((tree.root / path).read_bytes())
    data[7] ^= 1
    (tree.root / path).write_bytes(data)
    os.utime(tree.root / path, ns=(1, 2 * 10**18))


def test_new_times_alone_build_nothing_again(tmp_path: Path) -> None:
    tree = noise(tmp_path / "source", 3)
    built(again(tree), tmp_path / "staging")
    before, source = contents(tmp_path / "staging"), look(tmp_path / "staging").source
    for shard in (0, 1, 2):
        touch(tree, f"{shard}/1.nii.gz")
    assert stale(look(tmp_path / "staging")) == (0, 1, 2)
    with begin(tmp_path / "staging", again(tree), REPO, REVISION) as staging:
        staging.sent([1])
        assert build(again(tree), staging).made == ()
        assert staging[1].state == "sent"
    view = look(tmp_path / "staging")
    assert not stale(view) and view.source != source and contents(tmp_path / "staging") == before


def test_other_bytes_of_the_same_size_are_built_again(tmp_path: Path) -> None:
    tree = noise(tmp_path / "source", 3)
    built(again(tree), tmp_path / "staging")
    before = look(tmp_path / "staging")
    flip(tree, "1/0.nii.gz")
    done = built(again(tree), tmp_path / "staging")
    after = look(tmp_path / "staging")
    assert done.made == done.again == (1,) and after.shards[1].sha256 != before.shards[1].sha256
    assert [after.shards[at] == before.shards[at] for at in range(3)] == [True, False, True]


def test_another_value_is_built_again(tmp_path: Path) -> None:
    tree = noise(tmp_path / "source", 3)
    built(again(tree), tmp_path / "staging")
    done = built(again(tree, row2="corrected"), tmp_path / "staging")
    assert done.made == done.again == (2,)


def test_what_is_only_planned_follows_the_source(tmp_path: Path) -> None:
    tree = noise(tmp_path / "source", 2)
    plan = again(tree)
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        build(plan, staging, only=[0])
    flip(tree, "1/0.nii.gz")
    assert built(again(tree), tmp_path / "staging").made == (1,)


@pytest.mark.parametrize("state", ["sent", "proven", "freed"])
def test_what_was_sent_and_changed_is_told_and_kept(tmp_path: Path, state: str) -> None:
    tree = noise(tmp_path / "source", 3)
    built(again(tree), tmp_path / "staging")
    with begin(tmp_path / "staging", again(tree), REPO, REVISION) as staging:
        staging.sent([1])
        if state != "sent":
            staging.proven({1: (staging[1].bytes, staging[1].sha256)})
        if state == "freed":
            staging.free(1)
        record = staging[1]
    flip(tree, "0/0.nii.gz")
    flip(tree, "1/0.nii.gz")
    with begin(tmp_path / "staging", again(tree), REPO, REVISION) as staging:
        with pytest.raises(SourceChanged, match=r"changed: 1 \(.*00001-of"):
            build(again(tree), staging)
        assert staging[1] == record and staging[0].state == "planned"


def test_a_source_that_is_gone_is_stale(tmp_path: Path) -> None:
    tree = noise(tmp_path / "source", 3)
    built(again(tree), tmp_path / "staging")
    (tree.root / "2/0.nii.gz").unlink()
    assert stale(look(tmp_path / "staging")) == (2,)
