"""Safe mode on screen: the banner with its way out, and the question before a case in quarantine is opened.

The rules are safemode.py's, the state breaker.py's; draws nothing while all is well.
"""

from __future__ import annotations

import streamlit as st

from core.resources.safemode import SafeMode, cut
from core.sources.protocol import Source
from core.ui import loaders, state
from core.workflows.segment_case import recorded_case


def banner() -> None:
    """Says that safe mode is on and why; its button ends it."""
    breaker = loaders.breaker()
    if breaker.state().active:
        breaker.tick()  # who looks may end it, where there is no supervisor to do so
    now = breaker.state()
    if not now.active:
        return
    st.warning(
        f"**Safe mode: {now.reason}.** Nothing is loaded by itself, and what is in quarantine asks first; you can go "
        "on browsing. It ends when you leave it, or after ten minutes that go well.",
        icon=":material/shield:",
    )
    st.button("Leave safe mode", key="leave-safe-mode", on_click=_leave, icon=":material/lock_open:")


def may_load_ahead() -> bool:
    """Whether the app may fetch by itself."""
    return not loaders.breaker().state().active


def may_open(source: Source, case_id: str) -> bool:
    """Whether the case may be drawn; asks the person first when it is in quarantine, and in safe mode also when no
    click chose it."""
    now = loaders.breaker().state()
    held = held_steps(now, recorded_case(loaders.settings(), case_id, source.spec))
    agreed: set[tuple[str, str]] = st.session_state.setdefault("opened-anyway", set())
    if (source.spec, case_id) in agreed or not (held or (now.active and state.is_unasked())):
        return True
    why = (
        f"**{case_id} is in quarantine, as this step ended abnormally with it: {', '.join(held)}.** "
        "Opening it may end the app."
        if held
        else f"**{case_id} is not opened by itself in safe mode.** Nobody has chosen it here yet."
    )
    st.warning(why, icon=":material/shield:")
    st.button("Open it anyway", key="open-anyway", on_click=agreed.add, args=((source.spec, case_id),))
    return False


def held_steps(now: SafeMode, case: str) -> tuple[str, ...]:
    """The steps of a case, by its name in the record, that are in quarantine."""
    return tuple(phase for phase, held in now.quarantined if case and held == cut(case))


def _leave() -> None:
    loaders.breaker().leave()
