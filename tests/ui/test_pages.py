"""Every page, run by Streamlit itself without a browser, on the sample cohort and on a Hub that is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import streamlit as st

from core.sources.sample import SampleSource
from core.ui import loaders
from core.ui.messages import NOTICE
from tests.ui.pages import ROOT, open_app, page, until, viewer, words

DEAD_HUB = "http://127.0.0.1:9"  # the discard port: nobody listens


def test_home_says_what_it_is_and_opens_a_case(bare_world: Path) -> None:
    app = open_app().run()
    assert not app.exception
    assert NOTICE in words(app)
    assert "Browse 16 stroke cases" in words(app)
    app.button(key="show-case").click().run()
    assert not app.exception
    shown = viewer(app)
    assert shown is not None
    assert shown["view"]["title"] == "sample-01"
    assert shown["view"]["synthetic"] is True


def test_cases_lists_everything_without_making_an_image(bare_world: Path) -> None:
    app = page(open_app(), "1_Cases.py")
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 16
    assert list(table["case"])[:2] == ["sample-01", "sample-02"]
    assert not list((bare_world / "cache").glob("**/*.nii.gz"))
    app.text_input(key="f-text").input("no lesion").run()
    assert list(app.dataframe[0].value["case"]) == ["sample-04"]


def test_a_deep_link_restores_case_and_images(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-02", modality="ncct,tmax"), "1_Cases.py")
    assert not app.exception
    shown = viewer(app)
    assert shown is not None
    assert [p["label"] for p in shown["view"]["panels"]] == ["NCCT", "Tmax"]
    assert all(p["session"].startswith("acute CT") for p in shown["view"]["panels"])
    assert shown["view"]["overlays"] == []
    assert "sample-02" not in str(shown["view"]["panels"])
    app.toggle(key="acute-truth").set_value(True).run()
    overlays = viewer(app)["view"]["overlays"]  # type: ignore[index]
    assert [o["label"] for o in overlays] == ["truth (follow-up MRI)"]


def test_a_missing_modality_is_said_and_another_shown(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-13", modality="tmax"), "1_Cases.py")
    assert not app.exception
    shown = viewer(app)
    assert shown is not None
    assert [p["label"] for p in shown["view"]["panels"]] == ["DWI", "ADC"]


def test_the_static_view_draws_the_same_files(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "1_Cases.py")
    app.toggle(key="static-view").set_value(True).run()
    assert not app.exception
    assert viewer(app) is None
    assert len(app.get("plotly_chart")) == 2


def test_an_unknown_case_shows_its_reason_and_no_image(world: Path) -> None:
    app = page(open_app(source="sample", case="nobody"), "1_Cases.py")
    assert not app.exception
    assert viewer(app) is None
    assert "nobody" in words(app)


def test_a_damaged_file_shows_its_reason_and_no_image(world: Path) -> None:
    folder = world / "cases" / "c1"
    folder.mkdir(parents=True)
    (folder / "dwi.nii.gz").write_bytes(b"not an image")
    st.cache_resource.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROKESCOPE_SOURCE", f"local:{world / 'cases'}")
        app = page(open_app(case="c1"), "1_Cases.py")
    assert not app.exception
    assert viewer(app) is None
    assert len(app.error) == 1


def test_segment_runs_scores_and_offers_the_mask(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    assert not app.exception
    app.button(key="run").click().run()
    until(app, lambda a: a.slider and not a.slider[0].disabled and "being measured" not in words(a))
    text = words(app)
    assert "Dice" in text
    assert "Segmented volume" in text
    shown = viewer(app)
    assert shown is not None
    assert [o["kind"] for o in shown["view"]["overlays"]] == ["labels3"]
    assert [d.proto.label for d in app.get("download_button")] == ["Mask", "Sidecar"]
    assert {entry.kind for entry in loaders.guard().ledger.entries()} >= {"engine:diffusion", "score"}
    assert loaders.guard().admission.places() == ()
    again = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    assert "Made in" in words(again)
    assert not [b for b in again.button if b.key == "run"]


def test_resources_shows_ram_and_disk(world: Path) -> None:
    app = page(open_app(), "3_Resources.py")
    assert not app.exception
    assert "RAM" in words(app)


def test_a_dead_hub_is_told_and_the_sample_offered(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKESCOPE_SOURCE", "hub:hugging-science/isles24-stroke")
    monkeypatch.setenv("HF_ENDPOINT", DEAD_HUB)
    app = open_app().run()
    assert not app.exception
    assert "Browse 149 stroke cases" in words(app)
    for _ in range(20):
        if app.error:
            break
        app.run()
    assert len(app.error) == 1
    app.button(key="show-case").click().run()
    shown = viewer(app)
    assert shown is not None
    assert shown["view"]["synthetic"] is True


def test_a_case_of_a_dead_hub_fails_where_the_image_would_be(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", DEAD_HUB)
    app = page(open_app(source="hub:hugging-science/isles24-stroke", case="sub-stroke0014"), "1_Cases.py")
    assert not app.exception
    assert viewer(app) is None
    assert len(app.error) == 1
    assert any(b.label == "Retry" for b in app.button)


OPENS_SEGMENT = """
import sys
from tests.ui.pages import open_app, page
page(open_app(source="sample", case="sample-01"), "2_Segment.py")
print(sorted({"torch", "monai", "onnxruntime"} & set(sys.modules)))
"""


def test_the_app_never_loads_torch(world: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OPENS_SEGMENT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_space_opens_no_folders(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/space")
    app = open_app().run()
    app.text_input[0].input("local:/etc")
    next(b for b in app.button if b.label == "Open").click().run()
    assert not app.exception
    assert "same machine" in words(app)
    assert "local" not in str(app.query_params["source"])


def test_parameters_and_filters_survive_a_change_of_page(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    app.number_input(key="p-diffusion-adc_core").set_value(600.0).run()
    app.switch_page(str(ROOT / "pages" / "3_Resources.py")).run()
    app.switch_page(str(ROOT / "pages" / "2_Segment.py")).run()
    assert app.number_input(key="p-diffusion-adc_core").value == 600.0


def test_a_folder_of_ones_own_is_not_called_follow_up(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world / "cases" / "c1"
    folder.mkdir(parents=True)
    made = SampleSource(world / "made").fetch("sample-01", ["dwi", "adc", "lesion_mask"]).files
    for name, file in made.items():
        (folder / f"{name}.nii.gz").write_bytes(file.path.read_bytes())
    monkeypatch.setenv("STROKESCOPE_SOURCE", f"local:{world / 'cases'}")
    st.cache_resource.clear()
    app = page(open_app(case="c1"), "1_Cases.py")
    shown = viewer(app)
    assert shown is not None
    assert {p["session"] for p in shown["view"]["panels"]} == {"session not stated"}
    assert [o["label"] for o in shown["view"]["overlays"]] == ["truth"]
    assert shown["view"]["synthetic"] is True  # the files themselves say so
