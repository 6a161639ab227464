"""How far and how long: parts of the whole work, and a prediction that the pace corrects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workflows.job_pace import FETCH_SHARE, fetch_share, left_s, whole
from core.workflows.job_record import JobRecord
from core.workflows.job_run import Run, until_over_s


def test_images_to_get_are_a_part_of_the_whole() -> None:
    assert fetch_share(0, 10.0) == 0.0
    assert fetch_share(125_000_000, 10.0) == pytest.approx(0.5)
    assert fetch_share(1, 10.0) == FETCH_SHARE[0]
    assert fetch_share(10**12, 1.0) == FETCH_SHARE[1]
    assert whole(0.5, 1.0, 0.0) == 0.5
    assert whole(0.5, 1.0, 1.0) == 1.0
    assert whole(0.0, 0.0, 0.3) == pytest.approx(0.3)


def test_before_it_begins_the_prediction_stands() -> None:
    assert left_s(20.0, 0.0, 0.0) == pytest.approx(20.0)


def test_as_predicted_it_shrinks_as_predicted() -> None:
    assert left_s(20.0, 10.0, 0.5) == pytest.approx(10.0)


def test_twice_as_slow_takes_about_twice_as_long() -> None:
    assert left_s(20.0, 20.0, 0.5) == pytest.approx(20.0, rel=0.15)
    assert left_s(20.0, 36.0, 0.9) == pytest.approx(4.0, rel=0.15)


def test_a_slow_start_alone_alarms_nobody() -> None:
    """The process takes a second to begin where two were predicted for all."""
    assert left_s(2.0, 1.0, 0.0) < 10.0


def test_one_that_stands_still_is_never_nearly_there() -> None:
    assert left_s(10.0, 100.0, 0.9) > left_s(10.0, 20.0, 0.9) > left_s(10.0, 9.0, 0.9)


def test_a_quick_first_step_promises_little() -> None:
    """Reading is quick, segmenting is not: 10 % in no time is not a tenth of the time."""
    assert left_s(100.0, 1.0, 0.1) > 30.0


@given(st.floats(0, 1e6), st.floats(0, 1e7), st.floats(0, 1))
def test_it_is_always_a_time(predicted: float, elapsed: float, fraction: float) -> None:
    left = left_s(predicted, elapsed, fraction)
    assert 0.0 <= left < 1e9
    assert left_s(predicted, elapsed + 1.0, fraction) >= left
    assert left_s(predicted, elapsed, 1.0) == 0.0


def run_of(number: int, seconds: float, begun: float | None = None) -> Run:
    record = JobRecord("a" * 32, "b" * 32, f"visitor {number}", "case-1", "sample", "diffusion", "1", "rules")
    return Run(f"{number}", record, None, number, predicted_s=seconds, begun=begun)


def test_those_before_are_over_first_however_many_run_at_once() -> None:
    one, two, three, four = run_of(1, 30.0, begun=50.0), run_of(2, 10.0, begun=50.0), run_of(3, 5.0), run_of(4, 7.0)
    runs = [one, two, three, four]
    lefts = [until_over_s(run, runs, 50.0, at_once=2) for run in runs]
    assert lefts == [pytest.approx(n) for n in (30.0, 10.0, 15.0, 22.0)]
    assert until_over_s(four, [one, three, four], 50.0) == pytest.approx(42.0)
    assert until_over_s(four, [one, four], 50.0, at_once=2) is None  # a place is free: it waits for something else
