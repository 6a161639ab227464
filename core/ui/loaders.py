"""The shared objects of the app: the only home of st.cache_resource and st.cache_data, all bounded.

One of each for all sessions: settings, cache, sources, task pools, sampler, guard, volume routes. Decides nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import streamlit as st

from core.hub.cache import Cache
from core.hub.fetch import Fetcher
from core.hub.hubs import Hubs
from core.resources.breaker import Breaker
from core.resources.guard import Guard, make_guard
from core.resources.probe import Sampler
from core.resources.recorder import Recorder
from core.resources.room import Room
from core.segmentation.engine import Engine, Missing, load_engine
from core.segmentation.kept import Results
from core.segmentation.models import stamps_of
from core.settings import Settings, load_settings
from core.sources.hub import make_fetcher
from core.sources.opening import open_source, parse_spec
from core.sources.protocol import Listing, Source
from core.ui.faults import Faults
from core.ui.health import Pulses
from core.ui.lately import Lately
from core.ui.open_readings import OpenReadings
from core.ui.past import Past, read_past
from core.ui.sessions import Sessions
from core.ui.slices import AGREEMENT, DIFFERENCE, PREDICTION, TRUTH, Sheet, load_sheet
from core.ui.state import local_key
from core.ui.tasks import Tasks
from core.ui.volumes import Volumes
from core.workflows.desk import Desk
from core.workflows.job_book import JobBook
from core.workflows.making_room import Offers, Spare

FETCHES = 64  # threads: who waits for a transfer waits in the Hub's own queue, which knows who goes next
QUESTIONS, AHEAD = 16, 2  # small questions, images fetched ahead
JOBS = 32  # threads: those whose turn it is not wait at the door, in its line
FIRST_ENGINE_S = 5.0  # what a page waits to hear whether an engine can run here
DRAWINGS = 4  # threads that make static views


@st.cache_resource(max_entries=1, show_spinner=False)
def settings() -> Settings:
    """The environment, read once."""
    return load_settings()


@st.cache_resource(max_entries=1, show_spinner=False)
def cache() -> Cache:
    """The files that were fetched or made."""
    return Cache(settings().cache_dir, room())


@st.cache_resource(max_entries=1, show_spinner=False)
def fetcher() -> Fetcher:
    """What fetches into the cache, once for all sources and sessions."""
    return make_fetcher(cache())


@st.cache_resource(max_entries=1, show_spinner=False)
def hubs() -> Hubs:
    """The connections to the Hub, and what it said of its limits, once for all sources and sessions."""
    return Hubs()


@st.cache_resource(max_entries=1, show_spinner=False)
def room() -> Room:
    """Bytes that may still be written."""
    return Room(settings())


@functools.cache  # made before Streamlit runs: its routes belong to the server
def volumes() -> Volumes:
    """The files that sessions may read, and the routes that serve them."""
    return Volumes()


@st.cache_resource(max_entries=1, show_spinner=False)
def sampler() -> Sampler:
    """Readings of the last minutes, taken in the background."""
    started = Sampler(settings())
    started.start()
    return started


@st.cache_resource(max_entries=1, show_spinner=False)
def recorder() -> Recorder:
    """The flight record of this process."""
    return Recorder(settings().state_dir, settings().persist_dir, role="app")


@st.cache_resource(max_entries=1, show_spinner=False)
def breaker() -> Breaker:
    """Safe mode, as this process keeps and asks it."""
    return Breaker(recorder())


@st.cache_resource(max_entries=1, show_spinner=False)
def faults() -> Faults:
    """What the flight record should know of failures."""
    return Faults(recorder().note)


@st.cache_resource(max_entries=1, show_spinner=False)
def past() -> Lately[Past]:
    """How the last runs ended and the last transitions, as of half a minute ago; no page waits for it."""
    state_dir = settings().state_dir
    return Lately(lambda: read_past(state_dir), Past())


@st.cache_resource(max_entries=1, show_spinner=False)
def guard() -> Guard:
    """The door before every heavy step, and its watchdog, which runs."""
    # threads that outlive this must not ask
    readings, kept, record, answers, pictures = sampler(), cache(), recorder(), results(), drawings()
    opened = open_readings()

    def trim() -> None:
        sheet.clear()
        opened.clear()
        pictures.drop_results()

    def evict() -> None:
        kept.evict(max(1, readings.latest().disk.excess_bytes))

    made = make_guard(
        settings(), record, lambda: readings.latest().disk, trim=trim, evict=evict, breaker=breaker(),
        spare=Spare(kept), helps=Offers(kept, answers),
    )  # fmt: skip
    made.watchdog.start()
    readings.describe(lambda: {os.getpid(): getattr(record.current(), "name", ""), **made.watchdog.doing()})
    return made


@st.cache_resource(max_entries=16, show_spinner=False)
def source(spec: str) -> Source:
    """The source of that name, shared by all sessions. Raises BadSource."""
    return open_source(spec, settings(), cache(), fetcher(), hubs())


@st.cache_resource(max_entries=1, show_spinner=False)
def local_sources() -> dict[str, str]:
    """Folders that a person opened or configured: their short key -> spec. An address may only name these."""
    configured = settings().source
    return {local_key(configured): configured} if configured.startswith("local:") else {}


def allow_local(spec: str) -> None:
    """Let addresses name this folder, by its key, until the app ends."""
    known = local_sources()
    if parse_spec(spec).kind == "local" and len(known) < 64:
        known[local_key(spec)] = spec


def _tasks(workers: int, what: str) -> Tasks:
    told = faults()
    return Tasks(workers, on_error=lambda error: told.seen(error, what))


@st.cache_resource(max_entries=1, show_spinner=False)
def fetches() -> Tasks:
    """Transfers of images that somebody looks at."""
    return _tasks(FETCHES, "fetch")


@st.cache_resource(max_entries=1, show_spinner=False)
def ahead() -> Tasks:
    """Transfers of images that somebody may look at next."""
    return _tasks(AHEAD, "fetch ahead")


@st.cache_resource(max_entries=1, show_spinner=False)
def lists() -> Tasks:
    """Questions about cases: which there are, what one holds."""
    return _tasks(QUESTIONS, "list")


@st.cache_resource(max_entries=1, show_spinner=False)
def known_listings() -> dict[str, Listing]:
    """The last listing of each source, by its spec."""
    return {}


@st.cache_resource(max_entries=1, show_spinner=False)
def pulses() -> Pulses:
    """Whether sources answer; apart from the transfers, so that a busy line does not delay the answer."""
    return Pulses(Tasks(QUESTIONS))


@st.cache_resource(max_entries=1, show_spinner=False)
def sessions() -> Sessions:
    """What sessions hold; let go when they end."""

    def let_go(owner: str) -> None:
        for tasks in (fetches(), ahead()):
            tasks.leave_others(owner)
        cache().let_go(owner)
        results().let_go(owner)

    return Sessions(let_go)


@st.cache_resource(max_entries=1, show_spinner=False)
def results() -> Results:
    """Finished segmentations."""
    return Results(settings().cache_dir)


@st.cache_resource(max_entries=1, show_spinner=False)
def jobs() -> Tasks:
    """Scores and other work on results; segmentations are the desk's."""
    return _tasks(JOBS, "job")


