"""The line under a progress bar: what happens at this very moment, in bytes and seconds."""

from __future__ import annotations

from core.sources.protocol import Progress
from core.ui.tasks import Task
from core.ui.waiting import seconds_left, told


def running(*reports: tuple[float, Progress]) -> Task:
    """A task that began at second 100 and reported at the given seconds after."""
    task = Task("k", "Getting DWI", state="running", started=100.0, moved=100.0)
    for at, progress in reports:
        if task.progress is None or progress.done != task.progress.done:
            task.moved = 100.0 + at
        task.origin = task.origin or (100.0 + at, progress.done)
        task.progress = progress
    return task


def mb(done: float, note: str = "") -> Progress:
    return Progress("dwi", int(done * 1e6), 8_000_000, note)


def test_before_the_first_byte() -> None:
    assert told(running(), 101.0) == "Getting DWI … 1 s"
    assert told(running(), 107.0) == "Getting DWI … 7 s; no answer yet, the Hub is slow or gone"


def test_bytes_and_seconds_left() -> None:
    task = running((0.0, mb(0)), (4.0, mb(2)))
    assert told(task, 104.0) == "Getting DWI: 2.0 of 8.0 MB · about 12 s left"


def test_what_was_there_before_is_no_speed() -> None:
    task = running((0.0, mb(6)), (4.0, mb(7)))
    assert seconds_left(task, 104.0) == 4.0
    assert seconds_left(running((0.0, mb(6))), 104.0) is None


def test_silence_is_said_after_three_seconds() -> None:
    task = running((0.0, mb(0)), (4.0, mb(2)))
    assert "no byte" not in told(task, 106.9)
    assert told(task, 109.0) == "Getting DWI: 2.0 of 8.0 MB · no byte for 5 s; the Hub is slow or gone"
    assert "no byte" not in told(running((1.0, mb(8))), 120.0)  # all there: it is being checked


def test_what_it_waits_for_is_said_instead_of_a_guess() -> None:
    task = running((0.0, mb(1)), (1.0, mb(1, "the connection broke; trying again")))
    assert told(task, 102.0) == "Getting DWI: 1.0 of 8.0 MB · the connection broke; trying again"
    assert told(task, 109.0) == "Getting DWI: 1.0 of 8.0 MB · the connection broke; trying again · 9 s"


def test_work_on_this_machine_is_told_in_per_cent_and_never_blames_the_hub() -> None:
    task = running((0.0, Progress("resample", 0, 1000)), (1.0, Progress("resample", 250, 1000)))
    assert told(task, 110.0, "%") == "resample: 25 % · about 30 s left"


def test_a_task_notes_where_counting_began_and_when_it_moved() -> None:
    task = Task("k", "x")
    for progress in (mb(3), mb(3, "waiting"), mb(5), mb(0)):
        task.report(progress)
    assert task.origin is not None
    assert task.origin[1] == 0  # a damaged part was thrown away: the speed counts from there
    assert task.progress == mb(0)
