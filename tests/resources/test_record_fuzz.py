"""Random truncation and bit flips of every record file: reading never raises, and no wrong verdict is confirmed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from core.resources import safemode
from core.resources.beats import Vitals
from core.resources.events import Event
from core.resources.record import Record, read_record
from core.resources.recorder import Recorder
from core.resources.runs import RunLog, history, judge, previous_run
from tests.stress.campaign import play, sizes

RIGHT = {"out of memory": {"out of memory", "killed", "unknown"}}  # without its count a SIGKILL is one from anywhere
CODES = {-9: "out of memory", -11: "native crash", 1: "crash", 0: "clean stop", 143: "clean stop"}


def gone(pid: int, born: float | None) -> bool:
    return False


def write_runs(state: Path, bucket: Path) -> dict[str, str]:
    """Five runs that ended for known reasons and one that nobody ended; run id -> class."""
    told: dict[str, str] = {}
    log = RunLog(state, persist_dir=bucket)
    for code, class_ in CODES.items():
        run = log.start()
        with Recorder(state, bucket, role="app", run=run) as app:
            for percent in (30, 60, 92 if code == -9 else 40):
                app.beat(Vitals(ram_used=percent, ram_limit=100.0, disk_used=10.0, disk_limit=100.0))
            with app.phase("engine", case="sub-1", predicted_mb=10.0):
                app.note("threshold", rung="warn")
        log.end(run, judge(code, oom_kills=1), code)
        told[run] = class_
    told[log.start()] = "unknown"
    log.recorder.close()
    safemode.note_end(state, bucket, "engine", "sub-1", "killed", 100.0)
    safemode.note_end(state, bucket, "engine", "sub-1", "killed", 200.0)
    return told


def damage(content: bytes, random: Random) -> bytes:
    """Cut, flip bits, overwrite, repeat or remove a part."""
    data = bytearray(content)
    kind = random.randrange(5)
    if kind == 0:
        return bytes(data[: random.randrange(len(data) + 1)])
    if kind == 1:
        for _ in range(random.choice((1, 3, 40))):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    start = random.randrange(len(data))
    end = min(len(data), start + random.choice((1, 20, 512, 5000)))
    if kind == 2:
        data[start:end] = random.randbytes(end - start)
    elif kind == 3:
        data[start:start] = data[start:end]
    elif kind == 4:
        del data[start:end]
    return bytes(data)


@sizes(sample=8, campaign=3000)
def test_damaged_files(tmp_path: Path, count: int) -> None:
    state, bucket = tmp_path / "state", tmp_path / "bucket"
    told = write_runs(state, bucket)
    files = {path: path.read_bytes() for root in (state, bucket) for path in root.rglob("*") if path.is_file()}
    assert {run.class_ for run in history(state, gone)} == {*CODES.values(), "unknown"}
    fates: set[str] = set()

    def one(number: int, random: Random) -> None:
        share = random.choice((0.1, 0.5, 1.0))
        for path, content in files.items():
            if content and random.random() < share:
                path.write_bytes(damage(content, random))
        for verdict in (previous_run(state, gone, persist_dir=bucket), *history(state, gone, persist_dir=bucket)):
            if verdict is not None:
                assert verdict.class_ in RIGHT.get(told[verdict.run], {told[verdict.run], "unknown"})
                assert verdict.phase is None  # every step had ended
            fates.add("none" if verdict is None else verdict.confidence)
        assert isinstance(safemode.safe_mode(state, bucket).active, bool)
        for path, content in files.items():
            path.write_bytes(content)

    play(count, one)
    assert "confirmed" in fates


@pytest.mark.parametrize("name", ["flight.jsonl", "beats-app-0.ring", "safe.slots"])
def test_a_folder_in_the_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "flight" / name).mkdir(parents=True)
    with Recorder(tmp_path) as recorder:
        recorder.note("phase begin")
        recorder.beat(Vitals())
    assert isinstance(read_record(tmp_path), Record)
    assert safemode.safe_mode(tmp_path) == safemode.OFF


def test_a_heartbeat_makes_up_for_a_lost_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    run = log.start()
    log.end(run, judge(-11), -11)
    (tmp_path / "flight" / "flight.jsonl").unlink()
    assert [event.event for event in read_record(tmp_path).of(run).events] == ["run start", "run end"]
    found = previous_run(tmp_path, gone)
    assert found is not None
    assert (found.class_, found.confidence) == ("native crash", "confirmed")
    assert all(isinstance(event, Event) for event in read_record(tmp_path).events)
