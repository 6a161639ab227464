"""The record of runs tells the truth, or says that it does not know."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.runs import FILE, MAX_BYTES, Ending, PreviousRun, RunLog, is_alive, judge, previous_run


def gone(pid: int, born: float | None) -> bool:
    return False


def alive(pid: int, born: float | None) -> bool:
    return True


@pytest.mark.parametrize(
    ("code", "extra", "class_"),
    [
        (0, {}, "clean stop"),
        (143, {}, "clean stop"),
        (130, {}, "clean stop"),
        (-15, {"asked": True}, "clean stop"),
        (-15, {}, "killed"),
        (-9, {"oom_kills": 1}, "out of memory"),
        (-9, {"oom_kills": 0}, "killed"),
        (-9, {}, "killed"),
        (-9, {"asked": True, "forced": True}, "clean stop"),
        (-11, {"oom_kills": 1}, "native crash"),
        (-6, {}, "native crash"),
        (1, {}, "crash"),
        (-64, {}, "killed"),
    ],
)
def test_what_a_return_code_says(code: int, extra: dict[str, int], class_: str) -> None:
    ending = judge(code, **extra)  # type: ignore[arg-type]
    assert (ending.class_, ending.confidence) == (class_, "confirmed")
    assert ending.evidence


def test_nothing_recorded(tmp_path: Path) -> None:
    assert previous_run(tmp_path) is None
    assert previous_run(tmp_path / "none") is None


def test_a_run_with_its_end(tmp_path: Path) -> None:
    times = iter((10.0, 25.0))
    log = RunLog(tmp_path, clock=lambda: next(times))
    log.end(log.start(), judge(0), 0)
    assert previous_run(tmp_path) == PreviousRun("clean stop", "confirmed", ("return code 0",), 10.0, 25.0)


def test_the_present_run_is_passed_over(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.end(log.start(), judge(-11), -11)
    log.start()
    found = previous_run(tmp_path)
    assert found is not None
    assert found.class_ == "native crash"


def test_a_run_without_an_end_is_unknown(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.end(log.start(), judge(0), 0)
    log.start()
    found = previous_run(tmp_path, alive=gone)
    assert found is not None
    assert (found.class_, found.confidence, found.ended_at) == ("unknown", "none", None)


def test_a_reused_process_number_is_another_process() -> None:
    assert is_alive(os.getpid(), None)
    assert not is_alive(os.getpid(), 1000.0)
    assert not is_alive(2**22 + 5, None)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.end(log.start(), judge(0), 0)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"event": "start", "run": "abc", "at": 12')
    log.end(log.start(), judge(1), 1)
    found = previous_run(tmp_path)
    assert found is not None
    assert found.class_ == "crash"


def test_the_record_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"event": "start", "run": "old", "at": 1, "pid": 1, "born": 1}\n' * 1500)
    log = RunLog(tmp_path)
    log.end(log.start(), Ending("crash", "confirmed", ("return code 3",)), 3)
    assert (tmp_path / FILE).stat().st_size < MAX_BYTES
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    found = previous_run(tmp_path, alive=gone)
    assert found is not None
    assert found.evidence == ("return code 3",)


def test_an_unwritable_folder_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    log = RunLog(tmp_path / "file" / "state")
    log.end(log.start(), judge(0), 0)
    assert previous_run(tmp_path / "file" / "state") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "run", "at", "pid", "born", "class", "evidence"]), inner, max_size=6
        )
    ),
    max_leaves=8,
)
records = st.fixed_dictionaries(
    {"event": st.sampled_from(["start", "end"])},
    optional=dict.fromkeys(("run", "at", "pid", "born", "class", "confidence", "evidence"), json_values),
)


@given(lines=st.lists(st.one_of(st.binary(max_size=40), records.map(lambda r: json.dumps(r).encode())), max_size=6))
def test_strange_records_never_raise(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / FILE).write_bytes(b"\n".join(lines))
    found = previous_run(folder, alive=gone)
    assert found is None or isinstance(found.as_json()["class"], str)


@given(cut=st.integers(0, 400))
def test_a_record_cut_anywhere_is_right_or_unknown(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("state")
    log = RunLog(folder)
    log.end(log.start(), judge(-6), -6)
    path = folder / FILE
    path.write_bytes(path.read_bytes()[:cut])
    found = previous_run(folder, alive=gone)
    assert found is None or found.class_ in ("unknown", "native crash")
