"""Safe mode begins after two ends in one place or three in a quarter of an hour, and ends by a person or by health."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources import safemode
from core.resources.events import Event
from core.resources.recorder import FOLDER
from core.resources.safemode import DONE, END, FILE, HEALTHY, LEFT, OFF, decide, entry_of, is_done, newest_end, pending
from core.resources.slots import SLOT
from tests.resources.test_slots import fill
from tests.resources.test_slots import small_disk as small_disk


def end(at: float, phase: str = "engine", case: str = "sub-1", key: str = "") -> Event:
    return entry_of(END, at, phase=phase, case=case, **{"class": "killed"}, key=key)


def test_two_in_the_same_place() -> None:
    assert decide([end(0.0)]) == OFF
    state = decide([end(0.0), end(90_000.0)])  # however long it took: the seed's loop needed 13 minutes a turn
    assert (state.active, state.since, state.quarantined) == (True, 90_000.0, (("engine", "sub-1"),))
    assert state.reason == '2 abnormal ends in the step "engine" of case sub-1'
    assert not state.allows("decode", "sub-2")


def test_two_in_different_places_are_not_enough() -> None:
    assert not decide([end(0.0), end(5000.0, case="sub-2"), end(10_000.0, phase="score")]).active
    assert not decide([end(0.0, phase="", case=""), end(1.0, phase="", case="")]).active  # nobody knows where


def test_three_within_15_minutes() -> None:
    ends = [end(0.0, phase="", case=""), end(400.0, case="sub-2"), end(899.0, phase="score")]
    state = decide(ends)
    assert (state.active, state.reason) == (True, "3 abnormal ends within 15 minutes")
    assert state.quarantined == (("engine", "sub-2"), ("score", "sub-1"))
    assert not decide([ends[0], ends[1], end(901.0, phase="score")]).active


def test_one_end_told_twice_counts_once() -> None:
    assert not decide([end(0.0, key="run1"), end(1.0, key="run1"), end(2.0, phase="score", key="run2")]).active
    assert decide([end(0.0, key="run1"), end(1.0, key="run2")]).active


def test_a_person_lifts_everything() -> None:
    ends = [end(0.0), end(1.0)]
    assert decide([*ends, entry_of(LEFT, 2.0)]) == OFF
    assert not decide([*ends, entry_of(LEFT, 2.0), end(3.0)]).active
    assert decide([*ends, entry_of(LEFT, 2.0), end(3.0), end(4.0)]).active


def test_health_ends_safe_mode_but_not_the_quarantine() -> None:
    healthy = [end(0.0), end(1.0), entry_of(HEALTHY, 700.0)]
    state = decide(healthy)
    assert (state.active, state.quarantined, state.reason) == (False, (("engine", "sub-1"),), "")
    assert state.allows("engine", "sub-2")
    assert not state.allows("engine", "sub-1")
    assert decide([*healthy, end(800.0)]).active  # at once, when it is tried by hand and dies again
    assert decide([*healthy, entry_of(DONE, 800.0, phase="engine", case="sub-1")]).allows("engine", "sub-1")


def test_health_forgets_what_ended_in_one_place_alone() -> None:
    assert not decide([end(0.0), entry_of(HEALTHY, 700.0), end(90 * 86_400.0)]).active
    assert decide([end(0.0), entry_of(HEALTHY, 700.0), end(800.0), end(900.0)]).active


def test_what_ended_long_before_it_was_counted_is_not_recent() -> None:
    days = [entry_of(END, 9e6 + n, phase="", ended=f"{86_400.0 * n}", key=str(n)) for n in range(3)]
    assert not decide(days).active
    soon = [entry_of(END, 9e6 + 9000 * n, phase="", ended=f"{100.0 * n}", key=str(n)) for n in range(3)]
    assert decide(soon).active
    assert decide([entry_of(END, 9e6, phase="", ended="soon", key=str(n)) for n in range(3)]).active


def test_what_waits_for_health() -> None:
    ends = [end(1000.0)]
    assert not pending([])
    assert pending(ends)
    assert newest_end([*ends, entry_of(DONE, 1100.0)]) == ends[0]
    assert not pending([*ends, entry_of(HEALTHY, 1601.0)])
    assert not pending([*ends, entry_of(LEFT, 10.0)])  # under a clock that was set back


def test_a_clock_that_was_set_back_neither_holds_it_nor_hides_it() -> None:
    ends = [end(50_000.0), end(50_001.0)]
    assert decide([*ends, entry_of(LEFT, 10.0)]) == OFF
    assert not decide([*ends, entry_of(HEALTHY, 10.0)]).active
    assert decide([end(50_000.0), end(10.0)]).active
    assert decide([*ends, entry_of(DONE, 10.0, phase="engine", case="sub-1")]).quarantined == ()


entries = st.lists(
    st.builds(
        entry_of,
        st.sampled_from([END, END, END, DONE, HEALTHY, LEFT]),
        st.integers(0, 4000).map(float),
        phase=st.sampled_from(["", "engine", "fetch"]),
        case=st.sampled_from(["", "sub-1", "sub-2"]),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(found=entries, later=entries)
def test_properties(found: list[Event], later: list[Event]) -> None:
    state = decide(found)
    assert state.active == bool(state.reason) == (state.since is not None)
    assert decide([*found, entry_of(LEFT, 5000.0)]) == OFF
    assert not decide([*found, entry_of(HEALTHY, 5000.0)]).active
    for pair in state.quarantined:
        assert not state.allows(*pair)
    twice = [*found, entry_of(END, 5000.0, phase="score", case="x"), entry_of(END, 5001.0, phase="score", case="x")]
    assert ("score", "x") in decide(twice).quarantined
    assert decide(twice).active


def test_kept_in_a_file_of_fixed_size(tmp_path: Path) -> None:
    for first in range(0, 70, 35):
        safemode.keep(tmp_path, [end(1e4 * n, case=f"sub-{n}" + "x" * 300) for n in range(first, first + 35)])
    assert (tmp_path / FOLDER / FILE).stat().st_size == safemode.COUNT * SLOT
    assert len(safemode.read_entries(tmp_path)) == safemode.COUNT
    assert not safemode.safe_mode(tmp_path).active
    assert safemode.note_end(tmp_path, None, "engine", "é" * 100, "killed", 2e6).quarantined == ()
    state = safemode.note_end(tmp_path, None, "engine", "é" * 100, "killed", 2e6 + 1)
    assert state.active
    assert not state.allows("engine", "é" * 100)
    safemode.keep(tmp_path, [entry_of(LEFT, 2e6 + 2)])
    assert safemode.safe_mode(tmp_path) == OFF


def test_success_says_something_only_where_ends_count() -> None:
    assert is_done([], "engine", "sub-1")
    assert not is_done([end(1.0)], "engine", "sub-1")
    assert is_done([end(1.0)], "engine", "sub-2")
    assert is_done([end(1.0), entry_of(DONE, 2.0, phase="engine", case="sub-1")], "engine", "sub-1")
    assert is_done([end(1.0), entry_of(LEFT, 2.0)], "engine", "sub-1")
    assert not is_done([end(1.0), entry_of(HEALTHY, 2.0)], "engine", "sub-1")


def test_a_fresh_container_knows_from_the_persistent_folder(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    for at in (1.0, 2.0):
        safemode.note_end(tmp_path / "one", bucket, "engine", "sub-1", "out of memory", at)
    fresh = tmp_path / "two"
    assert safemode.safe_mode(fresh, bucket).active
    safemode.prepare(fresh, bucket)
    safemode.prepare(fresh, bucket)
    assert len(safemode.read_entries(fresh)) == 2
    assert safemode.safe_mode(fresh).quarantined == (("engine", "sub-1"),)


def test_a_full_disk_cannot_keep_the_count_from_growing(small_disk: Path) -> None:
    safemode.prepare(small_disk, None)
    fill(small_disk)
    for at in (1.0, 2.0):
        state = safemode.note_end(small_disk, None, "decode", "sub-1", "disk full", at)
    assert state.active


def test_several_processes_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.resources import safemode\n"
        "for n in range(10): safemode.note_end(Path(sys.argv[1]), None, 'engine', sys.argv[2] + str(n), 'x', n)"
    )
    root = str(Path(__file__).resolve().parents[2])
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who], env={"PYTHONPATH": root}) for who in "ab"
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert len({entry.text("case") for entry in safemode.read_entries(tmp_path)}) == 20
