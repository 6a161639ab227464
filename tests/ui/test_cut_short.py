"""A job that a restart cut short: its case's page says so whatever is chosen there, and what was chosen comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.segmentation.engine import load_engine
from core.ui import loaders
from core.ui.cut_short import TOLD_S, cut_short, in_words
from core.ui.model_view import choice_for
from core.workflows.job_record import JobRecord
from tests.hubserver.server import HubServer
from tests.segmentation.test_models import REPO, ModelServer
from tests.segmentation.tiny_models import onnx_model
from tests.ui.pages import button, open_app, page, until, words

DEAD = 2**22 + 1  # no process has this number
WHY = "the app ended while it ran"


def left_behind(**changes: object) -> JobRecord:
    """A job of this visitor that ran when the app died."""
    made = JobRecord(
        uuid4().hex, uuid4().hex, "me", "sample-01", "sample", "diffusion", load_engine("diffusion").info.version,
        "rules", None, {"adc_core": 600}, created=time.time() - 60, pid=DEAD, born=1.0, run="a" * 12, state="running",
        started=time.time() - 50, phase="Segmenting", fraction=0.4,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def reopened(*left: JobRecord, **query: str) -> AppTest:
    """The case's page in a new session after the restart."""
    for record in left:
        loaders.desk().book.open(record)
    loaders.desk().settle(WHY)
    app = open_app(**{"source": "sample", "case": "sample-01", **query})
    app.session_state["watcher"] = "me"
    return page(app, "2_Segment.py")


def told(app: AppTest) -> str:
    return " ".join(str(one.value) for one in app.warning)


def test_what_was_chosen_comes_back_and_the_case_tells_what_happened(world: Path) -> None:
    app = reopened(left_behind())
    assert app.selectbox(key="engine").value == "diffusion"
    assert app.number_input(key="p-diffusion-adc_core").value == 600.0
    assert WHY in told(app) and "diffusion on this case" in told(app)
    (before,) = loaders.desk().jobs("me")
    app.button(key="cut-short-again").click().run()
    assert not app.exception and len(loaders.desk().jobs("me")) == 2  # begun by a press alone
    until(app, lambda app: app.slider and not button(app, "cut-short-again"))
    assert WHY not in told(app)
    assert loaders.desk().get(before.job_id) == before


def test_a_job_of_a_model_that_is_forgotten_is_told_beside_another_engine(world: Path) -> None:
    app = reopened(left_behind(engine="network", model="local:/data/of/jane/my_model"))
    assert app.selectbox(key="engine").value == "diffusion"
    assert "network · my\\_model on this case" in told(app) and WHY in told(app) and "jane" not in words(app)
    assert not app.button(key="run").disabled
    app.button(key="cut-short-dismiss").click().run()
    assert WHY not in told(app) and "Interrupted" in words(app)  # Jobs goes on telling it


def test_an_offered_model_is_chosen_again(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = onnx_model(tmp_path / "quick", name="Quick")
    monkeypatch.setenv("STROKESCOPE_MODELS", str(folder))
    st.cache_resource.clear()
    version = load_engine("network", folder).info.version
    chosen = {"engine": "network", "version": version, "model": f"local:{folder}", "parameters": {"mirror": "all"}}
    app = reopened(left_behind(**chosen))
    app = until(app, lambda app: button(app, "run") and not app.button(key="run").disabled)
    assert app.selectbox(key="engine").value == "network"
    assert app.selectbox(key=f"p-network-{version}-mirror").value == "all"
    app.selectbox(key="engine").select("diffusion").run()
    assert app.selectbox(key="engine").value == "diffusion" and WHY in told(app)  # a person's choice stays


def test_a_repository_that_was_typed_is_named_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        st.cache_resource.clear()
        ModelServer(hub, onnx_model(tmp_path / "m"))
        app = reopened(left_behind(engine="network", model=f"hub:{REPO}@{'a' * 40}", parameters={}))
        app = until(app, lambda app: button(app, "get-model"))
        assert app.selectbox(key="engine").value == "network" and WHY in told(app)
        assert app.radio(key="model-radio").value == f"hub:{REPO}@{'a' * 40}"


def test_a_result_on_screen_does_not_hide_it(world: Path) -> None:
    app = reopened()
    until(app.button(key="run").click().run(), lambda app: app.slider)
    loaders.desk().book.open(left_behind())
    loaders.desk().settle(WHY)
    assert WHY in told(app.run()) and button(app, "cut-short-again")


def test_which_jobs_of_a_case_were_cut_short() -> None:
    now = 1e9
    old = left_behind(state="interrupted", ended=now - 60, reason=WHY)
    done, running = (replace(old, state=state, key=uuid4().hex) for state in ("done", "running"))
    other = replace(old, parameters={"adc_core": 610})
    assert cut_short([old, other], "sample", "sample-01", now) == [old, other]
    assert cut_short([running, old], "sample", "sample-01", now) == []
    assert cut_short([done, old], "sample", "sample-01", now) == []
    assert cut_short([old], "sample", "sample-02", now) == cut_short([old], "local:/x", "sample-01", now) == []
    assert cut_short([old], "sample", "sample-01", now + TOLD_S) == []
    assert in_words(old, 1, now).endswith("60 s ago. Nothing of it was kept. 1 more of this case: see Jobs.")


def test_how_the_model_of_a_job_is_chosen_again(tmp_path: Path) -> None:
    pinned, folder = f"hub:a/b@{'c' * 40}", f"local:{tmp_path}"
    assert choice_for(pinned, (), (True, False)) == pinned
    assert choice_for(pinned, ("hub:x/y", "hub:a/b"), (False, False)) == "hub:a/b"
    assert choice_for(pinned, ("hub:x/y", str(tmp_path)), (False, True)) is None
    assert choice_for(folder, ("hub:a/b", str(tmp_path)), (True, False)) == str(tmp_path)
    assert choice_for(folder, (), (True, True)) == str(tmp_path) and choice_for(folder, (), (True, False)) is None
