"""Lifeline: what runs beside the pages from the app's first second to its last: readings, heartbeat, watchdog, record.

Without a supervisor it also judges the runs before, and records that this one begins and ends. Draws nothing; importing
it starts nothing (`lifespan` does).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core.hub import runtime
from core.resources.beats import vitals_of
from core.resources.breaker import Breaker
from core.resources.ending import Ending
from core.resources.probe import Sampler
from core.resources.processes import supervised
from core.resources.reading import Reading
from core.resources.recorder import Recorder
from core.resources.runs import HubMessage, RunLog
from core.resources.watchdog import Watchdog
from core.settings import Settings
from core.ui import loaders

TICK_S = 30.0  # between two looks whether safe mode can be left
STOPPED = Ending("clean stop", "confirmed", ("the app was asked to stop and did so in order",))


class Lifeline:
    """One for the app; `start`, then `stop`.

    Args:
        alone: no supervisor keeps the record.
        on_space: for the record: who sleeps there was not killed.
        hub_message: asks the Hub why the container failed last.
        at_stop: ends the work that is under way, in seconds.
    """

    def __init__(
        self,
        sampler: Sampler,
        watchdog: Watchdog,
        recorder: Recorder,
        breaker: Breaker,
        *,
        alone: bool,
        on_space: bool = False,
        hub_message: HubMessage = lambda: None,
        at_stop: Callable[[], None] = lambda: None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler, self._watchdog, self._recorder, self._breaker = sampler, watchdog, recorder, breaker
        self._alone, self._on_space, self._ticks, self._at_stop = alone, on_space, ticks, at_stop
        self._log = RunLog(recorder.state_dir, recorder=recorder, hub_message=hub_message)
        self._run = ""
        self._ticked = ticks()

    def start(self) -> None:
        """Look back, record the beginning, and let everything run."""
        if self._alone:
            self.look_back()
            self._run = self._log.start(space=self._on_space, alone=True)
        self.beat(self._sampler.latest())
        self._sampler.observe(self.beat)
        self._sampler.start()
        self._watchdog.start()

    def stop(self) -> None:
        """End everything, the record last; what is asked of the app is on disk before, should that take too long."""
        if self._alone:
            self._recorder.note("stop asked", phase="")
        self._at_stop()
        self._watchdog.stop()
        self._sampler.stop()
        if self._alone:
            self._log.end(self._run, STOPPED)
        self._breaker.close()
        self._recorder.close()

    def look_back(self) -> None:
        """Judge the runs that nobody ended; what ended abnormally counts towards safe mode."""
        self._breaker.prepare()
        for verdict in self._log.settle():
            self._breaker.note_run(verdict)

    def beat(self, reading: Reading) -> None:
        """Record one reading; now and then see whether safe mode can be left."""
        self._recorder.beat(vitals_of(reading), tell=self._alone)  # a supervisor tells of its own
        if self._alone and self._ticks() - self._ticked >= TICK_S:
            self._ticked = self._ticks()
            self._breaker.tick()


def begin(settings: Settings) -> Lifeline:
    """The app's own, started. Raises BadSettings."""
    line = Lifeline(
        loaders.sampler(),
        loaders.guard().watchdog,
        loaders.recorder(),
        loaders.breaker(),
        alone=not supervised(),
        on_space=bool(settings.space_id),
        hub_message=lambda: runtime.ask(settings),
        at_stop=lambda: loaders.desk().close(),
    )
    line.start()
    loaders.desk()  # what a former process had not ended is settled before anybody looks
    return line


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """For `st.App(..., lifespan=...)`: before the first page, and after the last."""
    line = await asyncio.to_thread(lambda: begin(loaders.settings()))
    try:
        yield
    finally:
        await asyncio.to_thread(line.stop)
