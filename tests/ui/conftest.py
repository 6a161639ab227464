"""A machine of its own for each test of the app: settings, cache and shared objects."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from tests.ui.pages import ROOT


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an app on the sample cohort, with nothing cached."""
    monkeypatch.setenv("STROKESCOPE_SOURCE", "sample")
    monkeypatch.setenv("STROKESCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STROKESCOPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()
    st.cache_data.clear()
    return tmp_path
