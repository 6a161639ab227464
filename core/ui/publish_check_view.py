"""Check view: a dataset before it is published: what the check found, what it will take, and the button.

Draws what the check and the plan left in their files; decides when publishing may begin.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from core.publish.report import Report, as_json, as_markdown
from core.ui import messages
from core.ui.publish_boxes import act, columns, figures_html, heading, show
from core.ui.publish_desk import Desk, Kept, Name
from core.ui.publish_findings import findings
from core.ui.publish_hints import AGAIN, ROLL, for_the_page
from core.ui.publish_target import button, goes_to
from core.ui.publish_token import Writer
from core.ui.publish_words import (
    CHECKED,
    UNCHECKED,
    bar_line,
    begun_line,
    fit_lines,
    plan_lines,
    verdict,
)
from core.ui.zones import zone_now
from core.workflows.publish_ask import DESPITE
from core.workflows.publish_papers import report_in
from core.workflows.publish_sight import Sight

_SWITCH = "switch on “Free each shard once it is proven” below"


def draw(desk: Desk, one: Kept, writer: Writer, sight: Sight) -> None:
    """Both, side by side, and the way on."""
    left, right = columns(5, 3)
    with left:
        heading("The check")
        report = _checked(desk, one)
    with right:
        heading("The plan")
        plan = _planned(desk, one)
    _way_on(desk, one, writer, sight, report, plan)


def _checked(desk: Desk, one: Kept) -> Report | None:
    """How the check stands; its report once there is one."""
    if _runs(desk, one, "validate", "Checking every file"):
        return None
    report = report_in(one.place("validate").answer())
    if report is None:
        _ended(desk, one, "validate", "The check")
        return None
    tone, said = verdict(report, one.wish.despite)
    show(tone, said)
    findings(report, lambda code: _override(desk, one, code))
    with st.container(horizontal=True):
        _papers(report)
        if st.button("Check again", key="publish-again", icon=":material/refresh:"):
            act(lambda: desk.check(one))
    return report


def _papers(report: Report) -> None:
    """The report to keep; it is written out only when somebody asks for it."""
    name = f"validation-{report.schema}"
    papers = (
        ("Report", "md", "text/markdown", lambda: as_markdown(report, 50)),
        ("JSON", "json", "application/json", lambda: json.dumps(as_json(report), indent=1, ensure_ascii=False)),
    )
    for label, ending, kind, text in papers:
        st.download_button(label, text, f"{name}.{ending}", kind, key=f"publish-{ending}", on_click="ignore",
                           icon=":material/download:")  # fmt: skip


def _planned(desk: Desk, one: Kept) -> Mapping[str, Any] | None:
    """How the plan stands; its numbers once there are some."""
    if _runs(desk, one, "plan", "Planning"):
        return None
    plan: Mapping[str, Any] | None = one.place("plan").answer()
    try:
        if plan is None:
            raise KeyError("plan")
        lines, fits, begun = plan_lines(plan), fit_lines(plan), begun_line(plan)
    except (LookupError, TypeError, ValueError):
        _ended(desk, one, "plan", "The plan")
        return None
    st.html(figures_html(lines))
    for there, said in fits:
        st.markdown(f":material/{'check' if there else 'block'}: {said}{'' if there else ' – **does not fit**'}")
    if not plan.get("fits"):
        helps = for_the_page(str(plan.get("help") or "use a larger machine").replace(ROLL, _SWITCH))
        show("bad", "It does not fit here", f"What would help: {helps}")
    wanted = st.toggle("Free each shard once it is proven", one.wish.rolling, key=f"publish-roll-{one.wish.key}",
                       help="A shard is deleted from the staging folder only after the repository was seen to hold "
                       "it; the disk then needs room for a few shards, not for all")  # fmt: skip
    if wanted != one.wish.rolling:
        act(lambda: desk.plan(desk.keep(replace(one.wish, rolling=wanted))))
    if begun:
        show("calm", begun)
    if plan.get("oversized"):
        st.caption(f"{len(plan['oversized'])} rows are larger than a shard should be and get one each.")
    return plan


def _way_on(
    desk: Desk, one: Kept, writer: Writer, sight: Sight, report: Report | None, plan: Mapping[str, Any] | None
) -> None:
    """The warning, where it goes, and the button with the reason where it cannot be pressed."""
    heading("Before it is published")
    st.warning(warning(report), icon=":material/privacy_tip:")
    st.markdown(goes_to(one.wish, sight, None if report is None else report.licence))
    agreed = st.checkbox("I have looked at it, and I may publish these data", key=f"publish-may-{one.wish.key}")
    why = obstacle(one.wish.despite, writer.problem or writer.refusal(one.wish.repo), report, plan, agreed)
    if not why and (one.place("validate").answer() or {}).get("source") != (plan or {}).get("source"):
        why = "The folder is not what it was when it was checked: check again"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(button(one.wish, sight), type="primary", key="publish-start", disabled=bool(why),
                     icon=":material/cloud_upload:"):  # fmt: skip
            act(lambda: desk.run(one))
        st.caption(why or "It goes on without this page, and can be stopped and gone on with at any time.")


def warning(report: Report | None) -> str:
    """What was checked and what was not."""
    seen = "" if report is None or report.read == report.images else (
        f" Only {report.read} of {report.images} images were read to the end."
    )  # fmt: skip
    return (
        f"**These may be data of patients, and what is published cannot be taken back.** Checked: {CHECKED}."
        f"{seen} **Not checked:** {UNCHECKED}."
    )


def obstacle(
    despite: tuple[str, ...],
    refused: str,
    report: Report | None,
    plan: Mapping[str, Any] | None,
    agreed: bool,
) -> str:
    """Why publishing cannot begin now; "" when it can."""
    if refused:
        return messages.capital(refused)
    if report is None:
        return "The check is not done yet"
    left = [finding for finding in report.of("error") if finding.code not in despite]
    if left:
        return f"{len(left)} kind{'' if len(left) == 1 else 's'} of error must be mended first"
    if plan is None:
        return "There is no plan yet"
    if not plan.get("fits"):
        return "The plan does not fit this machine"
    return "" if agreed else "Tick the box above first"


def _runs(desk: Desk, one: Kept, name: Name, what: str) -> bool:
    """Whether a command still runs; its progress and Cancel then."""
    step = one.place(name).step()
    if step is None or not step.alive:
        return False
    told = desk.checking(one, name)
    line = f"{what} …" if told is None else bar_line(told, time.time(), zone_now())
    st.progress((told.fraction or 0.0) if told is not None else 0.0, text="Stopping …" if step.asked else line)
    if st.button("Cancel", key=f"publish-cancel-{name}", icon=":material/stop_circle:"):
        act(lambda: desk.stop(one, name))
    return True


def _ended(desk: Desk, one: Kept, name: Name, what: str) -> None:
    """A command that ended without an answer, or was never begun."""
    place = one.place(name)
    step, (sentence, hint) = place.step(), place.trouble()
    if step is None:
        st.caption(f"{what} was not begun.")
    elif step.asked:
        show("calm", f"{what} was stopped. Nothing was changed")
    else:
        show("bad", sentence or f"{what} ended without a word: it was killed, or the computer went down",
             for_the_page(hint, AGAIN))  # fmt: skip
    if st.button("Begin" if step is None else "Again", key=f"publish-retry-{name}", icon=":material/refresh:"):
        act(lambda: desk.check(one) if name == "validate" else desk.plan(one))


def _override(desk: Desk, one: Kept, code: str) -> None:
    """The switch with which a person overrides an error that neither leaks nor loses anything."""
    if code not in DESPITE:
        return
    was = code in one.wish.despite
    now = st.checkbox("Publish all the same", was, key=f"publish-despite-{one.wish.key}-{code}")
    if now != was:
        kept = tuple(c for c in one.wish.despite if c != code)
        act(lambda: desk.keep(replace(one.wish, despite=(*kept, code) if now else kept)))
