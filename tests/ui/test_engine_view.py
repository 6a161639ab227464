"""Choosing an engine and its model on the page: what is told before anything is run, and what may be named by whom."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.errors import BadModel, BadSource
from core.segmentation.engine import load_engine
from core.segmentation.models import offered
from core.settings import Settings
from core.ui import model_view
from core.ui.engine_view import about
from core.ui.model_view import plain, short, spec_of
from core.workflows.bring_model import title
from tests.hubserver.server import HubServer
from tests.segmentation.test_models import REPO, ModelServer
from tests.segmentation.tiny_models import config, onnx_model, write_config
from tests.ui.pages import until, words

PAGE = """
import streamlit as st
from core.case import CaseRef
from core.ui import engine_view
row = st.container(horizontal=True)
chosen = engine_view.choose(row, CaseRef("sample-01"))
st.session_state["seen"] = chosen
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def choosing(engine: str) -> AppTest:
    """The row with an engine chosen."""
    app = AppTest.from_string(PAGE, default_timeout=90).run()
    assert not app.exception
    return app.selectbox(key="engine").select(engine).run()


def test_an_engine_tells_what_it_is_and_its_parameters_are_given_back(world: Path) -> None:
    app = choosing("diffusion")
    seen = app.session_state["seen"]
    assert seen.engine == "diffusion" and seen.missing is None and seen.case_id == "sample-01"
    assert seen.parameters == load_engine("diffusion").info.settle({})
    app.number_input(key="p-diffusion-adc_core").set_value(600.0).run()
    assert app.session_state["seen"].parameters["adc_core"] == 600.0
    said = words(app)
    assert "Known failures" in said and "Licence" in said and "Cite" in said and "Task" in said


def test_deepisles_without_docker_says_why_and_the_next_step(
    world: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STROKESCOPE_DEEPISLES", "docker")
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    app = until(choosing("deepisles"), lambda app: "its daemon is not running" in words(app))
    assert "Start Docker" in words(app)
    assert app.session_state["seen"].missing is not None
    assert app.selectbox(key="p-deepisles-fast").value == "no"


def test_an_offered_folder_is_looked_at_and_opened_and_one_of_a_stranger_is_not(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = onnx_model(tmp_path / "dwi-model", licence="CC-BY <b>4.0</b>")
    monkeypatch.setenv("STROKESCOPE_MODELS", str(folder))
    st.cache_resource.clear()
    app = choosing("network")
    assert "Choose one" in words(app) and app.session_state["seen"] is None
    app.text_input(key="model-text").input(str(tmp_path))
    app = app.button[0].click().run()
    assert "Folders can only be opened by a browser on the same machine" in words(app)  # AppTest is not one
    assert app.radio(key="model-radio").options == ["dwi-model"]
    app.radio(key="model-radio").set_value(str(folder)).run()
    app = until(app, lambda app: app.session_state["seen"] is not None)
    seen = app.session_state["seen"]
    assert seen.model.folder == folder and seen.model.source == "local" and seen.info.name == "network"
    assert seen.parameters["mirror"] == "off" and "\\<b\\>" in words(app)
    write_config(folder, config(network={"name": "onnx"}, weights={"file": "weights.pkl"}))
    app = until(app.run(), lambda app: len(app.error) == 1)
    assert "not one of" in words(app) and app.session_state["seen"] is None


def test_a_model_of_the_hub_is_told_before_it_is_fetched(
    world: Path, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("STROKESCOPE_MODELS", f"hub:{REPO}, hub:{REPO}")
    monkeypatch.setenv("SPACE_ID", "someone/space")
    st.cache_resource.clear()
    served = ModelServer(hub, onnx_model(tmp_path / "m"))
    app = choosing("network")
    assert not app.text_input, "on a Space what is offered is all there is"
    app.radio(key="model-radio").set_value(f"hub:{REPO}").run()
    app = until(app, lambda app: any(b.key == "get-model" for b in app.button))
    assert "CC0" in words(app) and "Nobody, 2026" in words(app) and "DWI, ADC" in words(app)
    assert not any("model.onnx" in path for path in served.asked if "/resolve/" in path)
    app = app.button(key="get-model").click().run()
    app = until(app, lambda app: app.session_state["seen"] is not None)
    assert app.session_state["seen"].model.source == f"hub:{REPO}@{'a' * 40}"
    assert sum("model.onnx" in path for path in served.asked) == 1


def test_without_an_offered_model_a_space_says_so(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/space")
    st.cache_resource.clear()
    app = choosing("network")
    assert "No model is offered here" in words(app) and not app.text_input


def test_what_a_person_may_name() -> None:
    assert spec_of(" hub:a/b@main ", False) == "hub:a/b@main" and spec_of("/data/m", True) == "/data/m"
    for text, folders in (("", True), ("/data/m", False), ("local:/data/m", False)):
        with pytest.raises(BadModel):
            spec_of(text, folders)
    with pytest.raises(BadSource):
        spec_of("hub:../../etc", True)


def test_names_and_words_of_strangers_are_harmless() -> None:
    assert title("local:/home/me/secret/model/") == "model" and short("hub:a/b@" + "c" * 40) == "b"
    assert title("hub:a/b") == "hub:a/b"
    assert plain("[x](javascript:1) :red[y] $z$") == "\\[x\\]\\(javascript\\:1\\) \\:red\\[y\\] \\$z\\$"
    assert "lesion" in about(load_engine("deepisles").info)
    assert offered(Settings(models=" a, ,hub:x/y,a ")) == ("a", "hub:x/y")
    assert model_view.MOST_NAMED == 8
