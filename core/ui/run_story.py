"""Two short facts for Home: how the previous run ended, in plain words, and what the cache holds."""

from __future__ import annotations

import time

import streamlit as st

from core.resources.runs import PreviousRun
from core.ui import loaders
from core.ui.run_view import span

SHORT = {
    "clean stop": "stopped cleanly",
    "sleep": "fell asleep for want of visitors",
    "watchdog": "was ended by the watchdog, RAM had nearly run out",
    "disk full": "ended because the disk was full",
    "storage eviction": "was ended from outside for too much disk",
    "out of memory": "was killed for want of RAM",
    "hung": "was ended because it did not answer any more",
    "killed": "was killed from outside",
    "native crash": "crashed in native code",
    "crash": "ended with an error",
    "unknown": "ended, nobody knows why",
}


def last_run_and_cache() -> None:
    """One quiet line."""
    entries = loaders.cache().entries()
    cases = len({(e.source, e.case_id) for e in entries})
    told = in_words(next(iter(loaders.past()().runs), None), time.time())
    held = f"{cases} case{'' if cases == 1 else 's'}, {sum(e.bytes for e in entries) / 1e6:.0f} MB"
    st.caption(f"{told} · cached: {held}")


def in_words(before: PreviousRun | None, now: float) -> str:
    """ "last run: was killed for want of RAM (probable) while "decode" of sub-stroke0033 was under way, 2 h ago"."""
    if before is None:
        return "no earlier run is recorded"
    sure = f" ({before.confidence})" if before.confidence == "probable" else ""
    case = f" of {before.case}" if before.case else ""
    step = f' while "{before.phase}"{case} was under way' if before.phase else ""
    end = before.ended_at if before.ended_at is not None else before.last_sign
    ago = "" if end is None or end > now else f", {span(now - end)} ago"
    return f"last run: {SHORT.get(before.class_, before.class_)}{sure}{step}{ago}"
