"""How a staging folder stands: living publishers and dead ones, what they said last, and when it may be removed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import HubOffline, PublishCancelled, StagingForeign
from core.publish.build import Progress as Building
from core.publish.plan import make_plan
from core.publish.sending import Progress as Sending
from core.publish.shard import Made
from core.publish.staging import begin
from core.publish.verify import Verified, verify
from core.publish.writer import Sum
from core.resources.pids import born_of
from core.workflows.publish_beats import Beats, Rate, told
from core.workflows.publish_papers import VERIFIED, keep_payload, read_paper, verified_payload
from core.workflows.publish_progress import FILE, Progress, is_at_work, read_progress, write_progress
from core.workflows.publish_status import as_json, ask_to_stop, status
from tests.publish.sending import place
from tests.publish.staged import REPO, REVISION, built, noise

HERE = os.getpid()


def progress(**changes: object) -> Progress:
    """Of this process, which lives."""
    return dataclasses.replace(Progress(HERE, born_of(HERE), "upload", "upload", updated=time.time()), **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards, built."""
    found = tmp_path / "a 'staging' földer"
    built(make_plan(noise(tmp_path / "source", 2, 600), one_row_per_shard=True), found)
    return found


def test_a_folder_in_which_nobody_told_of_it(folder: Path) -> None:
    found = status(folder)
    assert found.standing == "idle" and found.grid == ("built", "built") and not found.cleanup
    assert "upload" in found.hint and found.proven_bytes == 0 and found.built_bytes == found.bytes
    assert json.loads(json.dumps(as_json(found)))["grid"] == "bb"


@pytest.mark.parametrize(
    ("changes", "standing", "word"),
    [
        ({}, "working", "taking"),
        ({"phase": "waiting", "until": 2e9}, "waiting", "taking"),
        ({"phase": "failed", "hint": "do this"}, "failed", "taking"),
        ({"phase": "stopped"}, "stopped", "taking"),
        ({"pid": 2**22 + 1, "born": 1.0}, "died", "without a word"),
        ({"born": 1.0}, "died", "without a word"),
        ({"phase": "done", "step": "build"}, "idle", "proven"),
    ],
)
def test_what_was_told_last_and_whether_its_process_lives(
    folder: Path, changes: dict[str, object], standing: str, word: str
) -> None:
    write_progress(folder / FILE, progress(message="taking a commit", **changes))
    found = status(folder)
    assert found.standing == standing and word in found.message
    assert found.at_work == (standing in ("working", "waiting"))


def test_it_may_be_removed_only_when_all_is_verified_and_nothing_changed_since(tmp_path: Path) -> None:
    with place(tmp_path, 2) as at:
        at.upload()
        assert not status(at.folder).cleanup, "proven, and not verified"
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            payload = verified_payload(verify(staging, both.hub), staging.view, time.time())
        keep_payload(at.folder / VERIFIED, payload)
        assert status(at.folder).standing == "done" and str(payload["at"]).endswith("+00:00")
        write_progress(at.folder / FILE, progress())
        assert not status(at.folder).cleanup, "somebody works there"
        write_progress(at.folder / FILE, progress(phase="done"))
        assert status(at.folder).cleanup
        with begin(at.folder, at.plan, REPO, REVISION) as staging:
            record = staging[0]
            sums = tuple(Sum(file.path, one) for file, one in zip(record.files, record.sums, strict=True))
            staging.again(0)
            assert status(at.folder).standing == "idle"
            staging.built(0, Made(record.bytes, "0" * 64, sums))
            staging.sent([0])
            staging.proven({0: (record.bytes, "0" * 64)})
        assert not status(at.folder).cleanup, "another shard than the one that was verified"


