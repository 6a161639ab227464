"""Hung, foreign and vanished folders, clocks that were set, and words that must not be kept."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from core.resources import safemode
from core.resources.beats import Vitals, read_beats
from core.resources.breaker import Breaker
from core.resources.events import FILE, MOST, Event, clean, encode, prune, put_file, read_files
from core.resources.lane import Lane, ask
from core.resources.phases import carry_salt, case_word
from core.resources.record import EARLIER, merged, read_record
from core.resources.recorder import FOLDER, Recorder
from core.resources.runs import RunLog, judge, previous_run
from core.resources.safemode import BUCKET

EVENT = Event("phase begin", "abcdef012345", 12.5, "app", 42, 3.25, 1, {"phase": "engine"})
HALF = Vitals(ram_used=2e9, ram_limit=4e9)
LONG_S = 60.0


@contextmanager
def hanging(*folders: Path) -> Iterator[None]:
    """Persistent folders of which the newest file does not answer: a pipe that nobody writes to."""
    pipes = [folder / "299999999999999-x.json" for folder in folders]
    for pipe in pipes:
        pipe.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(pipe)
    try:
        yield
    finally:
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline and any(one.name.startswith("asks") for one in threading.enumerate()):
            for pipe in pipes:  # whoever still reads reads nothing
                with suppress(OSError):
                    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            time.sleep(0.01)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_with_a_bug_ends_its_thread_not_the_lane() -> None:
    lane = Lane("with a bug")

    def bug() -> None:
        raise ValueError

    for _ in range(20):
        assert lane.do(bug, LONG_S)
        assert lane.do(lambda: None, LONG_S)
    lane.close(LONG_S)
    for thread in threading.enumerate():  # what they say at their end belongs to this test
        if thread.name == "recorder-with a bug":
            thread.join(LONG_S)


def test_a_hung_disk_costs_one_wait_not_one_each() -> None:
    lane, go = Lane("local"), threading.Event()

    def hang() -> None:
        go.wait(LONG_S)

    assert not lane.do(hang, 0.01)
    began = time.monotonic()
    assert not lane.do(lambda: None, LONG_S)
    assert time.monotonic() - began < LONG_S / 2
    go.set()
    assert lane.close(LONG_S)
    assert lane.do(lambda: None, LONG_S)  # who has recovered is waited for again
    lane.close(LONG_S)


def test_hung_questions_do_not_add_up() -> None:
    go, asked = threading.Event(), list[int]()

    def question() -> None:
        asked.append(1)
        go.wait(LONG_S)

    assert [ask("there", question, 0.05) for _ in range(5)] == [False] * 5
    assert ask("elsewhere", lambda: asked.append(2), LONG_S)
    assert asked == [1, 2]
    go.set()
    while not ask("there", lambda: asked.append(3), LONG_S):
        time.sleep(0.01)
    assert asked == [1, 2, 3]


def test_a_hung_bucket_gives_what_came_before_it_hung(tmp_path: Path) -> None:
    put_file(tmp_path, EVENT)
    go = threading.Event()

    def read(path: Path) -> bytes:
        if not path.name.startswith("2"):
            go.wait(LONG_S)
        return path.read_bytes()

    put_file(tmp_path, replace(EVENT, at=2e11, number=2))
    found, damaged = read_files(tmp_path, 0.5, read=read)
    assert (len(found), damaged) in ((1, 0), (0, 0))  # under load not even the first
    go.set()


def test_nobody_starts_late_because_a_bucket_hangs(tmp_path: Path) -> None:
    state, bucket = tmp_path / "state", tmp_path / "bucket"
    with hanging(bucket / FOLDER, bucket / BUCKET):
        log = RunLog(state, persist_dir=bucket)
        assert log.settle(patience_s=0.1) == ()
        one = Breaker(log.recorder, patience_s=0.1)
        threading.Thread(target=one.prepare, daemon=True).start()
        for key in "ab":
            one.note_end("engine", "sub-1", "killed", key)
        assert one.state().active
        assert not one.leave().active
        run = log.start()
        log.end(run, judge(0), 0)
        found = previous_run(state)
        log.recorder.close(LONG_S)
    assert found is not None
    assert found.class_ == "clean stop"


def test_safe_mode_can_be_left_where_nothing_can_be_written_any_more(tmp_path: Path) -> None:
    one = Breaker(Recorder(tmp_path, patience_s=30.0), patience_s=30.0)
    for key in "ab":
        one.note_end("engine", "sub-1", "killed", key)
    kept = (tmp_path / FOLDER / safemode.FILE).read_bytes()
    shutil.rmtree(tmp_path / FOLDER)
    (tmp_path / FOLDER).write_text("no folder")
    assert not one.leave().active
    one.note_end("engine", "sub-2", "killed", "c")
    (tmp_path / FOLDER).unlink()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / safemode.FILE).write_bytes(kept)  # the disk is back, with what it had
    assert not one.state().active
    one.note_end("score", "sub-2", "killed", "d")
    ends = ["abnormal end"] * 2
    assert [entry.event for entry in safemode.read_entries(tmp_path)] == [*ends, "left", *ends]
    assert not Breaker(Recorder(tmp_path)).state().active


def test_a_folder_that_was_cleared_gets_another_file(tmp_path: Path) -> None:
    with Recorder(tmp_path, patience_s=30.0) as recorder:
        recorder.beat(HALF)
        recorder.note("threshold")
        shutil.rmtree(tmp_path / FOLDER)
        for _ in range(3):
            recorder.note("threshold")
        assert len(read_beats(tmp_path / FOLDER)[0]) >= 2
        assert len(read_record(tmp_path).events) == 3


def test_numbers_that_fit_no_slot_end_no_record(tmp_path: Path) -> None:
    with Recorder(tmp_path, patience_s=30.0) as recorder:
        assert recorder.note("worker end", rc=1 << 40, predicted_mb=10**400)
        assert recorder.note("worker end", rc=-9)
    assert [event.value("rc") for event in read_record(tmp_path).events] == [1 << 40, -9]


def test_names_of_files_and_folders_stay_out_of_every_file(tmp_path: Path) -> None:
    with Recorder(tmp_path, patience_s=30.0) as recorder:
        recorder.beat(HALF)
        with recorder.phase("engine", case="/home/muster/scan", kind="Muster_Anna.nii.gz"):
            recorder.beat(HALF)
            recorder.note("threshold", what="segmenting muster-anna.NII")
    held = b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert b"muster" not in held.lower()
    assert clean({"what": "diffusion 1.2.3, ended by SIGKILL"})["what"] == "diffusion 1.2.3, ended by SIGKILL"


def test_a_secret_that_was_torn_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "salt").write_bytes(b"")
    word = case_word("Anna", tmp_path, public=False)
    assert len((tmp_path / "salt").read_bytes()) == 16
    assert case_word("Anna", tmp_path, public=False) == word
    (tmp_path / "file").write_text("")
    nowhere = case_word("Anna", tmp_path / "file", public=False)
    assert nowhere == case_word("Anna", tmp_path / "file", public=False)
    (tmp_path / "zero").mkdir()
    (tmp_path / "zero" / "salt").write_bytes(bytes(16))
    assert nowhere != case_word("Anna", tmp_path / "zero", public=False)


def test_a_private_case_stays_in_quarantine_in_a_fresh_container(tmp_path: Path) -> None:
    bucket, word = tmp_path / "bucket", ""
    for life in ("one", "two", "three"):
        breaker = Breaker(Recorder(tmp_path / life, bucket, patience_s=30.0), patience_s=30.0)
        breaker.prepare()
        now = case_word("Anna", tmp_path / life, public=False)
        assert word in ("", now)
        word = now
        if life != "three":
            breaker.note_end("engine", word, "out of memory", life)
        assert breaker.state().active == (life != "one")
        breaker.close()
    carry_salt(tmp_path / "three", bucket)
    assert "Anna" not in " ".join(path.read_text("latin-1") for path in bucket.rglob("*") if path.is_file())


def test_files_from_a_wrong_clock_do_not_push_out_the_new_ones(tmp_path: Path) -> None:
    for number in range(6):
        put_file(tmp_path, replace(EVENT, at=4e9 + number, number=number))
    for number in range(4):
        put_file(tmp_path, replace(EVENT, at=1e9 + number, number=10 + number))
    prune(tmp_path, keep=5, now=1e9 + 10)
    assert sorted(event.number for event in read_files(tmp_path)[0]) == [5, 10, 11, 12, 13]


def test_a_clock_set_back_changes_no_order(tmp_path: Path) -> None:
    clock = iter([100.0, 101.0, 40.0, 41.0, 42.0])
    with Recorder(tmp_path, clock=lambda: next(clock), patience_s=30.0) as recorder:
        for name in ("run start", "phase begin", "phase end", "phase begin", "threshold"):
            recorder.note(name, phase="engine")
    lines = (tmp_path / FOLDER / FILE).read_bytes()
    told = [event.event for event in read_record(tmp_path).events]
    assert told == ["run start", "phase begin", "phase end", "phase begin", "threshold"]
    pieces = lines.split(b"\n")
    (tmp_path / FOLDER / FILE).write_bytes(b"\n".join(pieces[:3] + pieces[5:]))  # the second is in the heartbeat alone
    assert [event.event for event in read_record(tmp_path).events] == told


def test_events_find_their_place() -> None:
    def one(number: int, at: float, pid: int = 1) -> Event:
        return replace(EVENT, number=number, at=at, pid=pid)

    written = [one(1, 10.0), one(2, 20.0), one(5, 15.0), one(6, 30.0)]
    found = merged(written, [one(3, 21.0), one(4, 14.0), one(1, 10.0), one(9, 12.0, 2), one(9, 40.0, 3)])
    assert [(event.number, event.pid) for event in found] == [
        (1, 1), (9, 2), (2, 1), (4, 1), (3, 1), (5, 1), (6, 1), (9, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("name", [FILE, "beats-app-0.ring", "safe.slots"])
def test_foreign_files_cost_little(tmp_path: Path, name: str) -> None:
    """A file of a terabyte (a sparse one), and a pipe, in the place of each."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, 2)
        file.write(b"\n" + encode(EVENT) + b"\n")
    (tmp_path / EARLIER).write_bytes(b"x" * (3 * MOST))
    assert len(read_record(tmp_path).events) == (name == FILE)
    assert safemode.safe_mode(tmp_path) == safemode.OFF
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert read_record(tmp_path).events == ()
    assert safemode.safe_mode(tmp_path) == safemode.OFF


