"""Whether a source answers, asked in the background and remembered for a minute. Draws nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from core.errors import HubError
from core.sources.protocol import Cancelled, Report, Source
from core.ui.tasks import Tasks, result_of

FRESH_S = 60.0


@dataclass(frozen=True)
class Health:
    """`state` and one phrase for the chip; `error` is the reason when it does not answer."""

    state: Literal["asking", "answers", "silent", "no network needed"]
    phrase: str
    error: HubError | None = None


def health_of(source: Source, tasks: Tasks) -> Health:
    """What is known now; starts asking when nothing is known or it is older than a minute. Never waits."""
    if not source.spec.startswith("hub:"):
        return Health("no network needed", "on this computer")
    key = ("check", source.spec)

    def work(report: Report, cancelled: Cancelled) -> float | None:
        return source.check()

    task = tasks.get(key)
    if task is not None and task.over and time.monotonic() - task.ended > FRESH_S:
        tasks.drop(key)
        task = None
    if task is None:
        task = tasks.start(key, "asking the Hub", work)
    if not task.over:
        return Health("asking", "asking …")
    try:
        seconds = result_of(task)
    except HubError as error:
        return Health("silent", "does not answer", error)
    return Health("answers", "answers" if seconds is None else f"answers in {seconds:.1f} s")


def ask_again(source: Source, tasks: Tasks) -> None:
    """Forget the last answer."""
    tasks.drop(("check", source.spec))
