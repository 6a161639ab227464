"""A page with nothing but one question and its jobs, for tests: the real desk, door and engine."""

from __future__ import annotations

import streamlit as st

from core.segmentation.engine import load_engine
from core.ui import jobs_view, loaders, segment_jobs
from core.ui.segment_jobs import Question

CASE = str(st.query_params.get("case", "sample-02"))


def main() -> None:
    """Ask, wait, tell."""
    source = loaders.source("sample")
    engine = load_engine("diffusion").info
    fetched = source.fetch(CASE, engine.inputs)
    question = Question(source.spec, CASE, engine, engine.settle({}), fetched)
    with st.container(horizontal=True, key="segment-row"):
        jobs_view.draw(source)
    result = segment_jobs.known_result(question)
    if result is None:
        segment_jobs.ask(question)
    else:
        st.write(f"Result: {result.volume_ml:.1f} ml")


main()
