"""The clock of a call: what counts as a sign of life, what is told, and how long it goes on."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import FetchCancelled, HubOffline, HubRateLimited, HubServerError
from core.hub.policy import CONTROL, LISTING, TRANSFER, Patience, Policy
from core.hub.retrying import retrying

KB = 1024


class Clock:
    """A clock that stands until it is pushed."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(policy: Policy, clock: Clock, size: int = 0) -> Patience:
    patience = Patience(policy, size, clock)
    patience.begin_attempt()
    return patience


def told_after(policy: Policy, bytes_per_s: float, in_pieces_of: int, first: int = 0) -> float:
    """Seconds until a call gives up on a server that sends `first` bytes at once and then drips, in every attempt."""
    clock = Clock()
    patience = Patience(policy, 10**7, clock)
    while True:
        patience.begin_attempt()
        clock.now += 0.05
        patience.head_came()
        if first:
            patience.fed(first)
        while (left := patience.attempt_left()) > 0:
            gap = in_pieces_of / bytes_per_s if bytes_per_s else 1e9
            clock.now += min(gap, left)
            if gap < left:
                patience.fed(in_pieces_of)
        if not patience.may_try_again():
            return clock.now - 100.0
        clock.now += 0.25


def test_the_shipped_deadlines_are_what_the_app_promises() -> None:
    for policy in (CONTROL, LISTING):
        assert policy.patience_s < 5
        assert policy.first_byte_s < policy.patience_s
    assert CONTROL.total_s < 5
    assert TRANSFER.patience_s < 15
    for policy in (CONTROL, LISTING, TRANSFER):
        assert policy.connect_s < policy.first_byte_s
        assert policy.stall_s < policy.patience_s


@pytest.mark.parametrize(("bytes_per_s", "piece"), [(0, 1), (1, 1), (10, 1), (100, 50), (1, 1000)])
@pytest.mark.parametrize("first", [0, 10, 500])
def test_a_drip_is_no_sign_of_life(bytes_per_s: float, piece: int, first: int) -> None:
    assert told_after(LISTING, bytes_per_s, piece, first) < 5
    assert told_after(TRANSFER, bytes_per_s, piece, first) < 15


@pytest.mark.parametrize("first", [100 * KB, 10**6])
def test_a_server_that_stalls_in_every_attempt_is_told_in_time(first: int) -> None:
    assert told_after(TRANSFER, 0, 1, first) < 20


def test_a_slow_line_is_waited_for() -> None:
    assert told_after(TRANSFER, 5 * KB, KB) >= TRANSFER.total_s
    assert told_after(LISTING, KB, 64) >= LISTING.total_s


def test_patience_comes_back_while_bytes_flow() -> None:
    clock = Clock()
    patience = begun(TRANSFER, clock, 10**9)
    for _ in range(5):  # stalls of 7 s, far apart, spoil nothing
        clock.now += 7
        assert patience.may_try_again()
        patience.begin_attempt()
        patience.head_came()
        for _ in range(100):
            clock.now += 0.1
            patience.fed(64 * KB)
        assert patience.call_left() == pytest.approx(TRANSFER.patience_s)


def test_an_attempt_that_brought_much_is_not_counted() -> None:
    patience = begun(TRANSFER, Clock(), 10**9)
    for _ in range(100):
        patience.head_came()
        patience.fed(2**20)
        assert patience.may_try_again()
        patience.begin_attempt()
    for _ in range(TRANSFER.attempts - 1):
        assert patience.may_try_again()
        patience.begin_attempt()
    assert not patience.may_try_again()


def test_our_own_time_is_not_the_hubs() -> None:
    clock = Clock()
    patience = begun(LISTING, clock)
    patience.head_came()
    patience.fed(10)
    clock.now += 20
    patience.excuse(20)
    assert patience.attempt_left() == pytest.approx(LISTING.stall_s)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 100_000)), max_size=60))
def test_no_call_outlives_its_total(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    patience = begun(LISTING, clock, 100_000)
    patience.head_came()
    for seconds, count in steps:
        clock.now += seconds
        patience.fed(count)
        assert patience.attempt_left() <= patience.call_left() <= 100.0 + LISTING.total_s + 5.0 - clock.now


def test_each_wait_is_told_and_then_over() -> None:
    notes: list[str] = []
    patience = Patience(dataclasses.replace(TRANSFER, pause_s=0.0), tell=notes.append)
    errors = iter([HubOffline("the Hub cannot be reached", hint="-"), HubServerError("the connection broke", hint="-")])

    def once() -> str:
        patience.begin_attempt()
        for error in errors:
            raise error
        patience.head_came()
        patience.fed(1)
        patience.fed(1)
        return "bytes"

    assert retrying(once, patience, lambda: False) == "bytes"
    assert notes == ["the Hub cannot be reached; trying again", "the connection broke; trying again", ""]


def test_a_wait_beyond_the_patience_is_told_at_once() -> None:
    patience = Patience(LISTING)

    def once() -> None:
        patience.begin_attempt()
        raise HubRateLimited("no more requests", hint="try again in 40 s", retry_after_s=40)

    with pytest.raises(HubRateLimited):
        retrying(once, patience, lambda: False)
    assert patience.tries == 1


def test_a_cancel_ends_a_wait() -> None:
    notes: list[str] = []
    patience = Patience(TRANSFER, tell=notes.append)

    def once() -> None:
        patience.begin_attempt()
        raise HubServerError("busy", hint="-", retry_after_s=10)

    with pytest.raises(FetchCancelled):
        retrying(once, patience, lambda: bool(notes))
    assert notes == ["the Hub asks to wait 10 s"]


def test_silence_is_told_before_it_is_an_error() -> None:
    clock, notes = Clock(), list[str]()
    patience = Patience(TRANSFER, clock=clock, tell=notes.append)
    patience.begin_attempt()
    for _ in range(40):
        clock.now += 0.1
        patience.say_if_quiet()
    patience.head_came()
    patience.fed(1)
    clock.now += 3
    patience.say_if_quiet()
    assert notes == ["waiting for the Hub to answer", "", "nothing comes from the Hub; waiting"]
