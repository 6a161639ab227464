"""Who goes: as few as are needed, in order, and nobody in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.hub.entries import CacheEntry
from core.hub.eviction import IDLE_S, MAX_SLACK, SMALL, first, idle, plan, refusal, slack


def entry(number: int, count: int, used: float, source: str = "hub:a/b@c", unfinished: bool = False) -> CacheEntry:
    return CacheEntry(source, f"sub-{number}", "dwi", Path(f"/{number}"), count, used, unfinished)


ENTRIES = st.lists(
    st.builds(
        entry,
        st.integers(0, 10**6),
        st.integers(1, 3 * SMALL),
        st.floats(0, 10**6),
        st.sampled_from(["hub:a/b@c", "records a/b@c", "sample", "derived"]),
        st.booleans(),
    ),
    unique_by=lambda e: e.path,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(ENTRIES, st.integers(-SMALL, 3 * SMALL), st.integers(0, 9 * SMALL), st.data())
def test_a_plan_makes_enough_room_or_removes_nothing(
    entries: list[CacheEntry], room: int, need: int, data: st.DataObject
) -> None:
    used = set(data.draw(st.sets(st.sampled_from(entries)))) if entries else set()
    free = [e for e in entries if e not in used]
    found = plan(entries, room, need, free)
    freed = sum(e.bytes for e in found.victims)
    assert used.isdisjoint(found.victims)
    if found.verdict == "evict":
        assert room < need <= room + freed
        extra = slack(found.holds)
        assert freed - found.victims[-1].bytes < need - room + extra  # the last one was needed, too
    else:
        assert found.victims == ()
    if found.verdict == "fits":
        assert need <= room
    if found.verdict == "never":  # not even if everybody let go
        assert need > room + sum(e.bytes for e in entries)
        assert ("may hold" if found.holds else "disk is full") in str(refusal(found))
        assert "cache is empty" not in str(refusal(found))
    if found.verdict == "busy":
        assert room + sum(e.bytes for e in free) < need <= room + sum(e.bytes for e in entries)
        assert "in use" in str(refusal(found))


@settings(max_examples=60, deadline=None)
@given(ENTRIES, st.integers(0, 9 * SMALL))
def test_the_order_is_unfinished_then_oldest_then_what_can_be_made_again(entries: list[CacheEntry], need: int) -> None:
    gone = first(entries, need)
    left = [e for e in entries if e not in gone]
    last = {"records a/b@c": 1, "sample": 2}
    rank = {e: (not e.unfinished, not e.unfinished and last.get(e.source, 0), e.last_used) for e in entries}
    assert all(rank[a] <= rank[b] for a in gone for b in left)
    assert sum(e.bytes for e in gone) >= min(need, sum(e.bytes for e in entries))


@pytest.mark.parametrize(("holds", "extra"), [(0, 0), (57_000_000, 0), (20 * SMALL, SMALL), (400 * SMALL, MAX_SLACK)])
def test_slack_only_where_there_is_plenty(holds: int, extra: int) -> None:
    assert slack(holds) == extra


def test_idle_are_those_unused_for_an_hour_and_never_the_cohort_or_a_list() -> None:
    old, new, made = entry(1, 1, 0.0), entry(2, 1, 10.0), entry(3, 1, 0.0, "sample")
    assert idle([old, new, made, entry(4, 1, 0.0, "records a/b@c")], IDLE_S + 5.0) == (old,)
