"""Metrics of the app itself: /metrics beside the pages, on the one port that a Space shows. Numbers only, no names.

Asks what is measured already; measures nothing, so that a scraper costs next to nothing. Off with STROKESCOPE_METRICS.
"""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.resources.beats import vitals_of
from core.resources.metrics import CONTENT_TYPE, counter, gauge, of_container, of_guard, of_processes, render
from core.ui import loaders
from core.ui.volumes import configured_base


def routes() -> list[Route]:
    """The route for `st.App(..., routes=...)`."""
    return [Route(f"{configured_base()}/metrics", _answer, methods=["GET"])]


def text() -> str:
    """The answer."""
    reading, guard = loaders.sampler().latest(), loaders.guard()
    places, status = guard.admission.places(), guard.watchdog.status()
    troubles = loaders.recorder().troubles()
    return render(
        (
            *of_container(vitals_of(reading)),
            *of_processes(reading.processes),
            *of_guard([place.position for place in places], status.ram, status.disk, status.to_limit_s),
            gauge("cache_bytes", "Files that were fetched or made and can be again.", reading.disk.cache_bytes),
            gauge("cpu_load_percent", "CPU in use, of what may be used.", reading.cpu.load_percent),
            gauge("sessions", "Browser sessions that are open.", float(len(loaders.sessions()))),
            gauge("safe_mode", "1 in safe mode.", float(loaders.breaker().state().active)),
            gauge("reading_age_seconds", "Since the container was last looked at.", round(time.time() - reading.at, 3)),
            counter("record_failures", "What could not be recorded.", sum(troubles.values())),
        )
    )


def _answer(request: Request) -> Response:
    if not loaders.settings().metrics:
        return PlainTextResponse("off: STROKESCOPE_METRICS\n", 404)
    return Response(text(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
