"""Results of a case: a button in the Segment page's row; behind it the kept ones, to show, compare, join or delete.

What is on screen is held, so that nobody removes it. Words and offers are decided in results_words.py; joins go through
the desk; compares nothing (compare_view.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core.case import TRUTH, CaseRef
from core.errors import ResultInUse, StrokescopeError
from core.segmentation.kept_record import KeptResult
from core.sources.protocol import Fetched, LocalFile, Source
from core.sources.verified import VerifiedFiles
from core.ui import loaders, messages, results_words, state
from core.ui.results_words import Against
from core.ui.visitors import owner
from core.ui.waiting import watcher
from core.workflows.asking import ask_consensus, images_of

_ROUND, _CONFIRM, _SAID, _TROUBLE = "results-round", "results-confirm", "results-said", "results-trouble"
_HELP = {
    "engine": "engine and version",
    "different from the defaults": "the model, and parameters that differ from the engine's defaults",
    "ml": "segmented volume: voxels of the mask times the volume of one voxel, ml",
    "core ml": "voxels of the mask with ADC below the core threshold, ml; empty where the engine cannot tell",
    "lesions": "26-connected parts of the mask",
    "made": "when it was made",
    "MB": "of all its files, 10⁶ bytes",
    "": "● on screen",
}
_WIDTHS = {"": 28, "engine": 130, "different from the defaults": 190, "lesions": 62, "made": 110}
_NUMBERS = {"ml": 66, "core ml": 70, "MB": 58}


def picked(source: Source, case: CaseRef) -> results_words.Picked:
    """What the address names on this case: a result, what it is compared with, and what is wrong with it."""
    place, results = state.current(), loaders.results()
    keys = [key for key in (place.result, place.against) if key and key != state.BY_TRUTH]
    return results_words.picked(place, {key: results.get(key) for key in keys}, source.spec, case.case_id)


def chosen(source: Source, case: CaseRef) -> KeptResult | None:
    """The kept result that the address names, if it belongs to this case; held for this session.

    An address that names another one is told in one sentence, here, and forgotten.
    """
    found = picked(source, case)
    if found.trouble:
        st.session_state[_TROUBLE] = case.case_id, found.trouble
        state.go(against=None) if found.result is not None else leave()
    other = found.against if isinstance(found.against, KeptResult) else None
    on_screen(*(kept.key for kept in (found.result, other) if kept is not None))
    told = st.session_state.get(_TROUBLE)
    if told is not None and told[0] == case.case_id:
        with st.container(horizontal=True, vertical_alignment="center", key="results-trouble-row"):
            st.warning(told[1], icon=":material/link_off:", width="stretch")
            st.button("Dismiss", key="results-dismiss", on_click=_forget)
    return found.result


def _forget() -> None:
    st.session_state[_TROUBLE] = None


def against(source: Source, case: CaseRef) -> Against | None:
    """What the chosen result is compared with: another one, "truth", or nothing."""
    return picked(source, case).against


def on_screen(*keys: str) -> None:
    """This session shows these results and no others: they stay."""
    loaders.results().hold(watcher(), keys)


def leave() -> None:
    """Back to what the engine and its parameters say: no kept result is chosen."""
    state.go(result=None, against=None)


def draw(source: Source, case: CaseRef, fetched: Fetched | None = None) -> None:
    """The button and what is behind it.

    Args:
        fetched: images that are here: with the truth, comparing with it is offered; the ADC goes into a consensus.
    """
    kept = loaders.results().of_case(source.spec, case.case_id)
    told = "What was segmented on this case: show it again, compare, join, delete"
    label = f"Results ({len(kept)})"
    with (
        st.popover(label, icon=":material/layers:", key="results", help=told, width=150),
        st.container(key="results-list"),
    ):
        if not kept:
            st.caption("Nothing is kept for this case yet. Choose an engine and press Run; its result is listed here.")
            return
        ticked = _table(kept)
        _actions(source, case, ticked, fetched)
        said = st.session_state.pop(_SAID, None)
        if said is not None:
            st.caption(said)


def _table(kept: Sequence[KeptResult]) -> list[KeptResult]:
    """The table; returns the ticked ones in its order."""
    rows = results_words.rows(kept, state.current().result)
    if all(row["core ml"] is None for row in rows):
        rows = [{name: value for name, value in row.items() if name != "core ml"} for row in rows]
    columns: dict[str, Any] = {n: st.column_config.Column(help=_HELP[n], width=w) for n, w in _WIDTHS.items()}
    columns |= {n: st.column_config.NumberColumn(format="%.2f", help=_HELP[n], width=w) for n, w in _NUMBERS.items()}
    columns["made"] = st.column_config.DatetimeColumn(format="distance", help=_HELP["made"], width=_WIDTHS["made"])
    event = st.dataframe(
        rows,
        key=f"results-table-{kept[0].case_id}-{st.session_state.get(_ROUND, 0)}",
        hide_index=True,
        height=min(290, 38 + 35 * len(rows)),
        width=775,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=columns,
    )
    return [kept[row] for row in event.selection.rows if row < len(kept)]


def _actions(source: Source, case: CaseRef, ticked: Sequence[KeptResult], fetched: Fetched | None) -> None:
    """What may be done with the ticked ones; nothing moves when one is ticked."""
    truth = fetched is None or TRUTH in fetched.files
    may = results_words.offer(ticked, truth)
    first, second = [*(kept.key for kept in ticked), "", ""][:2]
    with st.container(horizontal=True, vertical_alignment="center", key="results-actions"):
        st.button("Show", key="results-show", disabled=not may.show, icon=":material/visibility:",
                  on_click=_show, args=(first, None), help="Tick one: it takes the picture")  # fmt: skip
        st.button("Against the truth", key="results-truth", disabled=not may.truth, icon=":material/compare:",
                  on_click=_show, args=(first, state.BY_TRUTH), help="Tick one: beside the truth")  # fmt: skip
        st.button("Compare", key="results-compare", disabled=not may.compare, icon=":material/compare:",
                  on_click=_show, args=(first, second), help="Tick two: side by side, one crosshair")  # fmt: skip
        rules = results_words.rules_for(ticked) if may.join else ("majority",)
        told = "At least half of the masks, or the mean of the probabilities"
        rule = st.selectbox("Rule", rules, key=f"results-rule-{len(rules)}", label_visibility="collapsed", width=108,
                            disabled=not may.join, help=told)  # fmt: skip
        st.button("Join", key="results-join", disabled=not may.join, icon=":material/join:",
                  on_click=_join, args=(source, ticked, rule, fetched),
                  help="Tick two to six: one result of them all, with their disagreement as a map")  # fmt: skip
        st.button("Delete", key="results-delete", disabled=not may.delete, icon=":material/delete:",
                  on_click=_ask, args=(tuple(kept.key for kept in ticked),), help="Tick what is to go")  # fmt: skip
    if may.why_not:
        st.caption(may.why_not)
    _confirm(ticked)


def _confirm(ticked: Sequence[KeptResult]) -> None:
    """Deleting takes a second press."""
    asked = [kept for kept in ticked if kept.key in st.session_state.get(_CONFIRM, ())]
    if asked:
        count, mb = len(asked), sum(kept.bytes for kept in asked) / 1e6
        st.warning(f"Delete {count} result{'s' if count > 1 else ''} ({mb:.2f} MB)? It takes a new run to get it back.")
        with st.container(horizontal=True):
            st.button("Delete it" if count == 1 else "Delete them", key="results-delete-yes", type="primary",
                      on_click=_delete, args=([kept.key for kept in asked],))  # fmt: skip
            st.button("Keep", key="results-delete-no", on_click=_ask, args=((),))


def _show(key: str, other: str | None) -> None:
    """Put a result on the screen, alone or against another one; the ticks go."""
    state.go(result=key, against=other)
    _forget()
    _next_round()


def _next_round() -> None:
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.session_state[_CONFIRM] = ()


def _ask(keys: tuple[str, ...]) -> None:
    st.session_state[_CONFIRM] = keys


def _delete(keys: Sequence[str]) -> None:
    """Delete them; what this session itself shows leaves its screen first."""
    place, results = state.current(), loaders.results()
    shown = {place.result, place.against} & set(keys)
    if place.result in shown:
        leave()
    elif shown:
        state.go(against=None)
    loaders.results().let_go(watcher())
    freed, stayed = 0, ""
    for key in keys:
        try:
            freed += results.delete(key)
        except ResultInUse as error:
            stayed = f" {messages.sentence(error)}: it stays; {error.hint}."
    _next_round()
    st.session_state[_SAID] = f"Deleted {freed / 1e6:.2f} MB.{stayed}"


def _join(source: Source, ticked: Sequence[KeptResult], rule: str, fetched: Fetched | None) -> None:
    """Hand the consensus in at the desk; it is a job like any other, and lists here when it is done."""
    try:
        results = {kept.key: kept.result for kept in ticked}
        files = _verified(ticked)
        adc = None if fetched is None else fetched.files.get("adc")
        ask = ask_consensus(results, rule, files, source.spec, adc)
        done = loaders.results().find(ask.folder(loaders.results()))
        if done is not None:
            _show(ask.folder(loaders.results()).name, None)
            return
        loaders.desk().submit(ask, owner())
        st.session_state[_SAID] = f"The consensus of {len(ticked)} results is in the queue; see Jobs."
        _next_round()
    except StrokescopeError as error:
        st.session_state[_SAID] = f"{messages.sentence(error)}. {messages.capital(error.hint)}."


def _verified(ticked: Sequence[KeptResult]) -> dict[Path, LocalFile]:
    verify = VerifiedFiles().verify
    return {path: verify(path) for kept in ticked for path in images_of(kept.result)}
