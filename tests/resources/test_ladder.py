"""The ladder acts at its thresholds, once, and takes neither a jump nor noise for growth."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources import ladder
from core.resources.ladder import (
    DISK,
    RAM,
    SLACK,
    Action,
    Moment,
    Sample,
    State,
    decide,
    growth,
    rung_of,
    time_to_limit,
)

MB = 1_000_000
FAR = 1000.0


def moment(at: float, ram: float, disk: float | None = 0.1, left: float | None = None, workers: int = 1) -> Moment:
    return Moment(at, ram, disk, left, float("inf"), workers)


def play(*moments: Moment) -> list[tuple[Action, ...]]:
    state, out = State(), []
    for one in moments:
        state, actions = decide(one, state)
        out.append(actions)
    return out


def samples(*used_mb: float, every: float = 0.1, limit_mb: float = 1000) -> list[Sample]:
    return [Sample(n * every, int(mb * MB), int(limit_mb * MB)) for n, mb in enumerate(used_mb)]


def test_up_and_down_the_ram_ladder() -> None:
    assert play(
        moment(0, 0.5), moment(1, 0.72), moment(2, 0.82), moment(3, 0.885), moment(4, 0.60)
    ) == [(), ("warn", "trim"), ("hold", "trim"), ("kill", "trim"), ("calm", "resume")]  # fmt: skip


def test_everything_at_once_kills_first() -> None:
    assert play(moment(0, 0.97)) == [("drain", "warn", "hold", "trim")]


def test_trembling_at_a_threshold_is_one_action() -> None:
    said = play(*(moment(n / 10, 0.70 + 0.01 * (-1) ** n) for n in range(90)))
    assert [a for actions in said for a in actions] == ["warn", "trim"]


def test_trims_again_while_it_stays_high() -> None:
    said = play(*(moment(n, 0.75) for n in range(25)))
    assert [a for actions in said for a in actions] == ["warn", "trim", "trim again", "trim again"]


def test_without_a_worker_nobody_is_killed() -> None:
    said = play(moment(0, 0.99, workers=0), moment(1, 0.99, workers=0))
    assert said == [("warn", "hold", "trim"), ()]


def test_a_kill_is_given_time_to_work() -> None:
    said = play(*(moment(n / 10, 0.90, workers=2) for n in range(12)))
    assert [n for n, actions in enumerate(said) if "kill" in actions] == [0, 5, 10]


def test_a_near_limit_kills_only_who_broke_the_promise() -> None:
    near = moment(0, 0.75, left=1.0)
    assert "kill" in play(near)[0]
    assert "kill" not in play(moment(0, 0.75, left=3.0))[0]
    assert "kill" not in play(moment(0, 0.5, left=1.0))[0]
    honest = Moment(0, 0.75, None, 1.0, 0.80, 1)
    assert "kill" not in play(honest)[0]
    state, _ = decide(near, State())
    assert state.reason == "projection"


def test_disk() -> None:
    said = play(
        moment(0, 0.1, 0.75), moment(1, 0.1, 0.85), moment(2, 0.1, 0.91), moment(3, 0.1, 0.5), moment(4, 0, None)
    )
    assert said == [("disk-warn",), ("evict",), ("refuse", "evict"), ("disk-calm", "accept"), ()]


@given(values=st.lists(st.floats(0, 1.2), max_size=60))
def test_the_rung_is_never_too_low_and_hardly_too_high(values: list[float]) -> None:
    rung = 0
    for value in values:
        rung = rung_of(value, rung, RAM)
        assert rung >= sum(value >= step for step in RAM)
        assert rung == 0 or value >= RAM[rung - 1] - SLACK
    assert rung_of(0.0, 3, DISK) == 0


@given(values=st.lists(st.floats(0, 1.2), min_size=1, max_size=40), workers=st.integers(0, 3))
def test_kills_need_a_worker_and_a_reason(values: list[float], workers: int) -> None:
    state = State()
    for number, value in enumerate(values):
        state, actions = decide(moment(number, value, workers=workers), state)
        killed = bool({"kill", "drain"} & set(actions))
        assert killed == (workers > 0 and value >= 0.88)


def test_steady_growth_is_seen() -> None:
    steady = samples(100, 150, 200, 250, 300)
    assert 450 * MB < growth(steady) < 550 * MB
    assert 1.3 < (time_to_limit(steady) or FAR) < 1.5


def test_one_jump_is_not_growth() -> None:
    for before in range(1, 7):
        for after in range(1, 7):
            assert growth(samples(*[100] * before, *[700] * after)) == 0.0


def test_too_few_or_too_old_samples_say_nothing() -> None:
    assert growth([]) == 0.0 and time_to_limit(samples(1, 2, 3)) is None
    assert growth(samples(100, 200, 300, 400, every=2.0)) == 0.0


@given(noise=st.lists(st.floats(-20, 20), min_size=6, max_size=40))
def test_noise_at_a_calm_level_never_kills(noise: list[float]) -> None:
    values = samples(*(500 + n for n in noise))
    state = State()
    for end in range(1, len(values) + 1):
        left = ladder.sure_time(values[:end])
        state, actions = decide(moment(end / 10, values[end - 1].used / 1e9, left=left), state)
        assert "kill" not in actions


@given(rate=st.floats(200, 5000), noise=st.lists(st.floats(-0.3, 0.3), min_size=30, max_size=30))
def test_runaway_growth_is_stopped_before_the_limit(rate: float, noise: list[float]) -> None:
    """At 20 ms a look, up to 5 GB/s into 1 GB."""
    step, seen, state = rate * ladder.HORIZON_S / 100, [], State()
    used = 300.0
    for number, share in enumerate([*noise, *[0.0] * 300]):
        used += step * (1 + share)
        seen.append(Sample(number * 0.02, int(used * MB), 1000 * MB))
        state, actions = decide(moment(number * 0.02, used / 1000, left=ladder.sure_time(seen)), state)
        if {"kill", "drain"} & set(actions):
            break
    assert used - step * 1.3 < 950  # at most one look late


def kills(values: list[float], every: float, limit_mb: float = 1000) -> list[int]:
    """At which of these levels (fractions) a worker that has broken its promise would be killed."""
    seen, state, out = deque[Sample](maxlen=64), State(), list[int]()
    for number, value in enumerate(values):
        seen.append(Sample(number * every, int(value * limit_mb * MB), int(limit_mb * MB)))
        now = Moment(number * every, value, None, ladder.sure_time(seen), float("inf"), 1)
        state, actions = decide(now, state)
        out += [number] if {"kill", "drain"} & set(actions) else []
        if value >= 1:
            break
    return out


LOOKS = st.sampled_from([0.02, 0.1, 0.3])


@settings(max_examples=40)
@given(
    level=st.floats(0.60, 0.845),
    every=LOOKS,
    noise=st.lists(st.floats(0, ladder.NOISE * 0.99), min_size=8, max_size=40),
)
def test_a_level_that_trembles_is_never_a_reason(level: float, every: float, noise: list[float]) -> None:
    assert kills([level + one for one in noise], every) == []
    assert kills([level + one for one in sorted(noise)], every) == []  # even if it looks like growth


@settings(max_examples=40)
@given(
    start=st.floats(0.60, 0.80), rate=st.floats(0, 0.03), every=LOOKS,
    noise=st.lists(st.floats(0, 0.01), min_size=60, max_size=60),
)  # fmt: skip
def test_slow_growth_is_never_a_reason_below_the_kill_level(
    start: float, rate: float, every: float, noise: list[float]
) -> None:
    values = [start + rate * every * number + one for number, one in enumerate(noise)]
    assert kills([value for value in values if value < 0.88], every) == []


@settings(max_examples=40)
@given(low=st.floats(0.2, 0.7), high=st.floats(0.75, 0.87), teeth=st.integers(5, 12))
def test_memory_taken_and_given_back_again_and_again_is_never_a_reason(low: float, high: float, teeth: int) -> None:
    """However fast it is taken: from the second time on it goes nowhere new."""
    tooth = [low + (high - low) * number / (teeth - 1) for number in range(teeth)]
    assert all(number < teeth for number in kills(tooth * 5, 0.02))


@settings(max_examples=40)
@given(rate=st.floats(0.35, 5.0), start=st.floats(0.3, 0.69))
def test_who_races_to_the_limit_is_stopped_on_the_way(rate: float, start: float) -> None:
    values = [start + rate * 0.02 * number for number in range(200)]
    stopped = kills(values, 0.02)
    assert stopped and values[stopped[0]] < 0.88 + rate * 0.02
