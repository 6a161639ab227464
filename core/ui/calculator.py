""" "What would this cost?" on the Resources page: a case, its images and an engine -> bytes, RAM, disk, seconds, fits.

The sums are step_cost.py's and are made in the background, so that a slow Hub stops nothing. Fetches no image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.errors import StrokescopeError
from core.resources.guard import Guard
from core.segmentation.engine import ENGINES, Engine
from core.sources.protocol import Listing, Source
from core.ui import listings, loaders, messages, model_view, place_bar, state
from core.ui.gauges import size
from core.ui.waiting import outcome, retry
from core.workflows.explore_case import choose, good_example
from core.workflows.step_cost import CostLine, estimate

NO_ENGINE = "no segmentation"


def draw(guard: Guard) -> None:
    """Questions and the answer for the source of this session's place."""
    try:
        source = place_bar.source_now()
        listing = listings.peek(source)
    except StrokescopeError as error:
        messages.failure(error, "calculator")
        return
    if listing is None:
        st.caption("The cases of this source are not known yet. The Cases page asks for them.")
        return
    asked = _questions(listing)
    if asked is None:
        st.caption("This source has no cases.")
        return
    case, names, engine = asked
    if not names and engine == NO_ENGINE:
        st.caption("Choose an image or an engine.")
        return
    _answer(source, case.case_id, names, engine, guard)


def _questions(listing: Listing) -> tuple[CaseRef, list[str], str] | None:
    """Which case, which images, which engine."""
    cases = {case.case_id: case for case in listing.cases}
    if not cases:
        return None
    ids, here = list(cases), state.current().case
    first = here if here in cases else good_example(listing) or ids[0]
    left, middle, right = st.columns([2, 3, 2])
    case = cases[left.selectbox("Case", ids, index=ids.index(first), key="cost-case")]
    there = [name for name in MODALITIES if case.modalities is None or name in case.modalities]
    usual = [name for name in choose(case, ()).names if name in there] or there[:1]
    names = middle.multiselect(
        "Images", there, default=usual, key=f"cost-images-{case.case_id}", format_func=lambda n: MODALITIES[n].label
    )
    engine = right.selectbox("Engine", [NO_ENGINE, *ENGINES], index=1, key="cost-engine")
    if engine == "network" and model_view.chosen_folder() is None:
        right.caption("Choose its model on the Segment page first.")
        return case, names, NO_ENGINE
    return case, names, engine


def _answer(source: Source, case_id: str, names: Sequence[str], engine: str, guard: Guard) -> None:
    """The lines, made anew each time they are asked for: what fits changes."""
    folder = model_view.chosen_folder() if engine == "network" else None
    opened: Engine | None = None if engine == NO_ENGINE else loaders.engine(engine, folder)
    key = ("cost", source.spec, case_id, tuple(names), engine, "" if opened is None else opened.info.version)
    try:
        lines: tuple[CostLine, ...] = outcome(
            loaders.lists(),
            key,
            "Working out the cost",
            lambda _, cancelled: estimate(source, case_id, names, opened, guard, cancelled),
        )
    except StrokescopeError as error:
        messages.failure(error, "cost", lambda: retry(loaders.lists(), key))
        return
    loaders.lists().drop(key)
    st.dataframe(cost_rows(lines), key="resources-cost", hide_index=True, column_config=_COLUMNS)
    st.caption(in_words(lines))


def cost_rows(lines: Sequence[CostLine]) -> list[dict[str, Any]]:
    """The steps for the table; a dash where nobody knows."""
    return [
        {
            "step": line.what,
            "fetch": "–" if line.fetch_bytes is None else _megabytes(line.fetch_bytes),
            "RAM": "–" if line.memory_mb is None else _megabytes(1e6 * line.memory_mb),
            "disk": "–" if line.disk_mb is None else _megabytes(1e6 * line.disk_mb),
            "seconds": "–" if line.seconds is None else f"{line.seconds:.1f}",
            "fits": {True: "yes", False: "no", None: "–"}[line.fits],
            "why": line.verdict,
        }
        for line in lines
    ]


def in_words(lines: Sequence[CostLine]) -> str:
    """ "184 MB to fetch, 1.90 GB of RAM at most: fits"; what does not fit is told with what would help."""
    fetch = sum(line.fetch_bytes or 0 for line in lines)
    more = " or more" if any(line.fetch_bytes is None for line in lines) else ""
    ram = max((line.memory_mb or 0.0 for line in lines), default=0.0)
    refused = [line for line in lines if line.fits is False]
    verdict = f"does not fit now: {refused[0].what} {refused[0].verdict}" if refused else "fits"
    if not refused and any(line.fits is None for line in lines):
        verdict = "fits as far as is known"
    return f"{_megabytes(fetch)}{more} to fetch, {_megabytes(1e6 * ram)} of RAM at most: {verdict}"


def _megabytes(count: float) -> str:
    return "0 MB" if count == 0 else size(count, binary=False)


_COLUMNS = {"why": st.column_config.TextColumn(width=260), "step": st.column_config.TextColumn(width=170)}