def test_a_verification_that_found_something_missing_proves_nothing(folder: Path) -> None:
    with begin(folder, make_plan(noise(folder.parent / "source", 2, 600), one_row_per_shard=True), REPO, REVISION) as s:
        found = Verified(REPO, REVISION, "a" * 40, 2, 1, ("data/x",), (), ())
        keep_payload(folder / VERIFIED, verified_payload(found, s.view, 0.0))
    told = status(folder)
    assert told.verified is not None and told.verified["missing"] == ["data/x"] and not told.cleanup


def test_a_publisher_that_lives_is_asked_to_stop_and_nobody_else(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        born = born_of(other.pid)
        write_progress(folder / FILE, progress(pid=other.pid, born=1.0))
        assert not ask_to_stop(folder) and other.poll() is None, "another process has its number now"
        write_progress(folder / FILE, progress(pid=other.pid, born=born, phase="done"))
        assert not ask_to_stop(folder) and other.poll() is None
        write_progress(folder / FILE, progress(pid=other.pid, born=born))
        assert ask_to_stop(folder) and other.wait(60) == -signal.SIGINT
    assert not ask_to_stop(folder)


def test_no_staging_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StagingForeign):
        status(tmp_path / "nowhere")
    assert not ask_to_stop(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[", "[]", '{"pid": 1}', '{"pid": "x", "born": null, "phase": "up"}'])
def test_a_progress_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE
    path.write_text(text)
    assert read_progress(path) is None
    assert (read_paper(path) is None) == (not text.startswith("{"))
    whole = dataclasses.asdict(progress())
    for name, wrong in (("pid", True), ("phase", "up"), ("until", "soon"), ("message", None), ("total", 1.5)):
        path.write_text(json.dumps({**whole, name: wrong}))
        assert read_progress(path) is None, name
    path.write_text(json.dumps({**whole, "more": 1}))
    assert read_progress(path) is not None and not is_at_work(None)


def test_a_progress_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_progress(tmp_path / "gone" / FILE, progress())
    (tmp_path / FILE).mkdir()
    write_progress(tmp_path / FILE, progress())
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


class Wall:
    """A clock."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def test_it_is_told_once_a_second_and_at_every_turn(tmp_path: Path) -> None:
    wall, seen, path = Wall(), [], tmp_path / FILE  # type: ignore[var-annotated]
    beats = Beats(path, seen.append, wall)
    beats.step("build", "building")
    for work in range(1, 100):
        wall.now += 0.1
        beats.building(Building("building", 0, 0, 4, work * 10, 1000))
    assert 9 <= len(seen) <= 11
    beats.flush()
    last = read_progress(path)
    assert last is not None and (last.bytes, last.total_bytes, last.unit) == (990, 1000, "shards")
    assert 90 < last.rate < 110 and last.seconds_left is not None and 0 < last.seconds_left < 1
    beats.sending(Sending("waiting", "", 1, 4, 10, 40, 0.0, None, "the Hub cannot be reached", 120.0))
    last = read_progress(path)
    assert last is not None and last.phase == "waiting" and last.step == "upload"
    assert last.until == wall.now + 120.0 and last.message == "the Hub cannot be reached"
    beats.end("done", "all")
    last = read_progress(path)
    assert last is not None and last.done == 4 and last.until is None


def test_how_it_ended_is_told_in_both_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for error, phase in (
        (HubOffline("the Hub cannot be reached", hint="check the network"), "failed"),
        (PublishCancelled("stopped", hint="again"), "stopped"),
        (KeyboardInterrupt(), "stopped"),
    ):
        with pytest.raises(type(error)), told(one, lambda now: None) as beats, beats.into(two):
            raise error
        ends = [read_progress(path) for path in (one, two)]
        assert all(end is not None and end.phase == phase and end.hint for end in ends)


def test_a_rate_forgets_what_was_before_a_step_back() -> None:
    rate = Rate(10.0)
    assert rate(0.0, 0) == 0.0 and rate(2.0, 20) == 10.0
    assert rate(3.0, 5) == 0.0 and rate(5.0, 9) == 2.0
