"""Publish view: who may see it, which publication is on screen, and the part of the page that renews itself.

Draws the frame; form, check and run have modules of their own. Nothing of it is in the address bar.
"""

from __future__ import annotations

import html
from functools import partial

import streamlit as st

from core.errors import StrokescopeError
from core.settings import Settings
from core.ui import loaders, messages, publish_check_view, publish_form, publish_run_view
from core.ui.publish_boxes import printable, refuse, show
from core.ui.publish_desk import Desk, Kept, shared
from core.ui.publish_key import access
from core.ui.publish_run_view import EDITING, Published
from core.ui.publish_standing import WORDS, Stand, Standing, proof_in, stand_of
from core.ui.publish_target import sight_now
from core.ui.publish_token import Writer, writer_now
from core.ui.source_picker import may_open_folders
from core.workflows.publish_sight import Sight
from core.workflows.publish_status import Status

BUSY_S, CALM_S = 1.5, 6.0  # between two looks while a command works, and while none does
_CSS = "<style>.scope-from { font-size: 0.9rem; overflow-wrap: anywhere; }</style>"
_IN, _CHOSEN, _NEW = "publish-in", "publish-chosen", ""


def draw(settings: Settings) -> None:
    """The whole page body."""
    st.html('<h1 style="font-size:1.35rem;margin:0.3rem 0 0 0">Publish a BIDS dataset to the Hub</h1>')
    way = access(settings, may_open_folders(), st.session_state.get(_IN) is True)
    if way == "elsewhere":
        show("calm", "Publishing reads folders of the computer that this app runs on, so it is open there only",
             "open the page there, or start the app with STROKESCOPE_PUBLISH_KEY set to a passphrase")  # fmt: skip
        return
    if way != "open":
        _ask_key(settings)
        return
    desk, writer = Desk(settings), writer_now(settings, lambda: loaders.hubs().of(settings), loaders.lists())
    one = _choose(desk, writer)
    editing = st.session_state.get(EDITING)
    if one is None or editing == one.wish.key:
        back = partial(go, _NEW if one is None else one.wish.key)
        made = publish_form.draw(desk, settings, writer, None if one is None else one.wish, back)
        if made is not None:
            go(made.wish.key)
    else:
        every = BUSY_S if _busy(desk, one) else CALM_S
        st.fragment(_body, run_every=every)(settings, one.wish.key, writer, _busy(desk, one))


def go(key: str) -> None:
    """Show that publication, or the empty form."""
    st.session_state[_CHOSEN] = key
    st.session_state.pop(EDITING, None)
    st.rerun()


def _ask_key(settings: Settings) -> None:
    """The passphrase, asked for once in a session."""
    lock = shared().lock
    with st.form("publish-key-form", clear_on_submit=True):
        said = st.text_input("Key of the Publish page", type="password", key="publish-key", max_chars=400,
                             autocomplete="off", help="As the owner of this app set it")  # fmt: skip
        asked = st.form_submit_button("Sign in", type="primary", icon=":material/key:")
    if asked and settings.publish_key is not None:
        wait = lock.wait_s()
        if wait <= 0 and lock.try_key(said or "", settings.publish_key.get_secret_value()):
            st.session_state[_IN] = True
            st.rerun()
        left = lock.wait_s()
        show("warn", "That was not looked at: there were wrong keys" if wait > 0 else "That is not the key",
             f"try again in {left:.0f} s" if left >= 1 else "try again")  # fmt: skip
    st.caption("Only this session is signed in; a new tab asks again.")


def _choose(desk: Desk, writer: Writer) -> Kept | None:
    """The row at the top: which publication, a new one, who publishes."""
    known = {one.wish.key: one for one in desk.publications()}
    chosen = st.session_state.get(_CHOSEN)
    if chosen is None or (chosen != _NEW and chosen not in known):
        at_work = [key for key, one in known.items() if desk.at_work(one)]
        chosen = next(iter([*at_work, *known]), _NEW)
    with st.container(horizontal=True, vertical_alignment="center", key="publish-row", gap="small"):
        if known:
            options = [_NEW, *known]
            picked = st.selectbox(
                "Publication", options, index=options.index(chosen), key=f"publish-pick-{chosen}", width=340,
                format_func=lambda key: known[key].wish.title if key else "New publication",
                label_visibility="collapsed",
            )  # fmt: skip
            if picked != chosen:
                go(picked)
        if st.session_state.get(_IN) and st.button("Sign out", key="publish-out", icon=":material/logout:"):
            del st.session_state[_IN]
            st.rerun()
        if writer.name:
            st.caption(f"as {messages.unmarked(writer.name)}")
    _token(writer)
    st.session_state[_CHOSEN] = chosen
    return known.get(chosen)


