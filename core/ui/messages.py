"""The sentences on screen: banner, failures with their next step, sizes and numbers. Decides nothing about the work."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.case import CaseRef
from core.errors import HubError, StrokescopeError
from core.ui import loaders

LOG = logging.getLogger("strokescope.app")
NOTICE = "Research use only, not a medical device"


def megabytes(count: int | None) -> str:
    """ "8.1 MB"; "size not known yet" for None."""
    return "size not known yet" if count is None else f"{count / 1e6:.1f} MB"


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number with its unit, or a dash."""
    if value is None:
        return "–"
    return f"{value:.{digits}f} {unit}".strip()


def headline(case: CaseRef) -> str:
    """ "sub-stroke0014 · F 71 · NIHSS 14 → mRS 4", as far as it is known."""
    c = case.clinical
    parts = [case.case_id]
    who = " ".join(p for p in (c.sex or "", "" if c.age is None else f"{c.age:.0f} y") if p)
    if who:
        parts.append(who)
    scale = "" if c.nihss_admission is None else f"NIHSS {c.nihss_admission:.0f}"
    outcome = "" if c.mrs_3month is None else f"mRS at 3 months {c.mrs_3month:.0f}"
    if scale or outcome:
        parts.append(" → ".join(p for p in (scale, outcome) if p))
    return " · ".join(parts)


def failure(
    error: StrokescopeError,
    key: str,
    retry: Callable[[], None] | None = None,
    instead: tuple[str, Callable[[], None]] | None = None,
) -> None:
    """One sentence, the next step, Retry; the sample cohort where the Hub is the trouble.

    Args:
        instead: label of a further button, and what it does.
    """
    loaders.faults().seen(error, "a page")
    st.error(unmarked(f"**{sentence(error)}.** {capital(error.hint)}."), icon=":material/error:")
    with st.container(horizontal=True):
        if retry is not None:
            st.button("Retry", key=f"retry-{key}", icon=":material/refresh:", on_click=retry)
        if instead is not None:
            st.button(instead[0], key=f"instead-{key}", on_click=instead[1])
        if isinstance(error, HubError):
            st.button("Open the sample cohort", key=f"sample-{key}", on_click=_open_sample)


def unmarked(text: str) -> str:
    """A sentence that may hold words of a stranger's file: no link, picture, code or colour comes out of them."""
    return "".join(f"\\{c}" if c in "[]<>`" else c for c in text)


def _open_sample() -> None:
    from core.ui import state

    state.go(source="sample", case=None, modalities=())


def sentence(error: StrokescopeError) -> str:
    """What happened, as one sentence without its full stop."""
    return capital(str(error))


def capital(text: str) -> str:
    """The text with a capital letter first and without a full stop."""
    text = text.rstrip(".")
    return text[:1].upper() + text[1:]


def surprise(error: Exception) -> bool:
    """A fault of ours: a sentence on screen, and its place in the log; not its message, which may name files."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    loaders.faults().seen(error, "a page")
    LOG.error("a page failed: %s at %s", type(error).__name__, where)
    st.error("Something went wrong here. Reload the page; if it happens again, send the diagnostics from Resources.")
    return True
