"""What a dataset will need, and what is still to go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.publish.needs import Rates, expect, judge
from core.publish.plan import make_plan
from core.publish.room import SPARE
from core.resources.probe import take_reading
from core.settings import Settings
from tests.publish.test_plan import tree

PLAN = make_plan(tree([(10_000_000,), (30_000_000,), (20_000_000,)]), one_row_per_shard=True)


def test_all_of_it_lies_there_unless_it_is_freed_on_the_way() -> None:
    whole = expect(PLAN)
    assert 60_000_000 < whole.disk_bytes - SPARE < 60_100_000
    assert whole.build_bytes == whole.send_bytes == PLAN.bytes
    assert 30_000_000 < expect(PLAN, window=1).disk_bytes - SPARE < 30_100_000, "a shard must fit"
    assert 45_000_000 < expect(PLAN, window=45_000_000).disk_bytes - SPARE < 45_100_000
    assert expect(PLAN, window=10**9).disk_bytes == whole.disk_bytes
    assert expect(PLAN, built=[0, 1, 2]).disk_bytes < 100_000


def test_what_is_done_is_not_paid_again() -> None:
    rates = Rates(build=10_000_000, send=1_000_000)
    assert expect(PLAN, rates=rates).seconds == pytest.approx(66, rel=0.01)
    left = expect(PLAN, built=[0, 1], sent=[1], rates=rates)
    assert left.build_bytes == PLAN.shards[2].bytes
    assert left.send_bytes == PLAN.shards[0].bytes + PLAN.shards[2].bytes
    assert left.seconds == pytest.approx(2 + 30, rel=0.01)
    done = expect(PLAN, built=[0, 1, 2], sent=[0, 1, 2])
    assert (done.build_bytes, done.send_bytes, done.seconds) == (0, 0, 0)


def test_it_is_judged_against_the_container(tmp_path: Path) -> None:
    reading = take_reading(Settings(cache_dir=tmp_path, state_dir=tmp_path))
    small = replace(reading.disk, limit_bytes=50_000_000_000, free_bytes=7_530_000_000, limit_source="tier")
    tight = replace(reading.memory, limit_bytes=2_000_000_000, used_bytes=100_000_000)
    memory, disk = judge(expect(PLAN), replace(reading, disk=small, memory=tight))
    assert memory.admitted and not disk.admitted and disk.free_mb == pytest.approx(30)
    assert judge(expect(PLAN, built=[1]), replace(reading, disk=replace(small, free_bytes=7_600_000_000)))[1].admitted
    full = replace(tight, used_bytes=1_350_000_000)
    assert not judge(expect(PLAN), replace(reading, memory=full))[0].admitted
