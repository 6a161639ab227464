"""The recorder writes before the step, survives what the disk does, and says each transition once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import WorkerDied
from core.resources.beats import Vitals
from core.resources.events import Event, in_words, read_files
from core.resources.memory import MemoryReading
from core.resources.phases import case_word
from core.resources.record import read_record
from core.resources.recorder import FOLDER, RUN, Recorder, run_id
from core.resources.slots import SLOT
from core.resources.watchdog import Watchdog
from tests.resources.test_slots import fill
from tests.resources.test_slots import small_disk as small_disk

HALF = Vitals(ram_used=2e9, ram_limit=4e9, disk_used=1e9, disk_limit=50e9)


@contextmanager
def recording(folder: Path, persist: Path | None = None, **more: object) -> Iterator[Recorder]:
    with Recorder(folder, persist, patience_s=30.0, **more) as recorder:  # type: ignore[arg-type]
        yield recorder


def names(folder: Path, persist: Path | None = None) -> list[str]:
    return [event.event for event in read_record(folder, persist).events]


def test_a_phase_is_on_disk_before_it_begins(tmp_path: Path) -> None:
    with recording(tmp_path, tmp_path / "bucket", run="a" * 12) as recorder:
        recorder.beat(HALF)
        with recorder.phase("engine", case="sub-1", predicted_mb=812.0, kind="diffusion") as phase:
            (event,) = read_record(tmp_path).events
            assert (event.event, event.text("phase"), event.text("case")) == ("phase begin", "engine", "sub-1")
            assert (event.value("predicted_mb"), event.value("ram_percent")) == (812.0, 50.0)
            assert read_files(tmp_path / "bucket" / FOLDER)[0] == (event,)
            recorder.beat(HALF)
            phase.worker_end(-9, oom_kills=1)
        recorder.beat(HALF)
    record = read_record(tmp_path)
    assert [event.event for event in record.events] == ["phase begin", "worker end", "phase end"]
    assert record.events[-1].text("outcome") == "done"
    assert [beat.phase for beat in record.beats] == ["", "engine", "engine", "engine", ""]  # the third was thinned
    assert {beat.run for beat in record.beats} == {"a" * 12}
    assert record.damaged == 0
    assert len(read_files(tmp_path / "bucket" / FOLDER)[0]) == 3


def test_a_phase_says_which_error_left_it(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        with pytest.raises(WorkerDied), recorder.phase("score"):
            raise WorkerDied("gone", hint="again")
        with pytest.raises(KeyboardInterrupt), recorder.phase("fetch"):
            raise KeyboardInterrupt
        assert recorder.current() is None
    outcomes = [event.text("outcome") for event in read_record(tmp_path).events if event.event == "phase end"]
    assert outcomes == ["WorkerDied", "KeyboardInterrupt"]


def test_a_note_carries_the_step_under_way(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder, recorder.phase("engine", case="sub-1", owner="app"):
        assert recorder.note("kill_intent", reason="level", used_mb=900, limit_mb=1000)
        assert recorder.note("threshold", phase="", rung="warn")
    intent, threshold = (event for event in read_record(tmp_path).events if "phase" not in event.event)
    assert (intent.event, intent.text("phase"), intent.text("owner")) == ("kill intent", "engine", "app")
    assert intent.value("ram_percent") == 90.0
    assert threshold.text("phase") == ""


def test_near_a_limit_is_a_transition_once(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        for used in (80, 86, 90, 84, 86, 70, 86):
            recorder.beat(Vitals(ram_used=used, ram_limit=100.0, disk_used=96.0, disk_limit=100.0))
    told = [(event.event, event.text("what")) for event in read_record(tmp_path).events]
    assert told == [("near limit", "disk"), ("near limit", "ram"), ("limit eased", "ram"), ("near limit", "ram")]


def test_the_watchdog_makes_the_heartbeat_dense_while_a_worker_runs(tmp_path: Path) -> None:
    """Two seconds between two beats are an age to a fast allocator; only a worker's time is worth more."""

    class Worker:
        pid = os.getpid()

        def kill(self) -> bool:
            return False

    used = iter(range(10, 90, 2))

    def read() -> MemoryReading:
        return MemoryReading(100, "host", next(used), None, None, 0)

    def beat(now: MemoryReading) -> None:
        recorder.beat_ram(now.used_bytes, now.limit_bytes, now.oom_kills)

    with recording(tmp_path) as recorder:
        dog = Watchdog(read, beat=beat, shm_root=tmp_path / "none")
        dog.look()
        with dog.watch("a job") as watched:
            watched.attach(Worker())
            for _ in range(20):
                dog.look()
        dog.look()
        dog.stop()
    assert [beat.vitals.ram_used for beat in read_record(tmp_path).beats] == list(range(14, 54, 2))