@st.cache_resource(max_entries=1, show_spinner=False)
def open_readings() -> OpenReadings:
    """Results that are open, for their sliders; given back when RAM is short."""
    return OpenReadings()


def engine(name: str, folder: Path | None = None) -> Engine:
    """The engine of that name, with the model in `folder`; another one when the model's files change.

    Raises:
        BadParameter, BadModel: as load_engine.
    """
    return _engine(name, folder, stamps_of(folder))


def engine_missing(name: str, folder: Path | None = None) -> Lately[Missing | None]:
    """Why that engine cannot run here, as of half a minute ago; None when it can."""
    return _engine_missing(name, folder, stamps_of(folder))


@st.cache_resource(max_entries=16, show_spinner=False)
def _engine(name: str, folder: Path | None, stamps: tuple[tuple[str, int, int], ...]) -> Engine:
    return load_engine(name, folder)


@st.cache_resource(max_entries=16, show_spinner=False)
def _engine_missing(name: str, folder: Path | None, stamps: tuple[tuple[str, int, int], ...]) -> Lately[Missing | None]:
    unsure = Missing("Whether this engine can run here is not known yet", "wait a moment, then look again")
    return Lately(load_engine(name, folder).missing, unsure, first_s=FIRST_ENGINE_S)


@st.cache_resource(max_entries=1, show_spinner=False)
def desk() -> Desk:
    """Where segmentations are handed in; what a former process left is settled."""
    told = faults()
    made = Desk(
        settings(), guard(), results(), JobBook(settings().state_dir / "jobs"),
        open_source=source, lease=cache().lease, ends=lambda: past()().runs,
        on_error=lambda error: told.seen(error, "job"),
    )  # fmt: skip
    made.settle()
    return made


@st.cache_resource(max_entries=1, show_spinner=False)
def look_tasks() -> Tasks:
    """Results that are seen at a threshold."""
    return _tasks(DRAWINGS, "view")


@st.cache_resource(max_entries=1, show_spinner=False)
def drawings() -> Tasks:
    """Static views that are being made, and results that are being opened."""
    return _tasks(DRAWINGS, "view")


@st.cache_resource(max_entries=4, show_spinner=False)
def sheet(
    image: Path,
    overlay: Path | None,
    stamps: tuple[float, ...],
    window: tuple[float, float] | None,
    adc: bool,
    kind: str,
    _door: Callable[[], AbstractContextManager[object]],
) -> Sheet:
    """One image ready for the static view; `stamps` are the files' mtimes: other files are another entry.

    Goes through the door unless it is kept. Raises BadVolume, GridMismatch, OverBudget, JobCancelled.
    """
    palette = {"labels3": AGREEMENT, "differ3": DIFFERENCE, "prediction": {1: PREDICTION}}.get(kind, {1: TRUTH})
    with _door():
        return load_sheet(image, overlay, window, "adc" if adc else 1.0, palette)
