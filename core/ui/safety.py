"""Safe mode on screen: the banner with its way out, and the question before a case in quarantine is opened.

The rules are safemode.py's, the state breaker.py's; draws nothing while all is well.
"""

from __future__ import annotations

import streamlit as st

from core.resources.safemode import SafeMode
from core.sources.protocol import Source
from core.ui import loaders
from core.workflows.segment_case import recorded_case


def banner() -> None:
    """Says that safe mode is on and why; its button ends it."""
    breaker = loaders.breaker()
    if breaker.state().active:
        breaker.tick()  # who looks may end it, where there is no supervisor to do so
    state = breaker.state()
    if not state.active:
        return
    st.warning(
        f"**Safe mode: {state.reason}.** Nothing is loaded by itself until you leave it or ten minutes have gone well.",
        icon=":material/shield:",
    )
    st.button("Leave safe mode", key="leave-safe-mode", on_click=_leave)


def may_load_ahead() -> bool:
    """Whether the app may fetch by itself."""
    return not loaders.breaker().state().active


def may_open(source: Source, case_id: str) -> bool:
    """Whether the case may be drawn; asks the person first when it is in quarantine."""
    held = held_steps(loaders.breaker().state(), recorded_case(loaders.settings(), case_id, source.spec))
    agreed: set[tuple[str, str]] = st.session_state.setdefault("opened-anyway", set())
    if not held or (source.spec, case_id) in agreed:
        return True
    st.warning(
        f"**{case_id} is in quarantine: the app ended abnormally with it ({', '.join(held)}).** "
        "Opening it may end the app again.",
        icon=":material/shield:",
    )
    st.button("Open it anyway", key="open-anyway", on_click=agreed.add, args=((source.spec, case_id),))
    return False


def held_steps(state: SafeMode, case: str) -> tuple[str, ...]:
    """The steps of a case, by its name in the record, that are in quarantine."""
    return tuple(phase for phase, held in state.quarantined if case and held == case)


def _leave() -> None:
    loaders.breaker().leave()
