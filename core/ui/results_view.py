"""Results of a case: a button in the Segment page's row; behind it the kept ones, to show, compare, join or delete.

Each has a checkbox, which keyboards and screen readers reach. What is on screen is held, so that nobody removes it.
Words and offers are decided in results_words.py; joins go through the desk; compares nothing (compare_view.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from core.case import TRUTH, CaseRef
from core.errors import ResultInUse, StrokescopeError
from core.segmentation.kept_record import KeptResult
from core.sources.protocol import Fetched, LocalFile, Source
from core.sources.verified import VerifiedFiles
from core.ui import job_words, loaders, messages, results_words, state
from core.ui.results_words import Against
from core.ui.visitors import owner
from core.ui.waiting import watcher
from core.ui.zones import zone_now
from core.workflows.asking import ask_consensus, images_of

_ROUND, _FOLDS, _JOINING = "results-round", "results-folds", "results-joining"
_CONFIRM, _SAID, _TROUBLE = "results-confirm", "results-said", "results-trouble"
WIDTH, HEIGHT = 650, 290  # of the list; it stays as wide whatever it says
MOST = 8  # more of them scroll


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


def check_images(source: Source, case: CaseRef, fetched: Fetched) -> None:
    """That what the address names was made from the images that are shown; draws the page anew without it if not."""
    before = picked(source, case)
    found = results_words.without_others(before, _digests(fetched))
    if found != before:
        st.session_state[_TROUBLE] = case.case_id, found.trouble
        state.go(against=None) if found.result is not None else leave()
        st.rerun()


def _digests(fetched: Fetched | None) -> dict[str, str]:
    return {} if fetched is None else {name: file.sha256 for name, file in fetched.files.items()}


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
    st.fragment(_popover)(source, case, fetched)


def _popover(source: Source, case: CaseRef, fetched: Fetched | None) -> None:
    """A part of its own: ticking draws nothing else anew. Another key folds it."""
    kept = loaders.results().of_case(source.spec, case.case_id)
    told = "What was segmented on this case: show it again, compare, join, delete"
    key = f"results-{st.session_state.get(_FOLDS, 0)}"
    with (
        st.popover(f"Results ({len(kept)})", icon=":material/layers:", key=key, help=told, width=150),
        st.container(key="results-list", width=WIDTH),
    ):
        if kept:
            _actions(source, case, _ticked(kept, _digests(fetched)), fetched)
        else:
            st.caption("Nothing is kept for this case yet. Choose an engine and press Run; its result is listed here.")
        told_of, said = st.session_state.get(_SAID, ("", ""))
        if told_of == case.case_id:
            st.caption(said)
        of_case, job_id = st.session_state.get(_JOINING, ("", ""))
        if of_case == case.case_id:
            _joining(job_id, case.case_id)


@st.fragment(run_every=1.0)
def _joining(job_id: str, case_id: str) -> None:
    """How far the consensus is; draws the page anew, with its row in the list, once it is over."""
    desk = loaders.desk()
    record = desk.get(job_id)
    if record is not None and not record.over:
        told = job_words.under_way(record, desk.place(job_id), desk.seconds_left(job_id))
        st.progress(record.fraction, text=messages.unmarked(told))
        return
    st.session_state[_JOINING] = "", ""
    if record is not None:
        done = "The consensus is the first of the list." if record.state == "done" else ""
        _say(case_id, done or f"The consensus: {job_words.outcome(record, time.time())}. {record.hint}")
    st.rerun()


def _ticked(kept: Sequence[KeptResult], digests: Mapping[str, str]) -> list[KeptResult]:
    """The list, newest first; returns the ticked ones in its order."""
    place, turn, found = state.current(), st.session_state.get(_ROUND, 0), []
    zone, core = zone_now(), any(one.result.core_volume_ml is not None for one in kept)
    with st.container(key="results-rows", height=HEIGHT if len(kept) > MOST else "content", gap=None):
        for one in kept:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                shown, other = one.key in (place.result, place.against), not one.is_of(digests)
                name = results_words.label(one, shown, other)
                if st.checkbox(name, key=f"tick-{turn}-{one.key}", width="stretch", on_change=_hush):
                    found.append(one)
                st.html(results_words.figures_html(one, core, zone), width="content")
    return found


def _actions(source: Source, case: CaseRef, ticked: Sequence[KeptResult], fetched: Fetched | None) -> None:
    """What may be done with the ticked ones; nothing moves when one is ticked."""
    truth = fetched is None or TRUTH in fetched.files
    may = results_words.offer(ticked, truth, _digests(fetched))
    first, second = [*(kept.key for kept in ticked), "", ""][:2]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="results-actions"):
        if st.button("Show", key="results-show", disabled=not may.show,
                     help="Tick one: it takes the picture"):  # fmt: skip
            _show(first, None)
        if st.button("Against the truth", key="results-truth", disabled=not may.truth,
                     help="Tick one: beside the truth"):  # fmt: skip
            _show(first, state.BY_TRUTH)
        if st.button("Compare", key="results-compare", disabled=not may.compare,
                     help="Tick two: side by side, one crosshair"):  # fmt: skip
            _show(first, second)
        rules = results_words.rules_for(ticked) if may.join else ("majority",)
        told = "At least half of the masks, or the mean of the probabilities"
        rule = st.selectbox("Rule", rules, key=f"results-rule-{len(rules)}", label_visibility="collapsed", width=108,
                            disabled=not may.join, help=told)  # fmt: skip
        if st.button("Join", key="results-join", disabled=not may.join,
                     help="Tick two to six: one result of them all, with their disagreement as a map"):  # fmt: skip
            _join(source, ticked, rule, fetched)
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
            if st.button("Delete it" if count == 1 else "Delete them", key="results-delete-yes", type="primary"):
                _delete([kept.key for kept in asked], asked[0].case_id or "")
            st.button("Keep", key="results-delete-no", on_click=_ask, args=((),))


def _show(key: str, other: str | None) -> None:
    """Put a result on the screen, alone or against another one; the list folds and the ticks go."""
    state.go(result=key, against=other)
    _forget()
    _hush()
    st.session_state[_FOLDS] = st.session_state.get(_FOLDS, 0) + 1
    _next_round()
    st.rerun()


def _next_round() -> None:
    """No tick is left."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.session_state[_CONFIRM] = ()


