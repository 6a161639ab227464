"""Jobs that were cut short: told on the page of their case, whatever is chosen there, with the way to run them again.

A restart forgets what a session had chosen: what the case's last job was asked with is chosen again, where nobody has
chosen anything since. Runs nothing (desk.py) and begins nothing by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import streamlit as st

from core.case import CaseRef
from core.errors import StrokescopeError
from core.segmentation.engine import ENGINES
from core.sources.protocol import Source
from core.ui import engine_view, job_words, loaders, messages, model_view, state
from core.ui.model_view import plain, short
from core.ui.visitors import owner
from core.workflows.job_book import JobRecord

TOLD_S = 86_400.0  # after a day it is history, which Jobs tells
_DISMISSED, _REFUSED = "cut-short-dismissed", "cut-short-refused"


def recall(source: Source, case: CaseRef) -> None:
    """Choose what this case's last job was asked with, if it is under way or was cut short. Before the row is drawn.

    Never against a person's choice: an engine that was chosen stays, and a model is chosen only where there is none.
    """
    wanted = engine_view.wanted()
    if state.current().result is not None or (wanted is not None and not model_view.lacks_model(wanted)):
        return
    mine = (r for r in loaders.desk().jobs(owner()) if (r.source, r.case_id) == (source.spec, case.case_id))
    last = next(mine, None)
    if last is not None and last.state in ("waiting", "running", "interrupted") and wanted in (None, last.engine):
        _choose(last)


def tell(source: Source, case: CaseRef, asked: str | None) -> None:
    """The newest job of this case that was cut short and not run again, why, and what can be done.

    Args:
        asked: key of the result that the row asks for, which tells of its own job; None where it asks for none.
    """
    refused: StrokescopeError | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        messages.failure(refused, "cut-short")
    hidden = st.session_state.setdefault(_DISMISSED, set())
    kept = loaders.results()
    found = [
        record
        for record in cut_short(loaders.desk().jobs(owner()), source.spec, case.case_id, time.time())
        if record.key != asked and record.job_id not in hidden and kept.get(record.key) is None
    ]
    if not found:
        return
    job = found[0]
    with st.container(key="cut-short", gap="xsmall"):
        st.warning(in_words(job, len(found) - 1, time.time()), icon=":material/power_off:")
        with st.container(horizontal=True, gap="xsmall"):
            st.button("Run again", key="cut-short-again", icon=":material/replay:", on_click=_again, args=(job,))
            st.button("Dismiss", key="cut-short-dismiss", on_click=_dismiss, args=(job.job_id,))


def cut_short(records: Iterable[JobRecord], source: str, case_id: str, now: float) -> list[JobRecord]:
    """Those of this case that were interrupted in the last day and not handed in again since. Pure.

    Args:
        records: one visitor's, the newest first, and so is what is given.
    """
    last: dict[object, JobRecord] = {}
    for record in records:
        if (record.source, record.case_id) == (source, case_id):
            question = (record.engine, record.model, tuple(sorted(record.parameters.items())), record.members)
            last.setdefault(question, record)
    return [r for r in last.values() if r.state == "interrupted" and now - (r.ended or r.created) < TOLD_S]


def in_words(job: JobRecord, more: int, now: float) -> str:
    """What was cut short, why and when, as Markdown. `more`: others of this case."""
    model = f" · {plain(short(job.model))}" if job.model else ""
    rest = "" if not more else f" {more} more of this case: see Jobs."
    told = plain(job_words.outcome(job, now))
    return f"**{plain(job.engine)}{model} on this case.** {told}. Nothing of it was kept.{rest}"


def _choose(job: JobRecord) -> None:
    """What the job was asked with; nothing where its engine or model is not for this page."""
    if job.engine in ENGINES and (job.model is None or model_view.bring_back(job.model)):
        engine_view.bring_back(job.engine, job.version, job.parameters)


def _again(job: JobRecord) -> None:
    try:
        loaders.desk().again(job.job_id, owner())
        _choose(job)
    except StrokescopeError as error:
        st.session_state[_REFUSED] = error
    st.rerun()  # all of the page, also from within a fragment


def _dismiss(job_id: str) -> None:
    st.session_state[_DISMISSED].add(job_id)
    st.rerun()
