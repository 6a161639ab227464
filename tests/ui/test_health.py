"""Whether a source answers: asked again while somebody looks, and never flickering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.errors import HubDenied, HubError, HubOffline, HubRateLimited
from core.sources.sample import SampleSource
from core.ui.health import AGAIN_S, FRESH_S, Health, Pulses, asked_again_s
from core.ui.tasks import Tasks


class Clock:
    """Real time, and as much more as a test wants."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Asked(SampleSource):
    """A source on the Hub that answers as it is told."""

    spec = "hub:a/b@main"

    def __init__(self, *answers: float | HubError) -> None:
        self.answers = list(answers)
        self.go = threading.Event()
        self.go.set()

    def check(self) -> float | None:
        assert self.go.wait(30)
        answer = self.answers.pop(0)
        if isinstance(answer, HubError):
            raise answer
        return answer


def until(told: Callable[[], Health], state: str) -> Health:
    """The health once it has that state."""
    end = time.monotonic() + 30
    while (health := told()).state != state and time.monotonic() < end:
        time.sleep(0.01)
    assert health.state == state
    return health


OFFLINE = HubOffline("no network", hint="wait")


def test_a_silent_source_is_asked_again_and_its_answer_stands_meanwhile() -> None:
    clock = Clock()
    source, pulses = Asked(OFFLINE, 0.2), Pulses(Tasks(2), clock)
    assert pulses.of(source).state == "asking"
    silent = until(lambda: pulses.of(source), "silent")
    assert silent.error is OFFLINE
    assert pulses.of(source) == silent
    source.go.clear()
    clock.ahead = AGAIN_S
    assert pulses.of(source).state == "silent"  # asked again, not answered yet
    source.go.set()
    answers = until(lambda: pulses.of(source), "answers")
    assert answers.phrase == "answers in 0.2 s"
    assert answers.asked > silent.asked
    assert source.answers == []


def test_an_answer_is_doubted_when_a_transfer_failed() -> None:
    source, pulses = Asked(0.1, OFFLINE), Pulses(Tasks(2), Clock())
    until(lambda: pulses.of(source), "answers")
    pulses.again(source)
    until(lambda: pulses.of(source), "silent")


def test_how_soon_a_source_is_asked_again() -> None:
    def after(error: HubError | None) -> float:
        return asked_again_s(Health("silent", "", error))

    assert after(None) == FRESH_S
    assert after(OFFLINE) == AGAIN_S
    assert after(HubDenied("gated", hint="set HF_TOKEN")) == FRESH_S
    assert after(HubRateLimited("slow down", hint="wait", retry_after_s=40.0)) == 40.0
