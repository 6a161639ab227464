"""Run view: a publication at work, stopped, failed or done: bar, shards, figures, and what can be done about it.

Draws what the publisher and the staging folder tell; the publisher is a process that needs no page.
"""

from __future__ import annotations

import html
import json
import time
from dataclasses import dataclass

import streamlit as st

from core.publish.report import Report, as_markdown
from core.publish.verify import next_steps
from core.settings import Settings
from core.ui import messages
from core.ui.publish_boxes import act, columns, figures_html, plain, printable, show
from core.ui.publish_desk import Desk, Kept
from core.ui.publish_findings import findings
from core.ui.publish_grid import CSS, grid_of, in_words, legend_html, squares_html
from core.ui.publish_hints import for_the_page
from core.ui.publish_standing import Proof, Stand, dataset_url, verified_in, wrong_shards
from core.ui.publish_target import stands_at
from core.ui.publish_token import Writer
from core.ui.publish_words import STEPS, amount, at_rest, bar_line, below_bar, clock, span, stepper
from core.ui.zones import zone_now
from core.workflows.publish_papers import VALIDATION, VALIDATION_TEXT, read_paper, report_in
from core.workflows.publish_sight import Sight
from core.workflows.publish_status import Status
from core.workflows.publish_work import beside

EDITING = "publish-editing"  # the session's key of the publication whose form is open
_NAMED = 10  # paths that are written out
_CSS = """
<style>
.scope-steps { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; font-size: 0.9rem; }
.scope-steps span { white-space: nowrap; opacity: 0.75; }
.scope-steps .now { opacity: 1; font-weight: 600; }
.stLinkButton a { min-height: 2rem; padding: 0.15rem 0.7rem; }
.st-key-publish-bar { min-height: 5.6rem; font-variant-numeric: tabular-nums; }
</style>
"""


@dataclass(frozen=True)
class Published:
    """What is there: the verification that proved it, and who may see it."""

    proof: Proof
    sight: Sight


def draw(
    desk: Desk,
    settings: Settings,
    one: Kept,
    writer: Writer,
    stand: Stand,
    status: Status | None,
    published: Published | None,
) -> None:
    """All of it.

    Args:
        published: where all is done.
    """
    _buttons(desk, one, writer, stand)
    if status is None and not stand.at_work:
        _main(one, stand, None)
    else:
        left, right = columns(5, 2)
        with left:
            _main(one, stand, status)
        with right:
            _figures(stand, status)
    if published is not None:
        _done(desk, settings, one, writer, status, published)
    elif status is not None and not stand.at_work and status.verified is not None:
        _incomplete(status, stand)


def _main(one: Kept, stand: Stand, status: Status | None) -> None:
    """How far it is, what happened, and every shard."""
    if is_told(stand):
        _bar(stand, 0 if status is None else status.states.get("planned", 0))
    _told(stand, status)
    if status is not None:
        shards(status)
    _found(one, stand)


def is_told(stand: Stand) -> bool:
    """Whether there is anything to tell of steps: not where it was refused before the first."""
    return stand.at_work or stand.standing == "done" or (stand.told is not None and stand.told.step in STEPS)


def shards(status: Status) -> None:
    """Every shard, and what the squares mean."""
    settled = status.at_work or status.standing == "done"
    grid = grid_of(status.grid, () if settled else wrong_shards(verified_in(status.verified)))
    st.html(CSS + squares_html(grid) + legend_html(grid))


def _bar(stand: Stand, unbuilt: int) -> None:
    """Steps, bar and the line below; of the same height whatever is told."""
    told, now = stand.told, time.time()
    steps = "".join(
        f'<span class="{"now" if mark == "●" else ""}">{mark} {html.escape(name)}</span>'
        for name, mark in ([] if stand.standing == "starting" else stepper(told, stand.standing == "done", unbuilt))
    )
    with st.container(key="publish-bar", gap="xsmall"):
        st.html(f'{_CSS}<div class="scope-steps">{steps or "&nbsp;"}</div>')
        if stand.standing == "done":
            st.progress(1.0, text="Everything is in the repository, and verified")
        elif told is None:
            st.progress(0.0, text="Stopping …" if stand.standing == "stopping" else "Starting …")
        else:
            here = told if stand.at_work else at_rest(told)
            st.progress(told.fraction or 0.0, text=plain(bar_line(here, now, zone_now())))
        said = "" if told is None or not stand.at_work else below_bar(told, now)
        st.caption(plain(said) or "\u00a0")


