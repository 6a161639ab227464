"""Reading a result on the page: the picture, the threshold, and every number that follows from it.

A fragment: moving the slider draws this part alone. Numbers are those of the mask on screen or a dash, never of another
one. Measures nothing (core.workflows.looking) and saves nothing (downloads.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import StrokescopeError
from core.segmentation.results import JobResult
from core.sources.protocol import Source
from core.ui import downloads, loaders, looks, messages, provenance_view, state
from core.ui.looks import OnScreen
from core.ui.picture import Layer, draw_picture, truth_layer
from core.ui.redraw import redraw
from core.ui.result_view import Values, figures_html, lesion_table, score_figures, volume_figures
from core.ui.tasks import Task, result_of
from core.ui.waiting import retry, told
from core.workflows.looking import Look, threshold_of
from core.workflows.reading import LOWEST, Reading

WIDTHS = (77, 23)
HEIGHT = 690
POLL_S = 0.5
FRAGMENT, _ASKED = "reading-fragment", "reading-asked"
LEAST_ML = 0.0
BOTH = "Both"
Place = tuple[float, float, float]


@st.fragment(key=FRAGMENT)
def draw(source: Source, shown: OnScreen, images: Sequence[str], head: Callable[[], None] | None = None) -> None:
    """The picture with the result over it, and what is known of the result beside it; `head` says whose it is."""
    left, right = st.columns(WIDTHS, gap="small")
    provenance_view.style()
    with right, st.container(key="reading"):
        if head is not None:
            head()
        (way, layers), focus = _beside(shown)
    both = way == BOTH  # neither is to hide the other
    with left:
        if not images:
            st.info("No image of this case can be shown here.", icon=":material/image_not_supported:")
            return
        draw_picture(source, shown.case, images, shown.fetched, None, layers, HEIGHT, focus, outlines=both)


def _beside(shown: OnScreen) -> tuple[tuple[str, list[Layer]], Place | None]:
    """Everything right of the picture; returns what to draw over the images, and where to look."""
    numbers = st.container(key="reading-numbers")
    reading = _open(shown)
    (threshold, minimum), row = _controls(shown, reading)
    look = None if reading is None else _look(shown, reading, threshold, minimum)
    seen: Look | JobResult = look or shown.result
    opening = loaders.drawings().get(looks.open_key(shown)) if reading is None else None
    busy = [] if opening is None or opening.error is not None else [opening]
    task = None if busy else looks.surface_of(shown, seen.mask)
    measuring = task is not None and not task.over
    scores, waits = _scores(shown, look, None if measuring else task)
    with numbers:
        _numbers(shown, seen, scores, waits)
    with row:
        layers = _layers(shown, seen, look)
    focus = lesion_table(seen.lesions, seen.lesion_count, f"{shown.key}-{seen.mask.name}")
    with st.container(horizontal=True, gap="xsmall", key="reading-row"):
        making = downloads.draw(shown, look, None if waits else scores)
        provenance_view.draw(shown)
    pending = (*busy, *([task] if task is not None and measuring else []), *making)
    if pending:
        _poll(pending)
    return layers, focus


def _open(shown: OnScreen) -> Reading | None:
    """The opened result; None while it is being opened, or after a failure was told."""
    try:
        return looks.reading_of(shown)
    except StrokescopeError as error:
        messages.failure(error, "reading", lambda: retry(loaders.drawings(), looks.open_key(shown)))
        return None


def _look(shown: OnScreen, reading: Reading, threshold: float | None, minimum: float) -> Look | None:
    """The result there; None after a failure was told, and then the engine's own mask is on screen."""
    try:
        return looks.look_of(shown, reading, threshold, minimum)
    except StrokescopeError as error:
        st.error(f"**{messages.sentence(error)}.** The engine's own mask is shown. {messages.capital(error.hint)}.")
        return None


@st.fragment(run_every=POLL_S)
def _poll(tasks: tuple[Task, ...]) -> None:
    """What is under way, in words; has the reading drawn anew, and nothing else, when something is ready."""
    if any(task.over for task in tasks):
        asked = tuple(map(id, tasks))
        if st.session_state.get(_ASKED) == asked:
            st.rerun()  # it was asked for and has not come: all of the page, then
        st.session_state[_ASKED] = asked
        redraw(FRAGMENT)
    for task in tasks:
        st.caption(told(task, time.monotonic(), "%"))


