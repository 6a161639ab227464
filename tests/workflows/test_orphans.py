"""Jobs of a process that is gone: told with their reason, half files removed; those of a living one left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.case import CaseRef
from core.errors import FetchCancelled
from core.resources.beats import Beat, Vitals
from core.resources.pids import born_of
from core.resources.verdict import Verdict
from core.sources.protocol import Cancelled, Fetched, Progress, Report, never
from core.workflows import interruption
from core.workflows.job_book import JobBook, JobRecord
from core.workflows.orphans import Orphans
from tests.workflows.desks import left_in, place, question, until
from tests.workflows.test_job_book import record

RUN = "a" * 12


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_behind(folder: Path, **changes: object) -> JobRecord:
    """A record that a process has left in the book."""
    made = record(**{"created": time.time(), "pid": dead_pid(), "born": 1.0, "run": RUN, **changes})
    book = JobBook(folder / "state" / "jobs")
    book.open(made)
    book.close()
    return made


def ended(class_: str, confidence: str = "probable", *evidence: str, used: float | None = None) -> Verdict:
    chart = () if used is None else (Beat(1.0, RUN, "app", 1, 1.0, Vitals(used, 15.0e9)),)
    return Verdict(class_, confidence, evidence, 1.0, 2.0, run=RUN, chart=chart)


def test_it_is_interrupted_and_its_half_result_is_swept(tmp_path: Path) -> None:
    left = left_behind(tmp_path, state="running", started=1001.0, phase="Segmenting", fraction=0.4)
    half = tmp_path / "cache" / "results" / left.key
    (half / ".strokescope-x.partial").mkdir(parents=True)
    (half / "case_mask.nii.gz").write_bytes(b"half")
    with place(tmp_path) as at:
        assert at.desk.settle("the app ended while it ran") == (left.job_id,)
        told = at.book.get(left.job_id)
        assert told is not None
        assert (told.state, told.reason, told.phase, told.fraction) == (
            "interrupted", "the app ended while it ran", "Segmenting", 0.4,
        )  # fmt: skip
        assert told.ended is not None and told.unexplained
        assert not half.exists()
        assert at.desk.settle("again") == ()
        assert [job.job_id for job in at.desk.jobs("anna")] == [left.job_id]


def test_a_whole_result_makes_it_done(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        asked = at.ask()
        folder = asked.folder(at.results)
        at.results.keep(folder, left_in(folder, asked))
        left = left_behind(tmp_path, state="running", key=folder.name)
        at.desk.settle()
        told = at.book.get(left.job_id)
        assert told is not None and told.state == "done"
        assert at.results.find(folder) is not None


def test_the_reason_is_filled_in_when_it_is_known(tmp_path: Path) -> None:
    left = left_behind(tmp_path, state="running", started=1001.0)
    known: list[Verdict] = []
    with place(tmp_path) as at:
        orphans = Orphans(at.guard.settings, at.results, at.book, lambda: known)
        orphans.settle()
        told = at.book.get(left.job_id)
        assert told is not None and told.reason == "the app ended while it ran, nobody knows why"
        orphans.look()
        assert at.book.get(left.job_id) == told
        known.append(ended("out of memory", used=14.6e9))
        orphans._looked = None
        orphans.look()
        told = at.book.get(left.job_id)
        assert told is not None and not told.unexplained
        expected = "the app ended while it ran: out of memory (probable), 14.6 of 15.0 GB of RAM in use"
        assert told.reason == expected
        at.book.close()
    again = JobBook(tmp_path / "state" / "jobs").get(left.job_id)
    assert again is not None and again.reason == expected


def test_what_a_living_app_runs_is_left_alone_until_it_dies(tmp_path: Path) -> None:
    """Two apps on one state folder."""
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        left = left_behind(tmp_path, state="running", pid=other.pid, born=born_of(other.pid))
        half = tmp_path / "cache" / "results" / left.key
        half.mkdir(parents=True)
        with place(tmp_path) as at:
            orphans = Orphans(at.guard.settings, at.results, at.book, tuple)
            assert orphans.settle() == ()
            assert half.exists()
            JobBook(tmp_path / "state" / "jobs").advance(left.job_id, phase="Segmenting", fraction=0.5)
            until(lambda: (told := at.book.look_again(left.job_id)) is not None and told.fraction == 0.5)
            other.communicate()
            orphans.look()
            told = at.book.get(left.job_id)
            assert told is not None and told.state == "interrupted"
            assert not half.exists()
    finally:
        other.kill()
        other.communicate()


def test_a_number_that_was_used_again_is_not_the_same_process(tmp_path: Path) -> None:
    left = left_behind(tmp_path, state="waiting", pid=os.getpid(), born=1000.0)
    with place(tmp_path) as at:
        assert at.desk.settle() == (left.job_id,)


def test_what_is_over_is_not_touched(tmp_path: Path) -> None:
    left = left_behind(tmp_path, state="cancelled", reason="cancelled at 10 %")
    with place(tmp_path) as at:
        assert at.desk.settle() == ()
        assert at.book.get(left.job_id) == left


def test_a_half_result_of_a_job_that_is_over_is_swept_too(tmp_path: Path) -> None:
    """It was cancelled, and the app died before its process was gone. What somebody makes now stays."""
    left = left_behind(tmp_path, state="cancelled", reason="cancelled at 10 %")
    half, made = (tmp_path / "cache" / "results" / key for key in (left.key, "d" * 32))
    for folder in (half, made):
        (folder / ".strokescope-x.partial").mkdir(parents=True)
    with place(tmp_path) as at, at.results.using([made]):
        at.desk.settle()
        assert not half.exists() and made.exists()


def test_reasons_in_words() -> None:
    says = interruption.reason
    assert says(ended("clean stop", "confirmed"), "running") == "the app was stopped in order while it ran"
    assert says(ended("sleep"), "waiting") == "the app fell asleep while it waited (probable)"
    assert says(ended("killed", "confirmed"), "waiting") == (
        "the app ended while it waited: it was killed from outside"
    )  # fmt: skip
    assert says(ended("out of memory", "confirmed"), "running") == "the app ended while it ran: out of memory"
    assert says(ended("something new"), "running").startswith("the app ended while it ran, nobody knows why")
    assert says(None, "running") == "the app ended while it ran, nobody knows why"
    assert interruption.verdict_of("", [replace(ended("killed"), run="")]) is None


def test_run_again_after_a_restart(tmp_path: Path) -> None:
    """The images are got anew from the source, as a phase of its own."""
    left = left_behind(tmp_path, state="running", case_id="sample-02", model=None, members=(), parameters={})
    with place(tmp_path) as at:
        at.desk.settle()
        at.engine.go.set()
        job = at.desk.again(left.job_id, "anna")
        assert at.desk.wait(job, 120)
        told = at.book.get(job)
        assert told is not None
        assert (told.state, told.reason) == ("done", "")
        assert told.key != left.key  # that record's key was nobody's
        lines = [line.text for line in at.desk.log(job)]
        assert lines[:2] == ["handed in", "Getting the images"] and "the images are here" in lines
        gone = at.book.get(left.job_id)
        assert gone is not None and gone.state == "interrupted"


def test_a_consensus_whose_member_is_gone_says_so(tmp_path: Path) -> None:
    left = left_behind(tmp_path, state="running", engine="consensus", model=None, parameters={"rule": "majority"})
    with place(tmp_path) as at:
        at.desk.settle()
        job = at.desk.again(left.job_id, "anna")
        assert at.desk.wait(job, 60)
        told = at.book.get(job)
        assert told is not None and told.state == "failed"
        assert "no longer kept" in told.reason
        assert question(tmp_path).case_id == "case-1"


class SlowHub:
    """A source over a network that gives its images piece by piece, when it is let."""

    spec, title, synthetic = f"hub:owner/name@{'a' * 40}", "slow", False

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.go = folder, threading.Event(), threading.Event()

    def cached(self, case_id: str) -> frozenset[str]:
        return frozenset()

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        return CaseRef(case_id, modalities=("dwi", "adc"), sizes={"dwi": 500, "adc": 500})

    def fetch(
        self, case_id: str, names: Sequence[str], report: Report, cancelled: Cancelled, turn: object
    ) -> Fetched:  # fmt: skip
        report(Progress("dwi, adc", 500, 125_000_000_000, "the connection broke; trying again"))
        report(Progress("dwi, adc", 62_500_000_000, 125_000_000_000))
        self.asked.set()
        while not self.go.wait(0.005):
            if cancelled():
                raise FetchCancelled("stopped", hint="press Retry to go on")
        return Fetched(case_id, question(self.folder, case_id).inputs, ())


def test_images_to_get_are_a_phase_that_can_be_given_up(tmp_path: Path) -> None:
    source = SlowHub(tmp_path / "images")
    left = left_behind(tmp_path, state="running", source=source.spec, model=None, members=(), parameters={})
    with place(tmp_path, open_source=lambda spec: source) as at:
        at.desk.settle()
        job = at.desk.again(left.job_id, "anna")
        assert source.asked.wait(60)
        told = at.book.get(job)
        assert told is not None
        assert (told.state, told.phase, told.note) == ("waiting", "Getting the images", "")
        assert 0.4 < told.fraction < 0.5  # half of the images, which are nine tenths of the work
        assert at.desk.place(job) == 0
        assert at.desk.seconds_left(job) is None
        assert at.desk.cancel(job, "anna")
        until(at.desk.idle)
        ended = at.book.get(job)
        assert ended is not None and (ended.state, ended.started) == ("cancelled", None)
