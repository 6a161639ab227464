"""A machine of its own for each test of the app: settings, cache and shared objects."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Browser

from core.resources.probe import Sampler
from core.resources.watchdog import Watchdog
from core.sources.sample import SampleSource
from tests.hubserver import HubServer
from tests.lanes import BROWSER, lane_of
from tests.ui.browser import KeptBrowser, StreamlitServer, chromium_path
from tests.ui.hub_world import shards_with_heads
from tests.ui.pages import ROOT
from tests.ui.publish_page import prepare
from tests.ui.viewer_bench import DEMO
from tests.ui.viewer_cases import Cases, make_cases
from tools.build_viewer import build

KEPT = KeptBrowser()
USUAL = ("sample-01", "sample-02", "sample-03")  # what pages open, and the neighbours that they get ahead


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with some sample cases: making one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("cohort")
    source = SampleSource(folder)
    for case in USUAL:
        source.fetch(case, ["dwi"])
    return folder


@pytest.fixture
def bare_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an app on the sample cohort, with nothing cached."""
    monkeypatch.setenv("STROKESCOPE_SOURCE", "sample")
    monkeypatch.setenv("STROKESCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STROKESCOPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(ROOT)
    end_watch()
    st.cache_resource.clear()
    st.cache_data.clear()
    yield tmp_path
    end_watch()


@pytest.fixture
def world(bare_world: Path, cohort: Path) -> Path:
    """The folder of an app on the sample cohort, the usual cases made already."""
    shutil.copytree(cohort, bare_world / "cache")
    return bare_world


def end_watch() -> None:
    """End the samplers and watchdogs that pages began: a few dozen of them would slow down every later test.

    Does not wait for them: one may be counting the bytes of a whole disk.
    """
    for thread in threading.enumerate():
        owner = getattr(getattr(thread, "_target", None), "__self__", None)
        if isinstance(owner, Sampler | Watchdog):
            threading.Thread(target=owner.stop, daemon=True).start()


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The shards of the pinned dataset, some of them with heads."""
    return shards_with_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def chromium() -> Browser:
    """The browser; tests open windows of their own in it."""
    return KEPT.get()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """After the last of the tests with a browser there is none."""
    result = yield
    if nextitem is None or lane_of(nextitem.nodeid) != BROWSER:
        KEPT.close()
    return result


@pytest.fixture(scope="module")
def publish_hub() -> Iterator[HubServer]:
    """A Hub on loopback that takes what is published."""
    with HubServer() as server:
        yield server


@pytest.fixture
def desk(world: Path, publish_hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an app that may publish."""
    prepare(monkeypatch, publish_hub)
    return world


@pytest.fixture(scope="session")
def viewer_cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    """The volumes of the viewer's demo."""
    return make_cases(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="session")
def viewer_server(viewer_cases: Cases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamlitServer]:
    """An app with nothing but the viewer."""
    chromium_path()
    build()
    env = {"STROKESCOPE_DEMO": str(viewer_cases.file)}
    with StreamlitServer(DEMO, env, tmp_path_factory.mktemp("log")) as running:
        yield running