def _told(stand: Stand, status: Status | None) -> None:
    """What happened, and the next step; nothing while it works."""
    if stand.at_work or stand.standing == "done" or not stand.message:
        return
    show("bad" if stand.standing in ("failed", "died") else "calm", stand.message, stand.hint)
    if stand.standing == "died" and status is not None:
        st.caption(f"The record says: {in_words(grid_of(status.grid))}. Nothing that it says is lost.")
    if status is not None and status.damaged:
        st.caption(f"{status.damaged} lines of the staging folder's record could not be read and are done again.")


def _found(one: Kept, stand: Stand) -> None:
    """The check's errors, where they stopped it."""
    if stand.standing == "failed" and stand.told is not None and stand.told.step in ("plan", "validate"):
        report = report_in(read_paper(one.staging / VALIDATION))
        if report is not None and not report.ok:
            findings(report)


def _buttons(desk: Desk, one: Kept, writer: Writer, stand: Stand) -> None:
    """Stop; or go on, or change something; or put it away."""
    asked, done = stand.standing == "stopping", stand.standing == "done"
    refused = writer.refusal(one.wish.repo)
    with st.container(horizontal=True, vertical_alignment="center"):
        if stand.at_work:
            label = "Stop at once" if asked else "Stop"
            if st.button(label, key="publish-stop", icon=":material/stop_circle:"):
                act(lambda: desk.stop_publisher(one))
            st.caption("Stopping: what is under way is ended in order." if asked else "It works without this page.")
            return
        if not done:
            off = bool(writer.problem or refused)
            if st.button("Go on", type="primary", key="publish-go-on", disabled=off, icon=":material/play_arrow:"):
                act(lambda: desk.run(one))
            _change(one, "Change")
        st.button("Take off the list", key="publish-forget", icon=":material/playlist_remove:",
                  on_click=desk.forget, args=(one,), help="The staging folder stays as it is")  # fmt: skip
        if done:
            _change(one, "Publish again")
        elif refused:
            st.caption(plain(f"{messages.capital(refused)}. {messages.capital(writer.remedy)}."))


def _change(one: Kept, label: str) -> None:
    """Opens the form, filled in."""
    if st.button(label, key="publish-change", icon=":material/edit:", help="The folder is checked anew first"):
        st.session_state[EDITING] = one.wish.key
        st.rerun()


def _figures(stand: Stand, status: Status | None) -> None:
    """How much of it is built and proven."""
    told = stand.told
    lines: list[tuple[str, str, str]] = []
    if status is not None:
        proven = status.states.get("proven", 0) + status.states.get("freed", 0)
        lines = [
            ("Shards", f"{proven} of {status.shards}", "that the repository was seen to hold, by size and sha256"),
            ("Proven", amount(status.proven_bytes), f"of {amount(status.bytes)}"),
            ("Built", amount(status.built_bytes), f"of {amount(status.bytes)}"),
        ]
    if told is not None and stand.at_work:
        now = time.time()
        rate = f"{amount(told.rate)}/s" if told.rate > 0 else "–"
        left = "–" if told.seconds_left is None else span(told.seconds_left)
        lines += [
            ("Rate", rate, "of the step at hand, in the last minutes; a dash while nobody can say"),
            ("Time left", left, "of the step at hand; a dash while nobody can say"),
            ("At work for", span(max(1.0, now - told.began)) if told.began else "–", "this run"),
            ("Last word", clock(told.updated, zone_now(), now), "of the publisher"),
        ]
    st.html(figures_html(tuple(lines)))