def test_an_old_measurement_stands_beside_no_transition(tmp_path: Path) -> None:
    now = [0.0]
    with Recorder(tmp_path, ticks=lambda: now[0], patience_s=30.0) as recorder:
        recorder.beat(HALF)
        recorder.note("threshold")
        now[0] = 60.0
        recorder.note("threshold")
        recorder.beat_ram(3e9, 4e9)
        recorder.note("threshold")
    percents = [event.value("ram_percent") for event in read_record(tmp_path).events]
    assert percents == [50.0, None, 75.0]
    assert [beat.vitals.ram for beat in read_record(tmp_path).beats if beat.event] == [0.5, None, 0.75]


def test_of_another_run_nothing_was_measured_now(tmp_path: Path) -> None:
    with Recorder(tmp_path, patience_s=30.0) as recorder:
        recorder.beat(HALF)
        recorder.note("run end", of_run="f" * 12, found_later=True)
    assert read_record(tmp_path).events[0].value("ram_percent") is None


def test_frequent_looks_at_ram_are_told_by_whoever_tells_of_limits(tmp_path: Path) -> None:
    with Recorder(tmp_path, patience_s=30.0) as recorder:
        recorder.beat(HALF)
        for percent in range(50, 100):
            recorder.beat_ram(percent * 1e7, 1e9, 0)
        assert read_record(tmp_path).events == ()
        recorder.beat(Vitals(ram_used=99.0, ram_limit=100.0))
    record = read_record(tmp_path)
    assert [event.event for event in record.events] == ["near limit"]
    assert len(record.beats) > 40  # a fast climb is there in steps of a percent
