"""States of the pages around the Hub: offline, a newer version, large and 4D images, a failure that recovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.errors import FetchCancelled
from core.hub.cache import Cache
from core.settings import load_settings
from core.sources.opening import open_source
from core.ui import loaders
from tests.hubserver import Fault
from tests.hubserver.server import HubServer
from tests.ui.large_world import COMMIT, LATER, REPO, TIME_POINTS, hub_with_large_images
from tests.ui.pages import button, open_app, page, until, viewer, words


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[HubServer]:
    with hub_with_large_images() as server:
        yield server


@pytest.fixture
def hub(shared_hub: HubServer, world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub in its first state, and an app that opens its dataset."""
    monkeypatch.setenv("HF_ENDPOINT", shared_hub.url)
    monkeypatch.setenv("STROKESCOPE_SOURCE", f"hub:{REPO}")
    st.cache_resource.clear()
    yield shared_hub
    shared_hub.plug()
    shared_hub.faults.clear()
    shared_hub.datasets[REPO].commit = COMMIT


def know(*cases: str) -> None:
    """As an earlier run did: list the dataset, and fetch the DWI of these cases."""
    settings = load_settings()
    source = open_source(f"hub:{REPO}", settings, Cache(settings.cache_dir))
    assert len(source.listing().cases) == 3
    for case_id in cases:
        source.fetch(case_id, ["dwi"])


def cases_page(**query: str) -> AppTest:
    return page(open_app(**query), "1_Cases.py")


def test_offline_the_list_is_there_and_says_what_is_here(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know("long")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    requests = hub.requests
    app = until(cases_page(), lambda a: "are on this machine" in words(a))
    assert "offline" in words(app)
    assert "1 of 3 cases are on this machine" in words(app)
    assert list(app.dataframe[0].value["here"]) == ["○", "●", "○"]
    app.button(key="only-here").click().run()
    assert not app.exception
    assert list(app.dataframe[0].value["case"]) == ["long"]
    opened = cases_page(case="long")
    assert viewer(opened) is not None
    absent = cases_page(case="wide")
    assert viewer(absent) is None
    assert "HF_HUB_OFFLINE" in words(absent)
    assert button(absent, "instead-fetch")
    assert hub.requests == requests


def test_a_dead_hub_hides_nothing_that_is_here(hub: HubServer) -> None:
    know("wide")
    hub.pull()
    app = until(cases_page(), lambda a: "are on this machine" in words(a))
    assert "1 of 3 cases are on this machine" in words(app)
    assert viewer(cases_page(case="wide")) is not None


def test_a_dataset_that_nobody_knows_yet_tells_its_failure_and_recovers(hub: HubServer) -> None:
    hub.pull()
    app = until(cases_page(), lambda a: a.error)
    assert not app.dataframe
    assert "asked again every few seconds" in words(app)
    hub.plug()
    until(app, lambda a: a.dataframe)
    assert not app.error


def ask_for_the_list() -> None:
    """A page of one line."""
    from core.ui import listings, loaders

    listings.peek(loaders.source(loaders.settings().source))


def test_cancel_ends_the_questions_and_not_only_the_waiting(hub: HubServer) -> None:
    hub.faults.add(Fault("silent", times=None))
    app = AppTest.from_function(ask_for_the_list, default_timeout=90).run()
    key = ("list", loaders.source(f"hub:{REPO}").spec)
    task = loaders.lists().get(key)
    assert task is not None and task.state == "running"
    loaders.lists().leave(key, app.session_state["watcher"])
    assert task.wait(60)
    assert isinstance(task.error, FetchCancelled)  # and not the Hub's deadline


def test_a_failed_fetch_leaves_no_image_and_begins_again_by_itself(hub: HubServer) -> None:
    know()
    hub.pull()
    app = until(cases_page(case="long"), lambda a: a.error)
    assert viewer(app) is None
    assert button(app, "retry-fetch")
    assert "asked again every few seconds" in words(app)
    hub.plug()
    until(app, viewer)
    assert not app.error


def test_a_newer_version_is_offered_and_never_switched_to(hub: HubServer) -> None:
    know()
    hub.datasets[REPO].commit = LATER
    app = until(cases_page(), lambda a: button(a, "newer-open"))
    text = words(app)
    assert f"large main @{COMMIT[:7]}" in text
    assert f"a newer version is on the Hub · {LATER[:7]}" in text
    app.button(key="newer-stay").click().run()
    assert not button(app, "newer-open")
    assert "newer version" in words(app)  # the bar still marks it
    other = until(cases_page(), lambda a: button(a, "newer-open"))
    other.button(key="newer-open").click().run()
    until(other, lambda a: f"large @{LATER[:7]}" in words(a))
    assert LATER in str(other.query_params["source"])


def test_a_large_image_is_told_before_it_is_paid(hub: HubServer) -> None:
    before = hub.total_bytes
    app = until(cases_page(case="wide", modality="cta"), lambda a: button(a, "consent-yes"))
    assert "18.4 MB to fetch, 18.4 MB decoded (256 × 256 × 280" in words(app)
    assert viewer(app) is None
    assert hub.total_bytes - before < 1_000_000
    app.button(key="consent-yes").click().run()
    shown = until(app, viewer)
    assert [p["label"] for p in (viewer(shown) or {})["view"]["panels"]] == ["CTA"]


def test_of_a_series_one_time_point_is_shown(hub: HubServer) -> None:
    app = until(cases_page(case="long", modality="ctp"), viewer)
    (slider,) = app.slider
    assert slider.label == f"CTP, time point 4 of {TIME_POINTS}"
    first = (viewer(app) or {})["view"]["panels"][0]["url"]
    slider.set_value(2).run()
    assert app.slider[0].label == f"CTP, time point 2 of {TIME_POINTS}"
    until(app, lambda a: viewer(a) is not None and (viewer(a) or {})["view"]["panels"][0]["url"] != first)


def test_what_no_browser_holds_is_refused_with_its_numbers(hub: HubServer) -> None:
    before = hub.total_bytes
    app = until(cases_page(case="huge", modality="ctp"), lambda a: "a browser holds" in words(a))
    assert "CTP takes 1210 MB decoded (1100 × 1100 × 1000 voxels)" in words(app)
    assert viewer(app) is None
    assert hub.total_bytes - before < 200_000
