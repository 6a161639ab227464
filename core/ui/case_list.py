"""The list of cases: filters, the table, and the background reading of what is not known yet."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.case import MODALITIES
from core.sources.protocol import Listing, Source
from core.ui import loaders, messages, state
from core.ui.health import health_of
from core.ui.table import Filters, Range, frame, keep, span
from core.ui.tasks import result_of
from core.ui.waiting import watcher
from core.workflows.explore_case import costs_network

_HELP = {
    "NIHSS": "National Institutes of Health Stroke Scale at admission, 0–42 points",
    "mRS": "modified Rankin Scale at admission, 0–6",
    "mRS 3 mo": "modified Rankin Scale after 3 months, 0–6",
    "MB": "megabytes (10⁶ bytes) that opening the case will fetch",
    "here": "● some of its images are on this machine already",
}


def listing_now(source: Source) -> Listing:
    """The listing as far as it is known; begins to read the rest in the background when the source answers."""
    listing = source.listing()
    if listing.complete:
        return listing
    tasks = loaders.fetches()
    task = tasks.get(("refresh", source.spec))
    if task is not None and task.state == "done":
        refreshed: Listing = result_of(task)
        return refreshed
    if task is None and health_of(source, loaders.checks()).state == "answers":
        tasks.start(("refresh", source.spec), "reading the details", source.refresh, watcher())
    return listing


@st.fragment(run_every=1.0)
def _reading(spec: str) -> None:
    tasks = loaders.fetches()
    task = tasks.get(("refresh", spec))
    health = health_of(loaders.source(spec), loaders.checks())
    if (task is None and health.state == "answers") or (task is not None and task.state == "done"):
        st.rerun()
    elif task is not None and task.error is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Age, NIHSS and sizes could not be read: {task.error}. Cases can be opened all the same.")
            st.button("Retry", key="retry-refresh", on_click=tasks.drop, args=(("refresh", spec),))
    elif health.error is not None:
        messages.failure(health.error, "list", lambda: loaders.checks().drop(("check", spec)))
    elif task is not None and task.progress is not None:
        p = task.progress
        st.caption(
            f"Reading age, NIHSS and sizes of all cases: {p.done / 1e6:.1f} MB so far. Cases can be opened already."
        )
    else:
        st.caption("Asking the Hub for age, NIHSS and sizes. Cases can be opened already.")


def draw(source: Source) -> None:
    """Filters and table; a chosen row opens its case."""
    listing = listing_now(source)
    if not listing.complete:
        _reading(source.spec)
    cached = {c.case_id: source.cached(c.case_id) for c in listing.cases}
    wish = _filters(listing)
    shown = [c for c in listing.cases if keep(c, wish, cached[c.case_id])]
    st.caption(f"{len(shown)} of {len(listing.cases)} cases · choose a row to open it · sort by a column's head")
    if not shown:
        st.info("No case passes these filters. Widen or clear them.", icon=":material/filter_alt_off:")
        return
    table = frame(shown, cached)
    if not listing.complete:
        table = table.dropna(axis="columns", how="all")
    if not costs_network(source) and "MB" in table:
        table = table.drop(columns="MB")
    if not table["note"].astype(bool).any():
        table = table.drop(columns="note")
    numbers = {"age": "%.0f", "NIHSS": "%.0f", "mRS": "%.0f", "mRS 3 mo": "%.0f", "MB": "%.1f"}
    config: dict[str, Any] = {n: st.column_config.NumberColumn(format=f, help=_HELP.get(n)) for n, f in numbers.items()}
    config["here"] = st.column_config.TextColumn(help=_HELP["here"])
    st.session_state["shown_ids"] = [c.case_id for c in shown]
    event = st.dataframe(
        table,
        hide_index=True,
        height=min(620, 38 + 35 * len(table)),
        on_select="rerun",
        selection_mode="single-row",
        column_config=config,
        placeholder="–",
        key=f"table-{st.session_state.get('table_round', 0)}",
    )
    rows = event.selection.rows
    if rows:
        st.session_state["table_round"] = st.session_state.get("table_round", 0) + 1
        state.go(source=source.spec, case=shown[rows[0]].case_id, modalities=())
        st.rerun()


def _filters(listing: Listing) -> Filters:
    cases = listing.cases
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="filters"):
        text = st.text_input("Search", placeholder="id or note", key="f-text", persist_state="session", width=200)
        age = _slider("Age (years)", span([c.clinical.age for c in cases]), "f-age")
        nihss = _slider("NIHSS at admission", span([c.clinical.nihss_admission for c in cases]), "f-nihss")
        mrs = _slider("mRS at 3 months", span([c.clinical.mrs_3month for c in cases]), "f-mrs")
        there = sorted({n for c in cases for n in c.modalities or ()}, key=list(MODALITIES).index)
        has: list[str] = []
        if there:
            has = st.multiselect(
                "Has",
                there,
                format_func=lambda n: MODALITIES[n].label,
                key="f-has",
                persist_state="session",
                width=220,
                placeholder="any image",
            )
        cached_only = st.toggle("On this machine", key="f-cached", persist_state="session", help=_HELP["here"])
    return Filters(text, age, nihss, mrs, tuple(has), cached_only)


def _slider(label: str, limits: Range | None, key: str) -> Range | None:
    """A range; None while it is untouched, so that cases with an unknown value stay."""
    if limits is None:
        return None
    low, high = int(limits[0]), int(-(-limits[1] // 1))
    chosen = st.slider(label, low, high, (low, high), key=key, width=170, persist_state="session")
    return None if chosen == (low, high) else (float(chosen[0]), float(chosen[1]))
