"""The list of cases: filters, the table, and one line that says what is read, what is here and what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.errors import HubDenied, HubError, HubNotFound, HubOffline, HubRateLimited
from core.sources.protocol import Listing, Progress, Source
from core.ui import getting, listings, loaders, messages, recovery, revision, state
from core.ui.health import Health
from core.ui.table import Filters, Range, frame, keep, span
from core.workflows.explore_case import choose, costs_network

_HELP = {
    "NIHSS": "National Institutes of Health Stroke Scale at admission, 0–42 points",
    "mRS": "modified Rankin Scale at admission, 0–6",
    "mRS 3 mo": "modified Rankin Scale after 3 months, 0–6",
    "MB": "megabytes (10⁶ bytes) that opening the case will fetch",
    "here": "● all that opening it shows is on this machine, ◐ some of its images are, ○ none",
}
_SILENT: dict[type[HubError], str] = {
    HubOffline: "offline",
    HubRateLimited: "the Hub asks to wait",
    HubDenied: "gated or private",
    HubNotFound: "not on the Hub",
}


def draw(source: Source) -> None:
    """Filters and table; a chosen row opens its case."""
    getting.elsewhere()
    read = listings.are_read(source)  # asked first: what comes later is not in this table
    listing = listings.now(source)
    if listing is None:
        return
    cached = {c.case_id: source.cached(c.case_id) for c in listing.cases}
    wish = _filters(listing)
    shown = [c for c in listing.cases if keep(c, wish, cached[c.case_id])]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="list-status"):
        st.caption(f"{len(shown)} of {len(listing.cases)} cases · choose a row to open it", width="content")
        silent = loaders.pulses().of(source).state == "silent"
        here = sum(bool(names) for names in cached.values())
        known = listing.complete or read
        newer = revision.newer_spec(source)
        _status(source, known, silent, newer, wish.cached_only, f"{here} of {len(listing.cases)}")
        revision.offer(newer)
    if not shown:
        st.info("No case passes these filters. Widen or clear them.", icon=":material/filter_alt_off:")
        return
    st.session_state["shown_ids"] = [c.case_id for c in shown]
    _table(source, shown, cached, listing.complete, silent)


def _table(
    source: Source, shown: Sequence[CaseRef], cached: Mapping[str, frozenset[str]], complete: bool, silent: bool
) -> None:
    table = frame(shown, cached)
    if not complete:
        table = table.dropna(axis="columns", how="all")
    if not costs_network(source) and "MB" in table:
        table = table.drop(columns="MB")
    if not table["note"].astype(bool).any():
        table = table.drop(columns="note")
    numbers = {"age": "%.0f", "NIHSS": "%.0f", "mRS": "%.0f", "mRS 3 mo": "%.0f", "MB": "%.1f"}
    config: dict[str, Any] = {n: st.column_config.NumberColumn(format=f, help=_HELP.get(n)) for n, f in numbers.items()}
    config["here"] = st.column_config.TextColumn(help=_HELP["here"])
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
        case = shown[rows[0]]
        state.go(case=case.case_id, modalities=_first_images(case, cached[case.case_id]) if silent else ())
        st.rerun()


def _first_images(case: CaseRef, here: frozenset[str]) -> tuple[str, ...]:
    """Without the Hub a case opens with what is here: the usual images, or else any others."""
    usual = choose(case, ()).images
    there = tuple(n for n in here if n in MODALITIES and not MODALITIES[n].is_mask)
    return () if set(usual) <= here or not there else choose(case, there).images


@st.fragment(run_every=1.0)
def _status(source: Source, known: bool, silent: bool, newer: str | None, only_here: bool, here: str) -> None:
    """What is read and whether the Hub is there; draws the page anew when that changes what the page shows.

    Args:
        known, silent, newer, only_here: as the page was drawn.
        here: "2 of 149", the cases on this machine.
    """
    health = loaders.pulses().of(source)
    task = None if known else listings.details(source)
    done = task is not None and task.state == "done"
    now = (health.state == "silent", revision.newer_spec(source), bool(st.session_state.get(state.ONLY_HERE)))
    if done or now != (silent, newer, only_here):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if health.error is not None:
            _offline(health, here, only_here)
        elif task is not None and task.error is not None:
            st.caption(f"Age, NIHSS and sizes could not be read: {task.error}.", width="content")
            key = ("refresh", source.spec)
            st.button("Retry", key="retry-refresh", on_click=loaders.lists().drop, args=(key,))
            recovery.attend(source, task.error, loaders.lists(), key, task.ended)
        elif task is not None:
            st.caption(_reading(task.progress), width="content")
        elif not known:
            st.caption("Asking the Hub for age, NIHSS and sizes. Cases can be opened already.", width="content")


def _reading(progress: Progress | None) -> str:
    done = "" if progress is None else f": {progress.done / 1e6:.1f}"
    of = f" of {progress.total / 1e6:.1f}" if progress is not None and progress.total else ""
    unit = " MB" if progress is not None else ""
    note = f" · {progress.note}" if progress is not None and progress.note else ""
    return f"Reading age, NIHSS and sizes{done}{of}{unit}{note}. Cases can be opened already."


def _offline(health: Health, here: str, only_here: bool) -> None:
    assert health.error is not None
    word = _SILENT.get(type(health.error), "the Hub does not answer")
    why = f"{messages.sentence(health.error)}. {messages.capital(health.error.hint)}."
    st.markdown(
        f":orange-badge[:material/cloud_off: {word}] {here} cases are on this machine", help=why, width="content"
    )
    if not only_here and not here.startswith("0 "):
        st.button("Show only these", key="only-here", on_click=_show_only_here)


def _show_only_here() -> None:
    st.session_state[state.ONLY_HERE] = True


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
        cached_only = st.toggle("On this machine", key=state.ONLY_HERE, persist_state="session", help=_HELP["here"])
    return Filters(text, age, nihss, mrs, tuple(has), cached_only)


def _slider(label: str, limits: Range | None, key: str) -> Range | None:
    """A range; None while it is untouched, so that cases with an unknown value stay."""
    if limits is None:
        return None
    low, high = int(limits[0]), int(-(-limits[1] // 1))
    chosen = st.slider(label, low, high, (low, high), key=key, width=170, persist_state="session")
    return None if chosen == (low, high) else (float(chosen[0]), float(chosen[1]))
