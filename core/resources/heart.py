"""The heart: the supervisor's own look at the container, every two seconds, into the flight record.

Gives what /health and /metrics answer. Looks at RAM and disk only, so that it costs next to nothing; what is slow (du)
is asked by a second thread, seldom. Starts and ends no process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from core.resources.beats import Vitals, vitals
from core.resources.breaker import Breaker
from core.resources.disk import Usage, measure_usage, read_disk
from core.resources.light import LightMemory
from core.resources.metrics import counter, gauge, of_container, of_processes, render
from core.resources.pressure import read_pressure
from core.resources.processes import read_processes
from core.resources.pulse import Pulse, Sight
from core.resources.record import read_record
from core.resources.recorder import Recorder
from core.resources.steady import Steady
from core.resources.verdict import Verdict, open_step
from core.settings import Settings

PERIOD_S = 2.0
SLOW_S, SLOW_SHARE = 60.0, 200.0  # between two du: at least, and in times of what it took
TICK_S = 30.0  # between two looks whether safe mode can be left


class Heart:
    """Beats for one supervisor; `began` and `ended` tell it of the app, its pulse whether that answers."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        breaker: Breaker,
        *,
        pulse: Pulse | None = None,
        period_s: float = PERIOD_S,
        measure: Callable[[Settings], Usage] = measure_usage,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._recorder, self._breaker, self._pulse = settings, recorder, breaker, pulse
        self._period_s, self._measure, self._ticks = period_s, measure, ticks
        self._memory = LightMemory(settings)
        self._usage: Usage | None = None
        self._vitals, self._beat_at = Vitals(), ticks()
        self._ticked = ticks()
        self._alive, self._lives = False, 0
        self._last: Verdict | None = None
        self._steady = Steady("reading the container")
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="heart", daemon=True),
            threading.Thread(target=self._run_slow, name="heart-disk", daemon=True),
        ]

    def start(self) -> None:
        """Begin to beat."""
        self._steady(self.beat)
        for thread in self._threads:
            thread.start()
        if self._pulse is not None:
            self._pulse.start()

    def stop(self) -> None:
        """End, after the look that is under way; a du is not waited for."""
        self._stopping.set()
        if self._pulse is not None:
            self._pulse.stop()
        self._threads[0].join(timeout=5.0)

    def began(self, pid: int) -> None:
        """The app has started."""
        self._alive = True
        self._lives += 1
        if self._pulse is not None:
            self._pulse.began(pid)

    def leaving(self) -> None:
        """The app has been told to stop: whether it answers is no news any more."""
        if self._pulse is not None:
            self._pulse.ended()

    def ended(self, verdict: Verdict | None = None) -> None:
        """The app is gone; how is told when it is known."""
        self._alive = False
        self.leaving()
        self._last = verdict or self._last

    def beat(self) -> None:
        """Look once and record it."""
        disk = read_disk(self._settings, self._usage)
        self._vitals = vitals(self._memory(), disk, read_pressure(self._settings.cgroup_root))
        self._beat_at = self._ticks()
        self._recorder.beat(self._vitals)

    @property
    def oom_kills(self) -> int | None:
        """Kernel kills for memory so far, counted now; None when that cannot be."""
        try:
            return self._memory().oom_kills
        except OSError:
            return None

    def hung_s(self) -> float | None:
        """How long the app has been silent, once there is no hope left; None before."""
        hung = self._pulse is not None and self._pulse.hung()
        return self._sight().silent_s if hung else None

    def health(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether the app runs, and the JSON of /health."""
        safe, sight = self._breaker.state(), self._sight()
        app = {"alive": self._alive, "answers": self._answers(), "silent_s": round(sight.silent_s, 1)}
        return self._alive, {
            "app": {**app, "restarts": max(0, self._lives - 1), "run": self._recorder.run},
            "last_beat_s": round(self._ticks() - self._beat_at, 1),
            "safe_mode": safe.active,
            "safe_mode_reason": safe.reason,
            "memory_percent": _percent(self._vitals.ram),
            "disk_percent": _percent(self._vitals.disk),
            "last_end": None if self._last is None else self._last.class_,
            "record_troubles": dict(self._recorder.troubles()),
        }

    def metrics(self) -> str:
        """The text of /metrics."""
        return render(
            (
                *of_container(self._vitals),
                *of_processes(read_processes(os.getpid())),
                gauge("app_up", "1 while the app's process lives.", float(self._alive)),
                gauge("app_answers", "1 while the app answers over HTTP.", float(self._answers())),
                gauge("app_silent_seconds", "Time without an answer of the app.", round(self._sight().silent_s, 3)),
                counter("app_restarts", "Times the supervisor started the app again.", max(0, self._lives - 1)),
                gauge("safe_mode", "1 in safe mode.", float(self._breaker.state().active)),
                gauge("last_beat_age_seconds", "Since the last look.", round(self._ticks() - self._beat_at, 3)),
                counter("record_failures", "What could not be recorded.", sum(self._recorder.troubles().values())),
            )
        )

    def _sight(self) -> Sight:
        return Sight() if self._pulse is None else self._pulse.sight

    def _answers(self) -> bool:
        sight = self._sight()
        return self._alive and sight.answered and not sight.told

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s):
            self._steady(self.beat)
            if self._ticks() - self._ticked >= TICK_S:
                self._ticked = self._ticks()
                self._look_at_safe_mode()

    def _look_at_safe_mode(self) -> None:
        if self._alive and self._breaker.pending():
            own = read_record(self._recorder.state_dir).of(self._recorder.run)
            self._breaker.tick(busy=self._sight().silent_s > 0 or open_step(own) is not None)

    def _look_at_disk(self) -> None:
        self._usage = self._measure(self._settings)

    def _run_slow(self) -> None:
        steady = Steady("measuring the disk")
        while not self._stopping.is_set():
            began = self._ticks()
            steady(self._look_at_disk)
            self._stopping.wait(max(SLOW_S, SLOW_SHARE * (self._ticks() - began)))


def _percent(part: float | None) -> float | None:
    return None if part is None else round(100 * part, 1)
