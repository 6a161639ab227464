"""What the cache holds, on the Resources page: which cases, segmentations and models; and how to remove it.

Removes only after a second press, and never what is on somebody's screen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from core.errors import ResultInUse
from core.hub.cache import Cache
from core.hub.entries import CacheEntry
from core.resources.probe import Sampler
from core.segmentation.kept import Results
from core.segmentation.kept_record import Kept
from core.segmentation.model_store import ModelStore, StoredModel
from core.ui.gauges import size

_CONFIRM, _FREED = "resources-confirm-clear", "resources-freed"
_HELP = {
    "unfinished": "transfers that broke off; they go on where they stopped when the case is opened again",
    "last used": "what was not used for longest goes first when room is needed",
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stock:
    """What lies here, or a part of it that was chosen."""

    images: Sequence[CacheEntry] = ()
    results: Sequence[Kept] = ()
    models: Sequence[StoredModel] = ()

    def __bool__(self) -> bool:
        return bool(self.images or self.results or self.models)

    @property
    def made_bytes(self) -> int:
        """Of segmentations and models."""
        return sum(kept.bytes for kept in self.results) + sum(model.bytes for model in self.models)


def draw(cache: Cache, results: Results, sampler: Sampler) -> None:
    """Draw the section."""
    freed = st.session_state.pop(_FREED, None)
    if freed is not None:
        st.success(f"Removed {size(freed[0], binary=False)}.{freed[1]}")
    store = ModelStore(cache.root / "models")
    here = Stock([*cache.entries(), *cache.unfinished(), *cache.records()], results.entries(), store.entries())
    if not here:
        st.caption("The cache is empty. Images that you open are kept here, so that opening them again costs nothing.")
        return
    st.caption(in_words(here.images, len(here.results), here.made_bytes, cache.room(), len(here.models)))
    images = _table(here.images) if here.images else []
    chosen = Stock(images, *(_made(here) if here.results or here.models else ((), ())))
    what = _asked(chosen, here)
    if not st.session_state.get(_CONFIRM):
        label = f"Remove {what}" if chosen else "Clear the cache"
        st.button(label, key="resources-clear", on_click=_ask, args=(True,), icon=":material/delete:")
        return
    st.warning(f"Remove {what}? It can be fetched or made again. What is on somebody’s screen stays.")
    with st.container(horizontal=True):
        args = (cache, results, store, sampler, chosen)
        st.button("Remove them", key="resources-clear-yes", on_click=_clear, args=args, type="primary")
        st.button("Keep them", key="resources-clear-no", on_click=_ask, args=(False,))


def in_words(entries: Sequence[CacheEntry], results: int, made_bytes: int, room: int | None, models: int = 0) -> str:
    """How much lies here, and of how much.

    Args:
        made_bytes: of the segmentations and models together.
        room: bytes that may still be written; None without a limit.
    """
    total = sum(e.bytes for e in entries) + made_bytes
    of = "" if room is None else f" of {size(total + max(0, room), binary=False)} that the cache may hold"
    return f"{_all_of(entries, results, models)}, {size(total, binary=False)}{of}."


def _all_of(entries: Sequence[CacheEntry], results: int, models: int) -> str:
    made = f"{results} segmentations" + (f" and {models} model{'s' if models > 1 else ''}" if models else "")
    return f"{_things(entries)}{',' if models else ' and'} {made}"


def made_rows(results: Iterable[Kept], models: Iterable[StoredModel]) -> list[dict[str, Any]]:
    """One row for each segmentation, the newest first, and for each model; a folder without a result says so."""
    rows = []
    for kept in sorted(results, key=lambda kept: -(kept.found.made if kept.found else 0)):
        found = kept.found
        if found is None:
            rows.append(
                {"what": "unfinished segmentation", "case": "", "MB": kept.bytes / 1e6, "made": None, "source": ""}
            )
            continue
        what = f"{found.title} · {found.changes}" if found.changes else found.title
        made = datetime.fromtimestamp(found.made, UTC)
        row = {"what": what, "case": found.case_id or "own files", "MB": kept.bytes / 1e6, "made": made}
        rows.append({**row, "source": found.source or ""})
    for model in models:
        what = f"model {model.name}" + (", unfinished" if model.unfinished else "")
        rows.append({"what": what, "case": "", "MB": model.bytes / 1e6, "made": None, "source": "the Hub"})
    return rows


def _made(here: Stock) -> tuple[list[Kept], list[StoredModel]]:
    """The table of segmentations and models; returns the chosen ones."""
    results = sorted(here.results, key=lambda kept: -(kept.found.made if kept.found else 0))
    event = st.dataframe(
        made_rows(results, here.models),
        key=f"resources-made-{st.session_state.get('resources-round', 0)}",
        hide_index=True,
        height=min(220, 38 + 35 * (len(results) + len(here.models))),
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "what": st.column_config.TextColumn(width=230, help="engine, version, and what differs from the defaults"),
            "made": st.column_config.DatetimeColumn(format="distance"),
            "MB": st.column_config.NumberColumn(format="%.2f", width=70, help="megabytes (10⁶ bytes)"),
        },
    )
    rows = [row for row in event.selection.rows if row < len(results) + len(here.models)]
    count = len(results)
    return [results[r] for r in rows if r < count], [here.models[r - count] for r in rows if r >= count]


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


def _asked(chosen: Stock, here: Stock) -> str:
    if not chosen:
        total = size(sum(e.bytes for e in here.images) + here.made_bytes, binary=False)
        return f"{_all_of(here.images, len(here.results), len(here.models))} ({total})"
    cases = len({(e.source, e.case_id) for e in chosen.images if not e.is_records})
    lists = sum(e.is_records for e in chosen.images)
    counts = ((cases, "case"), (len(chosen.results), "segmentation"), (len(chosen.models), "model"))
    what = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count]
    total = size(sum(e.bytes for e in chosen.images) + chosen.made_bytes, binary=False)
    return ", ".join([*what, *([_lists(lists)] if lists else []), total])


def _ask(wanted: bool) -> None:
    st.session_state[_CONFIRM] = wanted


def _clear(cache: Cache, results: Results, store: ModelStore, sampler: Sampler, chosen: Stock) -> None:
    st.session_state[_CONFIRM] = False
    st.session_state["resources-round"] = st.session_state.get("resources-round", 0) + 1
    freed, stayed = 0, 0
    if not chosen:
        freed = cache.clear() + results.clear() + store.clear()
    if chosen.images:
        gone = {entry.path for entry in chosen.images}
        here = (*cache.entries(), *cache.unfinished(), *cache.records())
        freed += cache.clear(frozenset(e.path for e in here if e.path not in gone))
    for kept in chosen.results:
        try:
            freed += results.remove(kept)
        except ResultInUse:
            stayed += 1
    freed += sum(store.remove(model) for model in chosen.models)
    said = f" {stayed} in use stayed." if stayed else ""
    st.session_state[_FREED] = (freed, said)
    sampler.refresh()
