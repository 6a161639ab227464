"""Two short facts for Home: how the previous run ended, and what the cache holds."""

from __future__ import annotations

import streamlit as st

from core.resources.runs import previous_run
from core.ui import loaders


def last_run_and_cache() -> None:
    """One quiet line."""
    entries = loaders.cache().entries()
    cases = len({(e.source, e.case_id) for e in entries})
    before = previous_run(loaders.settings().state_dir)
    told = "no earlier run is recorded" if before is None else f"previous run: {before.class_} ({before.confidence})"
    st.caption(f"{told} · cached: {cases} cases, {sum(e.bytes for e in entries) / 1e6:.0f} MB")