def _token(writer: Writer) -> None:
    """Why publishing is off, or why nobody knows yet."""
    if writer.problem:
        show("calm", writer.problem, writer.step)
    elif writer.unsure:
        st.caption(messages.unmarked(f"Whose the token is, is not known yet ({writer.unsure}); it is asked again when "
                                     "publishing starts."))  # fmt: skip


def _body(settings: Settings, key: str, writer: Writer, busy: bool) -> None:
    """What renews itself; the page is drawn anew when work begins or ends."""
    desk = Desk(settings)
    one = desk.find(key)
    if one is None:
        go(_NEW)
        return
    if _busy(desk, one) != busy:
        st.rerun()
    try:
        stand, status = look(desk, one)
    except StrokescopeError as error:
        refuse(error)
        _below(desk, one)
        return
    if stand.standing == "new" or (not stand.at_work and was_checked_since(one, status)):
        head(one, "new")
        publish_check_view.draw(desk, one, writer, _sight(settings, one, writer))
        _below(desk, one)
    else:
        head(one, stand.standing)
        published = _published(settings, desk, one, writer, status) if stand.standing == "done" else None
        publish_run_view.draw(desk, settings, one, writer, stand, status, published)


def _published(settings: Settings, desk: Desk, one: Kept, writer: Writer, status: Status | None) -> Published | None:
    """What is kept of the verification after which all was done, and who may see the dataset."""
    proof = desk.proof(one) if status is None else proof_in(status.verified, status.repo, status.revision)
    return None if proof is None else Published(proof, _sight(settings, one, writer, proof.found.commit))


def _sight(settings: Settings, one: Kept, writer: Writer, commit: str = "") -> Sight:
    """Who may see the repository, as far as the Hub says."""
    if writer.problem:
        return "unknown"
    return sight_now(settings, lambda: loaders.hubs().of(settings), loaders.lists(), one.wish.repo, commit)


def look(desk: Desk, one: Kept) -> tuple[Stand, Status | None]:
    """How a publication stands. Raises StagingDamaged."""
    begun = [(step.began, place, step) for place in (one.place("run"), one.place("verify")) if (step := place.step())]
    status = desk.status(one)
    proof = desk.proof(one) if status is None else None
    if not begun:
        return stand_of(None, False, None, ("", ""), status, proof), status
    _, place, step = max(begun, key=lambda found: found[0])
    own = desk.checking(one, "run") if place.name == "run" else None
    return stand_of(step, step.alive, own, place.trouble(), status, proof), status


def was_checked_since(one: Kept, status: Status | None) -> bool:
    """Whether the check was begun after the last publisher was, or told something."""
    checked, ran, proved = (one.place(name).step() for name in ("validate", "run", "verify"))
    told = None if status is None else status.progress
    last = max(0.0 if told is None else told.updated, *(step.began for step in (ran, proved) if step is not None), 0.0)
    return checked is not None and checked.began > last


def head(one: Kept, standing: Standing) -> None:
    """How it stands, from where it comes and over where it goes."""
    where = printable(f"from {one.wish.source} · staging {one.wish.staging}")
    st.html(f'<div class="scope-from"><b>{WORDS[standing].capitalize()}</b> · {html.escape(where)}</div>{_CSS}')


def _below(desk: Desk, one: Kept) -> None:
    """Another folder, or off the list."""
    with st.container(horizontal=True):
        if st.button("Change", key="publish-change", icon=":material/edit:"):
            st.session_state[EDITING] = one.wish.key
            st.rerun()
        if st.button("Take off the list", key="publish-forget", icon=":material/playlist_remove:",
                     disabled=_busy(desk, one), help="The staging folder and the source stay as they are"):  # fmt: skip
            desk.forget(one)
            go(_NEW)


def _busy(desk: Desk, one: Kept) -> bool:
    """Whether anything of it works."""
    steps = (one.place("validate").step(), one.place("plan").step())
    return any(step is not None and step.alive for step in steps) or desk.at_work(one)