def _done(
    desk: Desk, settings: Settings, one: Kept, writer: Writer, status: Status | None, published: Published
) -> None:
    """The proof, the dataset, and the command that removes the staging folder."""
    proof, found, report = published.proof, published.proof.found, _report_of(one)
    said = f"{found.verified} of {found.shards} shards are in {found.repo}, each with its size and sha256"
    back = f"{found.read_back} shards were read back, {found.images} images compared" if found.read_back else ""
    gone = "" if status is not None else "the staging folder is gone, and is not needed for it"
    show("good", said, "; ".join(part for part in (back, gone) if part))
    licence = None if report is None else report.licence
    st.markdown(stands_at(one.wish, found.repo, found.revision, published.sight, licence))
    with st.container(horizontal=True, vertical_alignment="center"):
        url = dataset_url(settings.hf_endpoint, found.repo, found.commit)
        if url:
            st.link_button("Open the dataset", url, icon=":material/open_in_new:")
        st.download_button("Proof (JSON)", json.dumps(dict(proof.told), indent=1), "verify.json", "application/json",
                           key="publish-proof", icon=":material/download:", on_click="ignore")  # fmt: skip
        text = read_text(one, VALIDATION_TEXT) or ("" if report is None else as_markdown(report))
        if text:
            st.download_button("Check (Markdown)", text, "validation.md", "text/markdown",
                               key="publish-kept-md", icon=":material/download:", on_click="ignore")  # fmt: skip
        if status is not None:
            _verify_buttons(desk, one, writer, status)
    _cleanup(one, status, proof)


def _cleanup(one: Kept, status: Status | None, proof: Proof) -> None:
    """When it was looked at, where the proof lies, and what may go."""
    looked = clock(proof.at, zone_now(), time.time())
    copy = beside(one.staging)
    kept = f"A copy of the proof lies in {copy}, beside the staging folder." if copy.exists() else ""
    st.caption(plain(f"Commit {proof.found.commit[:12]}, looked at {looked}. {kept}"))
    if status is not None and status.cleanup:
        st.markdown("The staging folder is not needed any more. Nothing removes it for you; this does:")
        st.code(status.cleanup, language="bash", wrap_lines=True)


def _verify_buttons(desk: Desk, one: Kept, writer: Writer, status: Status) -> None:
    refused = writer.problem
    if st.button("Verify again", key="publish-verify", icon=":material/verified:", disabled=bool(refused)):
        act(lambda: desk.verify(one))
    if st.button(f"Read everything back ({amount(status.proven_bytes)})", key="publish-read-back",
                 icon=":material/cloud_download:", disabled=bool(refused),
                 help="Fetches every shard and compares every image with the source, byte by byte"):  # fmt: skip
        act(lambda: desk.verify(one, "all"))


def _incomplete(status: Status, stand: Stand) -> None:
    """What the last verification did not find; its next steps, unless they were told above."""
    found = verified_in(status.verified)
    if found is None:
        return
    for step in map(for_the_page, next_steps(found)):
        if step.rstrip(".") not in stand.hint:
            st.caption(plain(step))
    named = {"missing": found.missing, "different": found.different, "unexpected": found.unexpected}
    source = {"changed in the source": found.stale, "in the source and in no shard": found.unpublished}
    for what, listed in {**named, **source}.items():
        if listed:
            with st.expander(f"{len(listed)} {what} at the last verification", key=f"publish-{what.split()[0]}"):
                more = [f"… and {len(listed) - _NAMED} more"] if len(listed) > _NAMED else []
                st.code("\n".join([*map(printable, listed[:_NAMED]), *more]), language=None)


def _report_of(one: Kept) -> Report | None:
    """What the check found: as the staging folder keeps it, or as it was printed."""
    return report_in(read_paper(one.staging / VALIDATION)) or report_in(one.place("validate").answer())


def read_text(one: Kept, name: str) -> str:
    """A paper of the staging folder; "" for none."""
    try:
        return (one.staging / name).read_text(encoding="utf-8", errors="replace")[: 16 * 2**20]
    except OSError:
        return ""
