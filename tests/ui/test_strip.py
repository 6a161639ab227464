"""The strip on every page shows the container's RAM and disk through the shared sampler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.ui import loaders


def page() -> None:
    from core.ui.strip import ram_disk_strip

    ram_disk_strip()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Settings of this test alone; the shared objects are made anew and ended afterwards."""
    monkeypatch.setenv("STROKESCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STROKESCOPE_STATE_DIR", str(tmp_path / "state"))
    st.cache_resource.clear()
    try:
        yield monkeypatch
    finally:
        loaders.sampler().stop()
        st.cache_resource.clear()


@pytest.mark.parametrize(("limit", "word"), [("64G", ""), ("1M", "critical")])
def test_strip(shared: pytest.MonkeyPatch, limit: str, word: str) -> None:
    shared.setenv("STROKESCOPE_MEMORY_LIMIT", limit)
    app = AppTest.from_function(page, default_timeout=20).run()
    assert not app.exception
    (drawn,) = (element.proto.body for element in app.get("html"))
    ram = drawn[drawn.index("</style>") : drawn.index('title="Disk')]
    assert 'aria-label="RAM' in ram
    assert ("<b>critical</b>" in ram) == (word == "critical")