@pytest.mark.parametrize("where", ["local", "bucket"])
def test_a_folder_that_cannot_be_written_costs_the_record_only(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    local = tmp_path / ("file" if where == "local" else "state")
    bucket = tmp_path / ("file" if where == "bucket" else "bucket")
    with recording(local, bucket) as recorder:
        recorder.beat(HALF)
        with recorder.phase("engine"):
            pass
        assert not recorder.note("threshold")
        told = recorder.troubles()
    assert {name.split()[0] for name in told} == {where}
    assert sum(told.values()) >= 3
    good = names(local) if where == "bucket" else [event.event for event in read_files(bucket / FOLDER)[0]]
    assert good == ["phase begin", "phase end", "threshold"]


def test_a_heartbeat_that_cannot_be_kept_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with recording(tmp_path / "file") as recorder:
        recorder.beat(HALF)
    assert recorder.troubles() == {"local ENOTDIR": 1}


def test_a_full_disk_leaves_the_transitions_in_the_heartbeat(small_disk: Path) -> None:
    with Recorder(small_disk, patience_s=30.0) as recorder:
        recorder.beat(HALF)
        recorder.note("threshold")
        fill(small_disk)
        with recorder.phase("engine", case="sub-1", predicted_mb=10.0) as phase:
            while recorder.note("threshold", rung="warn"):  # until the line no longer fits its page
                pass
            phase.worker_end(-9)
        recorder.beat(HALF)
        assert recorder.troubles()["local ENOSPC"] > 0
    record = read_record(small_disk)
    assert record.beats[-1].errno == 28
    (end,) = (event for event in record.events if event.event == "worker end")
    assert (end.value("rc"), end.text("case"), end.text("phase")) == (-9, "sub-1", "engine")


def test_a_hung_disk_delays_nobody_for_long(tmp_path: Path) -> None:
    go, fifo = threading.Event(), tmp_path / "state" / FOLDER / "flight.jsonl"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)  # opening it for writing waits for a reader, as a hung disk would
    recorder = Recorder(tmp_path / "state", patience_s=0.05)

    def work() -> None:
        with recorder.phase("engine"):
            recorder.beat(HALF)
        go.set()

    threading.Thread(target=work, daemon=True).start()
    assert go.wait(60.0)
    assert recorder.troubles()["local late"] == 2
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    recorder.close(30.0)
    os.close(reader)


def test_the_run_goes_on_in_child_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.resources.recorder import Recorder\n"
        "with Recorder(Path(sys.argv[1]), role='worker', patience_s=30.0) as r: r.note('decode')"
    )
    with recording(tmp_path) as recorder:
        recorder.note("run start")
        env = {**os.environ, **recorder.environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=True)
    record = read_record(tmp_path)
    assert [event.role for event in record.of(recorder.run).events] == ["app", "worker"]
    assert run_id({RUN: recorder.run}) == recorder.run
    assert run_id({RUN: "../../x"}) != "../../x"


def test_one_line_per_transition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("strokescope"), "propagate", True)
    caplog.set_level(logging.INFO, "strokescope.flight")
    with recording(tmp_path) as recorder, recorder.phase("fetch", case="sub-1", predicted_mb=3.0):
        pass
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" [")[0] for line in lines] == ["phase begin", "phase end"]
    assert "phase=fetch case=sub-1 owner=visitor predicted_mb=3" in lines[0]
    assert in_words(Event("x", "r" * 12, 0.0, "app", facts={"evidence": ("a", "b"), "rc": 0})).endswith(
        "evidence=a; b rc=0"
    )


def test_the_size_on_disk_is_bounded(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        for number in range(3000):
            recorder.beat(Vitals(ram_used=float(number % 7), ram_limit=10.0))
            if number % 200 == 0:
                recorder.note("threshold")
    assert sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir()) < 600 * SLOT + 20_000


def test_private_cases_get_a_word(tmp_path: Path) -> None:
    word: Callable[[str], str] = lambda case: case_word(case, tmp_path, public=False)  # noqa: E731
    assert case_word("sub-stroke0001", tmp_path, public=True) == "sub-stroke0001"
    assert word("Anna Muster") == word("Anna Muster") != word("Berta Muster")
    assert "Anna" not in word("Anna Muster")
    assert case_word("a/b", tmp_path, public=True).startswith("private-")
    assert word("Anna Muster") != case_word("Anna Muster", tmp_path / "other", public=False)
