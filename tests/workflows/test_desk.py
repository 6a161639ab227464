"""The desk: shared runs, places in the line, cancels, failures, and one final state for each job."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.errors import BadInput, OverBudget, WorkerDied
from core.workflows import desk as desks
from core.workflows.job_run import Load
from tests.workflows.desks import PATIENCE_S, Place, left_in, place, until


def state(at: Place, job: str) -> str:
    found = at.book.get(job)
    assert found is not None
    return found.state


def running(at: Place, job: str) -> None:
    until(lambda: state(at, job) == "running", "it runs")


def over(at: Place, job: str) -> str:
    assert at.desk.wait(job, PATIENCE_S)
    return state(at, job)


def test_a_job_runs_and_tells_what_it_took(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        job = at.desk.submit(at.ask(), "anna")
        running(at, job)
        until(lambda: at.desk.jobs("anna")[0].fraction == 0.25)
        (told,) = at.desk.jobs("anna")
        assert (told.phase, told.case_id, told.engine, told.label) == (
            "Reading", "case-1", "diffusion", at.ask().info.label,
        )  # fmt: skip
        assert at.desk.place(job) == 0
        left = at.desk.seconds_left(job)
        assert left is not None and left > 0
        assert at.desk.submit(at.ask(), "anna") == job
        at.engine.go.set()
        assert over(at, job) == "done"
        done = at.desk.of(at.ask().folder(at.results).name, "anna")
        assert done is not None and done.started is not None and done.ended is not None
        assert done.created <= done.started <= done.ended
        assert (done.fraction, done.seconds, done.peak_rss_mb, done.reason) == (1.0, 0.5, 100.0, "")
        assert at.results.find(at.ask().folder(at.results)) is not None
        assert [line.text for line in at.desk.log(job)] == [
            "handed in", "its process has started", "Reading", "done",
        ]  # fmt: skip
        assert at.desk.place(job) is None and at.desk.seconds_left(job) is None


def test_what_is_kept_already_is_done_without_a_run(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        folder = at.ask().folder(at.results)
        at.results.keep(folder, left_in(folder, at.ask()))
        assert over(at, at.desk.submit(at.ask(), "anna")) == "done"
        assert at.engine.ran == []


def test_two_visitors_share_a_run_and_one_may_leave(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        annas, bens = at.desk.submit(at.ask(), "anna"), at.desk.submit(at.ask(), "ben")
        assert annas != bens
        running(at, annas)
        running(at, bens)
        assert at.desk.load("anna") == Load(0, 0)
        assert at.desk.load("carl") == Load(1, 0)
        assert at.desk.cancel(annas, "anna")
        assert (state(at, annas), state(at, bens)) == ("cancelled", "running")
        at.engine.go.set()
        assert over(at, bens) == "done"
        assert (state(at, annas), at.engine.ran) == ("cancelled", ["case-1"])


def test_the_last_to_leave_ends_the_run_and_the_next_waits_for_its_end(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        first = at.desk.submit(at.ask(), "anna")
        running(at, first)
        assert at.desk.cancel(first, "anna")
        assert not at.desk.cancel(first, "anna")
        again = at.desk.again(first, "anna")
        assert again != first
        at.engine.go.set()
        assert over(at, again) == "failed"  # the sample cohort has no case of that name to get the images of
        assert state(at, first) == "cancelled"
        assert not at.ask().folder(at.results).exists()


def test_the_line_takes_turns_and_tells_places(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        one = at.desk.submit(at.ask("case-1"), "anna")
        running(at, one)
        two, three = (at.desk.submit(at.ask(f"case-{n}"), "anna") for n in (2, 3))
        bens = at.desk.submit(at.ask("case-4"), "ben")
        until(lambda: all(at.book.get(j).note for j in (two, three, bens)))  # type: ignore[union-attr]
        assert [at.desk.place(job) for job in (one, bens, two, three)] == [0, 1, 2, 3]
        noted = at.book.get(bens)
        assert noted is not None and noted.note == "another job is running"
        lefts = [at.desk.seconds_left(job) for job in (one, bens, two, three)]
        assert all(left is not None for left in lefts)
        assert sorted(lefts) == lefts  # type: ignore[type-var]
        assert at.desk.load("ben") == Load(1, 2)
        at.desk.cancel(two, "anna")
        assert at.desk.place(three) == 2
        at.engine.go.set()
        assert [over(at, job) for job in (one, three, bens)] == ["done"] * 3
        assert sorted(at.engine.ran) == ["case-1", "case-3", "case-4"]


def test_a_failure_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        at.engine.fails["case-1"] = WorkerDied("the segmentation was killed", hint="start it again")
        at.engine.go.set()
        job = at.desk.submit(at.ask(), "anna")
        assert over(at, job) == "failed"
        told = at.desk.get(job)
        assert told is not None
        assert (told.reason, told.hint) == ("the segmentation was killed", "start it again")
        assert not at.ask().folder(at.results).exists()
        del at.engine.fails["case-1"]
        assert over(at, at.desk.submit(at.ask(), "anna")) == "done"


def test_a_result_that_cannot_be_kept_is_a_failure(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        at.engine.writes = False
        at.engine.go.set()
        job = at.desk.submit(at.ask(), "anna")
        assert over(at, job) == "failed"
        told = at.desk.get(job)
        assert told is not None and "could not be kept" in told.reason
        assert not at.ask().folder(at.results).exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_ends_the_job_too(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        at.engine.fails["case-1"] = ZeroDivisionError()
        at.engine.go.set()
        job = at.desk.submit(at.ask(), "anna")
        assert over(at, job) == "failed"
        assert at.desk.idle()
        for thread in threading.enumerate():
            if thread.name == "job":
                thread.join(PATIENCE_S)  # what it raises is this test's


def test_images_that_are_gone_and_of_no_source_are_told(tmp_path: Path) -> None:
    with place(tmp_path, open_source=None) as at:
        blocker = at.desk.submit(at.ask("case-1"), "anna")
        running(at, blocker)
        asked = at.ask("case-2")
        object.__setattr__(asked, "case_id", None)
        for file in asked.inputs.values():
            file.path.unlink()
        job = at.desk.submit(asked, "anna")
        at.engine.go.set()
        assert over(at, job) == "failed"
        told = at.desk.get(job)
        assert told is not None and "no longer on this disk" in told.reason


def test_nobody_touches_or_sees_what_is_anothers(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        job = at.desk.submit(at.ask(), "anna")
        for act in (at.desk.cancel, at.desk.again):
            with pytest.raises(BadInput):
                act(job, "ben")
            with pytest.raises(BadInput):
                act("../../etc/passwd", "anna")
        assert at.desk.jobs("ben") == ()
        assert at.desk.of(at.ask().folder(at.results).name, "ben") is None


def test_too_many_are_refused_with_numbers(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        jobs = [at.desk.submit(at.ask(f"case-{n}"), "anna") for n in range(desks.MOST_EACH)]
        with pytest.raises(OverBudget, match="32 jobs wait or run, 32 of them yours"):
            at.desk.submit(at.ask("one-more"), "anna")
        bens = at.desk.submit(at.ask("one-more"), "ben")
        for job in jobs[1:]:
            at.desk.cancel(job, "anna")
        at.engine.go.set()
        assert {over(at, job) for job in (jobs[0], bens)} == {"done"}


def test_a_stop_of_the_app_interrupts_and_waits_for_the_end(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        one = at.desk.submit(at.ask("case-1"), "anna")
        running(at, one)
        two = at.desk.submit(at.ask("case-2"), "anna")
        at.desk.close(PATIENCE_S)
        assert at.desk.idle()
        told = [at.book.get(job) for job in (one, two)]
        assert [(t.state, t.reason) for t in told if t is not None] == [
            ("interrupted", "the app was stopped in order while it ran"),
            ("interrupted", "the app was stopped in order while it waited"),
        ]
        with pytest.raises(OverBudget, match="being stopped"):
            at.desk.submit(at.ask(), "anna")


def test_a_cancel_and_an_end_that_race_leave_one_state(tmp_path: Path) -> None:
    """Whoever is first: a job that was cancelled leaves no result, one that is done has it."""
    with place(tmp_path) as at:
        at.engine.go.set()
        told = set()
        for number in range(60):
            asked = at.ask(f"case-{number}")
            job = at.desk.submit(asked, "anna")
            begin = threading.Barrier(2)

            def cancel(job: str = job, begin: threading.Barrier = begin, number: int = number) -> None:
                begin.wait()
                threading.Event().wait(number / 6000)
                at.desk.cancel(job, "anna")

            thread = threading.Thread(target=cancel)
            thread.start()
            begin.wait()
            thread.join()
            end = over(at, job)
            kept = at.results.find(asked.folder(at.results)) is not None
            assert kept == (end == "done"), (number, end)
            told.add(end)
        assert told <= {"done", "cancelled"}
