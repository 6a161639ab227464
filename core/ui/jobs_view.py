"""Jobs: a button in the Segment page's row; behind it one's own jobs with what can be done, and others as numbers.

Renews itself. Shows nothing of other visitors but how many jobs they run and wait for. Runs nothing (desk.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from core.errors import StrokescopeError
from core.sources.protocol import Source
from core.ui import job_words, loaders, messages, nav, safety, state
from core.ui.visitors import owner
from core.workflows.desk import Desk
from core.workflows.guarded import recorded_case
from core.workflows.job_book import JobRecord

WIDTH = 400  # of the list: it stays while words come and go
MOST = 8  # of one's own, the newest
BUSY_S, CALM_S = 2.0, 6.0  # between two looks while jobs are under way, and while none is
ICONS = {
    "waiting": ":material/hourglass_empty:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/power_off:",
}


def draw(source: Source) -> None:
    """The button and what is behind it. `source`: of this page."""
    every = CALM_S if loaders.desk().idle() else BUSY_S
    st.fragment(_popover, run_every=every)(source.spec)


def _popover(spec: str) -> None:
    desk, me = loaders.desk(), owner()
    mine = desk.jobs(me)
    help_ = "What runs, waits and ran from this browser; what others do, as load"
    box = st.popover(job_words.title(mine), icon=":material/list_alt:", key="jobs", help=help_, width=130)
    with box, st.container(key="jobs-list", width=WIDTH):
        told = job_words.others(desk.load(me))
        st.caption(f"{told}." if told else "No other session runs or waits for a job.")
        for record in mine[:MOST]:
            _row(desk, record, me, spec)
        if not mine:
            st.caption("Nothing has been run from this browser yet. Choose an engine and press Run.")


@st.fragment(run_every=5.0)
def summary() -> None:
    """For the Resources page: in numbers, one's own jobs and those of others."""
    desk, me = loaders.desk(), owner()
    told = [job_words.own(desk.jobs(me)), job_words.others(desk.load(me))]
    st.caption(" · ".join(part for part in told if part) or "No segmentation runs or waits.")


def _row(desk: Desk, record: JobRecord, me: str, spec: str) -> None:
    """One job: what, how it stands, what can be done about it, its log."""
    elsewhere = "" if record.source == spec else " · another source"
    head = f"{ICONS[record.state]} **{record.case_id or 'own files'}** · {record.engine}{elsewhere}"
    if record.over:
        st.markdown(f"{head}  \n:gray[{job_words.outcome(record, time.time())}]")
    else:
        st.markdown(head)
        told = job_words.under_way(record, desk.place(record.job_id), desk.seconds_left(record.job_id))
        st.progress(record.fraction, text=told)
    with st.container(horizontal=True, vertical_alignment="center"):
        _actions(desk, record, me)
        log = st.toggle("Log", key=f"log-{record.job_id}")
    if log:
        st.code(job_words.log_text(desk.log(record.job_id), record.created), language=None)


def _actions(desk: Desk, record: JobRecord, me: str) -> None:
    name = record.job_id
    if not record.over:
        if st.button("Cancel", key=f"cancel-{name}", icon=":material/stop_circle:"):
            _try(lambda: desk.cancel(name, me))
    elif record.state != "done":
        held = _held(record)
        if st.button("Run again", key=f"again-{name}", icon=":material/replay:", disabled=bool(held), help=held):
            _try(lambda: desk.again(name, me))
    if record.case_id is not None and st.button("Open", key=f"open-{name}", icon=":material/open_in_new:"):
        _open(record)


def _held(record: JobRecord) -> str | None:
    """Why the job is not run again from here: its case is in quarantine; None when it may be."""
    case = recorded_case(loaders.settings(), record.case_id, record.source)
    steps = safety.held_steps(loaders.breaker().state(), case)
    return f"in quarantine, as {', '.join(steps)} ended abnormally with it: open the case first" if steps else None


def _try(act: Callable[[], object]) -> None:
    """Do it and draw the page anew; a refusal is told in place."""
    try:
        act()
    except StrokescopeError as error:
        messages.failure(error, "jobs")
        return
    st.rerun()


def _open(record: JobRecord) -> None:
    """Show the case of a job, and its result where it has one."""
    if record.source is not None:
        loaders.allow_local(record.source)
    result = record.key if record.state == "done" else None
    state.go(source=record.source, case=record.case_id, modalities=(), result=result, against=None)
    nav.open_page("segment")