def _controls(shown: OnScreen, reading: Reading | None) -> tuple[tuple[float | None, float], DeltaGenerator]:
    """Threshold (None: the engine's own) and smallest lesion, and the row for what to draw.

    Neither can be moved before the result is open.
    """
    own, closed = shown.result.threshold, reading is None
    slider, least = f"threshold-{shown.key}", f"smallest-{shown.key}"
    at: float | None = None
    if shown.result.probability is not None:
        low = min(LOWEST, own)
        first = max(low, _first(shown, "threshold", own))
        wanted = st.slider(
            "Probability threshold", low, 1.0, first, 0.01, key=slider, disabled=closed, persist_state="session",
            help="The mask is where the engine's probability is at least this. The engine is not run again.",
        )  # fmt: skip
        at = threshold_of(wanted, own)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="reading-controls")
    with row:
        minimum = st.number_input(
            "Smallest lesion, ml", LEAST_ML, 1000.0, _first(shown, "smallest", LEAST_ML), 0.05, key=least,
            disabled=closed, width=132,
            persist_state="session", help="Lesions (parts of the mask) that are smaller are left out.",
        )  # fmt: skip
        st.button(
            "Own", icon=":material/undo:", key=f"own-{shown.key}", on_click=_back, args=(slider, own, least),
            disabled=closed or (at is None and minimum == 0),
            help=f"Back to the engine's own mask: threshold {own:g}, every lesion",
        )  # fmt: skip
    if shown.result.probability is None:
        st.caption("This engine gives no probability, so there is no threshold to move.")
    if not closed:
        _to_address(shown, at, float(minimum))
    return (at, float(minimum)), row


def _first(shown: OnScreen, name: str, own: float) -> float:
    """What a control says when it is drawn for the first time: what a link says, or the engine's own."""
    place = state.current()
    said: float | None = getattr(place, name) if place.result == shown.key else None
    first: float = st.session_state.setdefault(f"first-{name}-{shown.key}", own if said is None else round(said, 2))
    return first


def _to_address(shown: OnScreen, at: float | None, minimum: float) -> None:
    """So that the address, and a link, give back what is on screen."""
    place = state.current()
    now = (None if at is None else round(at, 2), minimum or None)
    if place.result == shown.key and (place.threshold, place.smallest) != now:
        state.go(threshold=now[0], smallest=now[1])
        state.mirror(state.current(), loaders.settings().source)


def _back(slider: str, own: float, least: str) -> None:
    if slider in st.session_state:
        st.session_state[slider] = own
    st.session_state[least] = LEAST_ML


def _scores(shown: OnScreen, look: Look | None, task: Task | None) -> tuple[Values | None, str]:
    """What is known of the mask against the truth, and why the rest is not; None without a truth.

    Args:
        task: None while it runs.
    """
    if shown.truth is None:
        return None, ""
    if look is not None and look.against is None:
        return None, ""
    known: dict[str, float | int | None] = {} if look is None or look.against is None else asdict(look.against)
    if task is None:
        return known, "It is being measured in a process of its own."
    try:
        return {**result_of(task), **known}, ""
    except StrokescopeError as error:
        return known, f"It could not be measured: {messages.sentence(error)}."


def _numbers(shown: OnScreen, seen: Look | JobResult, scores: Values | None, waits: str) -> None:
    figures = volume_figures(seen)
    st.html(f'<div class="scope-volumes">{figures_html(figures)}</div>')
    if shown.result.warnings:
        provenance_view.warnings(shown.result.warnings)
    if scores is not None:
        against = score_figures(scores, waits)
        st.html(figures_html(against))
        figures += against
        return
    grid = "lies on another grid, so there is no score" if shown.truth is not None else ""
    st.caption(f"The truth {grid}." if grid else "This case has no ground truth, so there is no score.")


def _layers(shown: OnScreen, seen: Look | JobResult, look: Look | None) -> tuple[str, list[Layer]]:
    """What is drawn over the images, as was chosen, with its name."""
    result, truth = shown.result, shown.truth
    prediction = Layer(seen.mask, "prediction", f"prediction ({result.engine})", "prediction")
    ways = {"Prediction": [prediction]}
    if truth is not None:
        true = truth_layer(truth.path, shown.source)
        ways |= {"Truth": [true], BOTH: [true, prediction]}
        overlap = None if look is None else look.overlap
        agreement = [Layer(overlap, "overlap", "agreement", "prediction", "labels3")] if overlap else [true, prediction]
        ways = {"Agreement": agreement, **ways}
    if result.probability is not None:
        ways["Probability"] = [Layer(result.probability, "probability", "probability", "prediction", "heat")]
    if result.disagreement is not None:
        ways["Disagreement"] = [Layer(result.disagreement, "disagreement", "disagreement", "prediction", "heat")]
    names = list(ways)
    key = f"overlay-{''.join(name[:2] for name in names)}"
    way = st.selectbox("Overlay", names, key=key, persist_state="session", width=168)
    way = way or names[0]
    return way, ways[way]
