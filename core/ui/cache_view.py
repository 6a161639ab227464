"""What the cache holds, on the Resources page: of how much, which cases, what is unfinished; and how to remove it.

Removes only after a second press, and never what is on somebody's screen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from core.hub.cache import Cache
from core.hub.entries import CacheEntry
from core.resources.probe import Sampler
from core.segmentation.kept import Results
from core.ui.gauges import size

_CONFIRM, _FREED = "resources-confirm-clear", "resources-freed"
_HELP = {
    "unfinished": "transfers that broke off; they go on where they stopped when the case is opened again",
    "last used": "what was not used for longest goes first when room is needed",
}
Row = Mapping[str, Any]


def draw(cache: Cache, results: Results, sampler: Sampler) -> None:
    """Draw the section."""
    freed = st.session_state.pop(_FREED, None)
    if freed is not None:
        st.success(f"Removed {size(freed, binary=False)}.")
    entries, kept = [*cache.entries(), *cache.unfinished(), *cache.records()], results.entries()
    if not entries and not kept:
        st.caption("The cache is empty. Images that you open are kept here, so that opening them again costs nothing.")
        return
    made = sum(k.bytes for k in kept)
    st.caption(in_words(entries, len(kept), made, cache.room()))
    chosen = _table(entries) if entries else []
    what = _asked(chosen, entries, len(kept), made)
    if not st.session_state.get(_CONFIRM):
        label = f"Remove {what}" if chosen else "Clear the cache"
        st.button(label, key="resources-clear", on_click=_ask, args=(True,), icon=":material/delete:")
        return
    st.warning(f"Remove {what}? It can be fetched or made again. What is on somebody’s screen stays.")
    with st.container(horizontal=True):
        args = (cache, results, sampler, chosen)
        st.button("Remove them", key="resources-clear-yes", on_click=_clear, args=args, type="primary")
        st.button("Keep them", key="resources-clear-no", on_click=_ask, args=(False,))


def in_words(entries: Sequence[CacheEntry], results: int, result_bytes: int, room: int | None) -> str:
    """How much lies here, and of how much. `room`: bytes that may still be written; None without a limit."""
    total = sum(e.bytes for e in entries) + result_bytes
    of = "" if room is None else f" of {size(total + max(0, room), binary=False)} that the cache may hold"
    return f"{_things(entries)} and {results} segmentations, {size(total, binary=False)}{of}."


def _things(entries: Sequence[CacheEntry]) -> str:
    """How many finished images, unfinished ones, and lists of cases."""
    parts, lists = sum(e.unfinished for e in entries), sum(e.is_records for e in entries)
    unfinished = f", {parts} unfinished" if parts else ""
    return f"{len(entries) - parts - lists} images{unfinished}" + (f", {_lists(lists)}" if lists else "")


def _lists(count: int) -> str:
    return f"{count} list{'s' if count > 1 else ''} of cases"


def cache_rows(entries: Iterable[CacheEntry]) -> list[dict[str, Any]]:
    """One row per case, and one for each list of cases, largest first."""
    cases: dict[tuple[str, str], list[CacheEntry]] = defaultdict(list)
    for entry in entries:
        cases[entry.source, entry.case_id].append(entry)
    rows: list[dict[str, Any]] = []
    for (source, case_id), group in cases.items():
        row: dict[str, Any] = {"case": case_id}
        row["images"] = ", ".join(sorted(entry.modality for entry in group if not entry.unfinished))
        row["unfinished"] = ", ".join(sorted(entry.modality for entry in group if entry.unfinished))
        row["MB"] = round(sum(entry.bytes for entry in group) / 1e6, 2)
        row["last used"] = datetime.fromtimestamp(max(entry.last_used for entry in group), UTC)
        row["source"] = source
        rows.append(row)
    return sorted(rows, key=lambda row: (-row["MB"], row["case"]))


def of_rows(entries: Iterable[CacheEntry], rows: Iterable[Row]) -> list[CacheEntry]:
    """The entries that these rows stand for."""
    wanted = {(row["source"], row["case"]) for row in rows}
    return [entry for entry in entries if (entry.source, entry.case_id) in wanted]


def _table(entries: Sequence[CacheEntry]) -> list[CacheEntry]:
    """The table; returns the entries of the chosen rows."""
    sources = sorted({entry.source for entry in entries})
    rows = cache_rows(entries)
    if len(sources) > 1:
        source = st.selectbox("Source", ["all sources", *sources], key="resources-source", label_visibility="collapsed")
        rows = [row for row in rows if source in ("all sources", row["source"])]
    shown = [{k: v for k, v in row.items() if k != "unfinished" or any(r["unfinished"] for r in rows)} for row in rows]
    event = st.dataframe(
        shown,
        key=f"resources-cache-{st.session_state.get('resources-round', 0)}",
        hide_index=True,
        height=220,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "images": st.column_config.TextColumn(width=130),
            "source": st.column_config.TextColumn(width=300),
            "last used": st.column_config.DatetimeColumn(format="distance", help=_HELP["last used"]),
            "unfinished": st.column_config.TextColumn(help=_HELP["unfinished"]),
            "MB": st.column_config.NumberColumn(format="%.2f", width=70, help="megabytes (10⁶ bytes)"),
        },
    )
    return of_rows(entries, [rows[i] for i in event.selection.rows if i < len(rows)])


def _asked(chosen: Sequence[CacheEntry], entries: Sequence[CacheEntry], results: int, result_bytes: int) -> str:
    if chosen:
        cases = len({(e.source, e.case_id) for e in chosen if not e.is_records})
        lists = sum(e.is_records for e in chosen)
        what = [f"{cases} case{'s' if cases > 1 else ''}"] if cases else []
        total = size(sum(e.bytes for e in chosen), binary=False)
        return ", ".join([*what, *([_lists(lists)] if lists else []), total])
    total = size(sum(e.bytes for e in entries) + result_bytes, binary=False)
    return f"{_things(entries)} and {results} segmentations ({total})"


def _ask(wanted: bool) -> None:
    st.session_state[_CONFIRM] = wanted


def _clear(cache: Cache, results: Results, sampler: Sampler, chosen: Sequence[CacheEntry]) -> None:
    st.session_state[_CONFIRM] = False
    st.session_state["resources-round"] = st.session_state.get("resources-round", 0) + 1
    if chosen:
        gone = {entry.path for entry in chosen}
        here = (*cache.entries(), *cache.unfinished(), *cache.records())
        keep = frozenset(e.path for e in here if e.path not in gone)
        st.session_state[_FREED] = cache.clear(keep)
    else:
        st.session_state[_FREED] = cache.clear() + results.clear()
    sampler.refresh()
