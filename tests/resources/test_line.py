"""The line is fair, keeps heavy steps apart, and never lets more in than the ceiling holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.budget import CEILING, SAFETY, reserve_mb
from core.resources.disk import FILE_SYSTEM, DiskReading
from core.resources.line import PATIENCE, Entry, Room, in_order, never_fits, next_in_line, not_now, room_of
from core.resources.memory import MemoryReading

ROOM = Room(used_mb=200, limit_mb=4000, disk_free_mb=50_000, disk_limit_mb=50_000)


def entry(number: int, owner: str = "a", mb: float = 100, heavy: bool = False, passed: int = 0) -> Entry:
    return Entry(number, owner, mb, 0, heavy, passed)


def test_sessions_take_turns() -> None:
    waiting = [entry(0, "a"), entry(1, "a"), entry(2, "a"), entry(3, "b"), entry(4, "c")]
    assert [e.number for e in in_order(waiting, [])] == [0, 3, 4, 1, 2]
    assert [e.number for e in in_order(waiting[1:], [entry(0, "a")])] == [3, 4, 1, 2]


def test_one_heavy_at_a_time_and_light_ones_beside_it() -> None:
    heavy, light = entry(1, "b", heavy=True), entry(2, "c")
    assert next_in_line([heavy], [entry(0, heavy=True)], ROOM) is None
    assert next_in_line([heavy, light], [entry(0, heavy=True)], ROOM) == light
    assert next_in_line([heavy], [entry(0, heavy=True)], ROOM, heavy_at_once=2) == heavy


def test_a_large_step_is_not_passed_for_ever() -> None:
    large, small, running = entry(1, "b", 2200), entry(2, "c"), entry(0, "a", 500)
    assert next_in_line([large, small], [running], ROOM) == small
    assert next_in_line([replace(large, passed=PATIENCE), small], [running], ROOM) is None
    full = replace(ROOM, used_mb=1500)  # by nothing that would end: others wait until it is refused
    assert next_in_line([replace(large, passed=PATIENCE), small], [], full) is None
    assert next_in_line([small], [], full) == small


def test_a_heavy_step_that_waits_for_its_lane_holds_nobody_back() -> None:
    patient = entry(1, "b", heavy=True, passed=PATIENCE + 5)
    assert next_in_line([patient, entry(2, "c")], [entry(0, heavy=True)], ROOM) == entry(2, "c")


def test_nothing_begins_beside_running_work_while_it_is_held() -> None:
    short = replace(ROOM, held="RAM is short")
    assert next_in_line([entry(1)], [entry(0)], short) is None
    assert next_in_line([entry(1)], [], short) == entry(1)  # nothing would ever open the door: the sums decide


def test_a_full_disk_holds_only_who_writes() -> None:
    full, writes = replace(ROOM, held_writing="the disk is full"), Entry(1, "a", 10, 5, False)
    assert next_in_line([writes, entry(2)], [entry(0)], full) == entry(2)
    assert next_in_line([writes], [], full) == writes


def test_what_a_running_step_uses_already_is_counted_once() -> None:
    running = Entry(0, "a", 2000, 0, False, resident_mb=2000)
    busy = replace(ROOM, used_mb=2200)
    assert next_in_line([entry(1, mb=50)], [running], replace(busy, limit_mb=5000)) is not None
    assert next_in_line([entry(1, mb=50)], [replace(running, resident_mb=0)], replace(busy, limit_mb=5000)) is None


def test_room_of_two_readings() -> None:
    memory = MemoryReading(4_000_000_000, "cgroup v2", 200_000_000, None, None, None)
    disk = DiskReading(50_000_000_000, "tier t4-small", 1, 0, 50_000_000_000)
    assert room_of(memory, disk) == replace(ROOM, disk_scale_mb=50_000)


def test_a_large_disk_of_ones_own_refuses_nothing_while_many_gb_are_free() -> None:
    memory = MemoryReading(4_000_000_000, "host", 200_000_000, None, None, None)
    disk = DiskReading(10**12, FILE_SYSTEM, 9 * 10**11, 1, 10**11)  # 90 % full
    assert disk.fraction == pytest.approx(0.9) and disk.danger == 0.0 and disk.excess_bytes == 0
    fetch = Entry(0, "a", 40, 5_000, False)
    assert next_in_line([fetch], [], room_of(memory, disk)) == fetch
    low = replace(disk, free_bytes=6 * 10**9)
    assert low.danger == pytest.approx(0.88) and low.excess_bytes == 9 * 10**9
    assert next_in_line([fetch], [], room_of(memory, low)) is None
    tier = replace(low, limit_bytes=50 * 10**9, limit_source="tier t4-small")
    assert tier.danger == tier.fraction == pytest.approx(0.88)


def test_never_and_not_now() -> None:
    assert never_fits(entry(0, mb=2200), ROOM) is None
    assert never_fits(entry(0, mb=2800), ROOM) is not None
    assert never_fits(Entry(0, "a", 10, 45_000, False), ROOM) is not None
    full = replace(ROOM, used_mb=3000)
    assert not_now(entry(0, mb=500), [], full) is not None
    assert not_now(Entry(0, "a", 10, 5000, False), [], replace(ROOM, disk_free_mb=9000)) is not None


def test_hope_is_what_running_steps_may_give_back() -> None:
    full, step = replace(ROOM, used_mb=3000), entry(0, mb=500)
    assert not_now(step, [entry(1, mb=800)], full) is None
    assert not_now(step, [replace(entry(1, mb=100), resident_mb=1000)], full) is None
    short = not_now(step, [entry(1, mb=100)], full)
    assert short is not None and short.free_mb == 0 and short.needed_mb == pytest.approx(625)
    writes, low = Entry(0, "a", 10, 5000, False), replace(ROOM, disk_free_mb=9000)
    assert not_now(writes, [Entry(1, "b", 10, 3600, False)], low) is None
    hopeless = not_now(writes, [Entry(1, "b", 10, 100, False)], low)
    assert hopeless is not None and hopeless.resource == "disk"


entries = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(1, 2500), st.floats(0, 40_000), st.booleans()), min_size=1, max_size=12
)


@given(raw=entries, steps=st.lists(st.integers(0, 20), max_size=60), base=st.floats(0, 400))
@settings(max_examples=60, deadline=None)
def test_no_starvation_never_two_heavy_never_above_the_ceiling(
    raw: list[tuple[str, float, float, bool]], steps: list[int], base: float
) -> None:
    """Steps come one by one while others end at random; nobody is passed for ever and the sums always hold."""
    waiting = [Entry(n, owner, mb, disk, heavy) for n, (owner, mb, disk, heavy) in enumerate(raw)]
    waiting = [one for one in waiting if not_now(one, [], replace(ROOM, used_mb=base)) is None]
    running: list[Entry] = []
    written, begun, everybody = 0.0, 0, len(waiting)
    for turn in [*steps, *[0] * (3 * len(raw) + 3)]:
        room = replace(ROOM, used_mb=base, disk_free_mb=ROOM.disk_free_mb - written)
        while (chosen := next_in_line(waiting, running, room)) is not None:
            before = in_order(waiting, running)
            behind = {e.number for e in before[: before.index(chosen)]}
            waiting = [replace(e, passed=e.passed + (e.number in behind)) for e in waiting if e != chosen]
            running.append(chosen)
            begun += 1
            assert sum(e.heavy for e in running) <= 1
            promised = sum(SAFETY * e.memory_mb for e in running)
            assert base + promised + reserve_mb(room.limit_mb) <= CEILING * room.limit_mb + 1e-6
            assert sum(e.disk_mb for e in running) <= 0.85 * room.disk_limit_mb + 1e-6
        assert running or not waiting
        if running:
            running.pop(turn % len(running))
    assert begun == everybody
