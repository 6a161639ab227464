"""The record of runs tells the truth, or says that it does not know."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.beats import Beat, Vitals, open_beats, pack_beat
from core.resources.breaker import Breaker
from core.resources.events import FILE as LINES
from core.resources.events import Event, append
from core.resources.record import EARLIER, read_record
from core.resources.recorder import FOLDER, Recorder
from core.resources.runs import HISTORY, Ending, RunLog, history, is_alive, judge, previous_run


def gone(pid: int, born: float | None) -> bool:
    return False


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
    assert history(tmp_path) == ()


def test_a_run_with_its_end(tmp_path: Path) -> None:
    times = iter((10.0, 25.0))
    log = RunLog(tmp_path, clock=lambda: next(times))
    run = log.start()
    log.end(run, judge(0), 0)
    found = previous_run(tmp_path)
    assert found is not None
    assert (found.class_, found.confidence, found.evidence) == ("clean stop", "confirmed", ("return code 0",))
    assert (found.started_at, found.ended_at, found.run) == (10.0, 25.0, run)


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


def test_the_next_start_writes_the_verdict_down(tmp_path: Path) -> None:
    first = Recorder(tmp_path, role="app", run="a" * 12)
    first.beat(Vitals(ram_used=93.0, ram_limit=100.0))
    with first, first.phase("engine", case="sub-1"):
        copies = {path: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    for path, content in copies.items():  # as it was in the middle of the step
        path.write_bytes(content)
    (judged,) = RunLog(tmp_path).settle(gone)
    assert (judged.class_, judged.phase, judged.case) == ("out of memory", "engine", "sub-1")
    for ring in (tmp_path / FOLDER).glob("*.ring"):
        ring.unlink()
    found = previous_run(tmp_path, alive=gone)
    assert found is not None
    assert (found.class_, found.confidence, found.phase, found.case, found.whom) == (
        "out of memory", "probable", "engine", "sub-1", "a visitor's job",
    )  # fmt: skip
    assert found.ended_at is None
    assert RunLog(tmp_path).settle(gone) == ()


def test_a_fresh_container_reads_the_persistent_folder(tmp_path: Path) -> None:
    bucket, asked = tmp_path / "bucket", []
    log = RunLog(tmp_path / "one", persist_dir=bucket)
    log.end(log.start(), judge(1), 1)
    log.start(space=True)
    with log.recorder.phase("engine", case="sub-1", predicted_mb=10.0):
        bucketed = {path: path.read_bytes() for path in (bucket / FOLDER).iterdir()}
    log.recorder.close()
    for path in (bucket / FOLDER).iterdir():
        if path not in bucketed:
            path.unlink()

    def hub() -> str:
        asked.append(1)
        return "Memory limit exceeded (16Gi)"

    fresh = tmp_path / "two"
    found = previous_run(fresh, gone, persist_dir=bucket, hub_message=hub)
    assert found is not None
    assert (found.class_, found.confidence, found.phase) == ("out of memory", "confirmed", "engine")
    (judged,) = RunLog(fresh, persist_dir=bucket, hub_message=hub).settle(gone)
    assert (judged.class_, judged.counts, len(asked)) == ("out of memory", True, 2)
    assert [run.class_ for run in history(fresh, gone)] == ["out of memory", "crash"]  # the copy is local now


def test_an_idle_run_of_another_container_is_told_but_does_not_count(tmp_path: Path) -> None:
    """Two containers share the persistent folder, and the new one starts while the old one serves."""
    idle, busy = tmp_path / "idle", tmp_path / "busy"
    RunLog(tmp_path / "one", persist_dir=idle).start(space=True)
    (judged,) = RunLog(tmp_path / "two", persist_dir=idle).settle(gone)
    assert (judged.class_, judged.abnormal, judged.counts) == ("unknown", True, False)
    old = RunLog(tmp_path / "three", persist_dir=busy)
    old.start(space=True)
    with old.recorder.phase("engine", case="sub-1"):  # this may be the loop that safe mode ends
        (judged,) = RunLog(tmp_path / "four", persist_dir=busy).settle(gone)
    assert (judged.class_, judged.phase, judged.counts) == ("unknown", "engine", True)


def test_commands_are_no_runs(tmp_path: Path) -> None:
    with Recorder(tmp_path, role="command") as recorder:
        recorder.note("phase begin")
    assert previous_run(tmp_path, gone) is None


def test_history_is_bounded(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for code in (*[0] * 24, -6):
        log.end(log.start(), judge(code), code)
    assert [run.class_ for run in history(tmp_path)] == ["native crash"] + ["clean stop"] * (HISTORY - 1)


def test_a_reused_process_number_is_another_process() -> None:
    assert is_alive(os.getpid(), None)
    assert not is_alive(os.getpid(), 1000.0)
    assert not is_alive(2**22 + 5, None)


def test_who_holds_its_heartbeat_lives_whatever_the_clock_says(tmp_path: Path) -> None:
    """After a clock was set every process seems to be born at another time than it wrote down."""
    begun = Event("run start", "a" * 12, 5e8, "app", os.getpid(), 5e8, 1)
    append(tmp_path / FOLDER, [begun])
    held = open_beats(tmp_path / FOLDER, "app")
    held.write(pack_beat(Beat(5e8, begun.run, "app", os.getpid(), 5e8)))
    assert previous_run(tmp_path) is None
    assert RunLog(tmp_path).settle() == ()
    held.close()
    found = previous_run(tmp_path)
    assert found is not None
    assert found.class_ == "unknown"


def test_an_unwritable_folder_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    log = RunLog(tmp_path / "file" / "state")
    log.end(log.start(), judge(0), 0)
    assert previous_run(tmp_path / "file" / "state") is None


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.end(log.start(), judge(0), 0)
    with (tmp_path / FOLDER / LINES).open("ab") as file:
        file.write(b'1234abcd {"event": "start", "run": "abc", "at": 12')
    log.end(log.start(), Ending("crash", "confirmed", ("return code 1",)), 1)
    found = previous_run(tmp_path)
    assert found is not None
    assert found.class_ == "crash"
    assert read_record(tmp_path).damaged == 1


def test_what_earlier_versions_wrote_is_probable(tmp_path: Path) -> None:
    start = {"event": "start", "run": "abc", "at": 5.0, "pid": 1, "born": 1.0}
    end = {"event": "end", "run": "abc", "at": 9.0, "rc": -9, "class": "out of memory", "confidence": "confirmed"}
    lines = [json.dumps(start), json.dumps({**end, "evidence": ["ended by SIGKILL"]})]
    (tmp_path / EARLIER).write_text("\n".join(lines) + "\n")
    found = previous_run(tmp_path)
    assert found is not None
    assert (found.class_, found.confidence, found.started_at, found.ended_at) == ("out of memory", "probable", 5.0, 9.0)
    log = RunLog(tmp_path)
    log.end(log.start(), judge(0), 0)
    newest = previous_run(tmp_path)
    assert newest is not None
    assert newest.class_ == "clean stop"


def test_what_earlier_versions_left_without_an_end_does_not_count(tmp_path: Path) -> None:
    """They wrote none for a run that was killed: three of those over two months are no reason for safe mode."""
    now = time.time()
    starts = [
        {"event": "start", "run": f"{n:012d}", "at": now - 86_400 * n, "pid": 9, "born": 1.0} for n in (60, 30, 10)
    ]
    (tmp_path / EARLIER).write_text("\n".join(map(json.dumps, starts)) + "\n")
    breaker = Breaker(Recorder(tmp_path, patience_s=30.0), patience_s=30.0)
    judged = RunLog(tmp_path).settle(gone)
    for verdict in judged:
        breaker.note_run(verdict)
    assert [verdict.class_ for verdict in judged] == ["unknown"] * 3
    assert (breaker.state().active, breaker.pending()) == (False, False)


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


@settings(max_examples=15)
@given(lines=st.lists(st.one_of(st.binary(max_size=40), records.map(lambda r: json.dumps(r).encode())), max_size=6))
def test_strange_records_never_raise(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / EARLIER).write_bytes(b"\n".join(lines))
    found = previous_run(folder, alive=gone)
    assert found is None or isinstance(found.as_json()["class"], str)
    assert found is None or found.confidence != "confirmed"
