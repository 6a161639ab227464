"""A staging folder followed while it is worked in: always what a fresh look gives, at the price of what is new."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import StagingDamaged, StagingForeign
from core.publish.build import build
from core.publish.follow import Follower
from core.publish.plan import Plan, make_plan
from core.publish.staging import begin
from core.publish.view import MANIFEST, look
from tests.publish.staged import REPO, REVISION, noise


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(noise(tmp_path / "source", 4, 600), one_row_per_shard=True)


def test_it_sees_every_step_as_a_fresh_look_does(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    follower = Follower(folder)
    with pytest.raises(StagingForeign):
        follower.look()
    with begin(folder, plan, REPO, REVISION) as staging:
        steps: list[Callable[[], object]] = [
            lambda: staging.note("a", 1),
            lambda: build(plan, staging, only=[0, 2]),
            lambda: staging.note("a", {"b": 2}),
            lambda: build(plan, staging),
            lambda: staging.sent([1, 2]),
            lambda: staging.proven({1: (staging[1].bytes, staging[1].sha256)}),
            lambda: staging.again(2),
        ]
        assert follower.look() == look(folder)
        for step in steps:
            step()
            assert follower.look() == look(folder) == follower.look()


def test_a_torn_line_is_not_seen_and_what_follows_it_later_is(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    with begin(folder, plan, REPO, REVISION):
        pass
    follower, record = Follower(folder), folder / MANIFEST
    before = follower.look()
    with record.open("ab") as file:
        file.write(b"0123456789abcdef {torn")
    assert follower.look() == before == look(folder)
    with begin(folder, plan, REPO, REVISION) as staging:
        build(plan, staging, only=[1])
    assert follower.look() == look(folder) != before


def test_another_record_in_its_place_is_read_anew(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    with begin(folder, plan, REPO, REVISION) as staging:
        build(plan, staging)
        follower = Follower(folder)
        assert follower.look().counts()["built"] == 4
    shutil.rmtree(folder)
    with pytest.raises(StagingForeign):
        follower.look()
    with begin(folder, plan, REPO, REVISION):
        assert follower.look().counts()["planned"] == 4
    (folder / MANIFEST).write_bytes(b"")
    with pytest.raises(StagingDamaged):
        follower.look()