def _say(case_id: str | None, sentence: str) -> None:
    """What came of it stands below the list until the next tick, however often the page is drawn."""
    st.session_state[_SAID] = case_id, sentence


def _hush() -> None:
    _say(None, "")


def _ask(keys: tuple[str, ...]) -> None:
    st.session_state[_CONFIRM] = keys


def _delete(keys: Sequence[str], case_id: str) -> None:
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
    _say(case_id, f"Deleted {freed / 1e6:.2f} MB.{stayed}")
    st.rerun()


def _join(source: Source, ticked: Sequence[KeptResult], rule: str, fetched: Fetched | None) -> None:
    """Hand the consensus in at the desk; it is a job like any other, and lists here when it is done."""
    adc = None if fetched is None else fetched.files.get("adc")
    try:
        ask = ask_consensus({kept.key: kept.result for kept in ticked}, rule, _verified(ticked), source.spec, adc)
        folder = ask.folder(loaders.results())
        done = loaders.results().find(folder) is not None
        if not done:
            st.session_state[_JOINING] = ticked[0].case_id, loaders.desk().submit(ask, owner())
    except StrokescopeError as error:
        _say(ticked[0].case_id, f"{messages.sentence(error)}. {messages.capital(error.hint)}.")
        return
    if done:
        _show(folder.name, None)
    _say(ticked[0].case_id, f"The consensus of {len(ticked)} results goes through the queue; Cancel it under Jobs.")
    _next_round()
    st.rerun()


def _verified(ticked: Sequence[KeptResult]) -> dict[Path, LocalFile]:
    verify = VerifiedFiles().verify
    return {path: verify(path) for kept in ticked for path in images_of(kept.result)}
