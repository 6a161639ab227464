"""Reading a result on the Segment page: the slider, small lesions, downloads, and what happens when something fails."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.imaging.nifti import read_mask
from core.segmentation.kept_record import KeptResult
from core.ui import downloads, loaders, looks
from core.ui.looks import OnScreen
from tests.ui.pages import button, open_app, page, until, viewer, words

OPEN = "being measured"


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with a sample case and one result of it."""
    folder = tmp_path_factory.mktemp("answered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROKESCOPE_SOURCE", "sample")
        patch.setenv("STROKESCOPE_CACHE_DIR", str(folder / "cache"))
        patch.setenv("STROKESCOPE_STATE_DIR", str(folder / "state"))
        st.cache_resource.clear()
        app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
        settled(app.button(key="run").click().run())
        shutil.rmtree(kept().result.mask.parent / "views")
        st.cache_resource.clear()
    return folder / "cache"


@pytest.fixture
def bench(world: Path, answered: Path) -> Path:
    """An app that has it."""
    shutil.copytree(answered, world / "cache", dirs_exist_ok=True)
    return world


def segmented() -> AppTest:
    """The Segment page with a result of the default engine, all of it measured."""
    return settled(page(open_app(source="sample", case="sample-01"), "2_Segment.py"))


def settled(app: AppTest) -> AppTest:
    return until(app, lambda a: a.slider and not a.slider[0].disabled and OPEN not in words(a))


def kept() -> KeptResult:
    return loaders.results().of_case("sample", "sample-01")[0]


def told(app: AppTest) -> str:
    """The volumes of what is on screen."""
    return next(str(e.proto) for e in app.get("html") if "scope-volumes" in str(e.proto) and "<b>" in str(e.proto))


def overlays(app: AppTest) -> list[dict[str, Any]]:
    shown = viewer(app)
    assert shown is not None
    found: list[dict[str, Any]] = shown["view"]["overlays"]
    return found


def views() -> list[Path]:
    return sorted((kept().result.mask.parent / "views").glob("mask-*.nii.gz"))


def test_the_slider_changes_mask_and_numbers_without_the_engine(bench: Path) -> None:
    app = segmented()
    own, before = f"{kept().result.volume_ml:.2f} ml", overlays(app)
    assert own in told(app) and "Dice" in words(app)
    app.slider[0].set_value(0.9).run()
    (mask,) = views()
    moved = f"{read_mask(mask).volume_ml:.2f} ml"
    assert moved != own and moved in told(app) and own not in told(app)
    assert overlays(app) != before and overlays(app)[0]["kind"] == "labels3"
    assert viewer(app)["view"]["title"] == "sample-01"  # type: ignore[index]
    settled(app)
    assert moved in told(app)
    assert {entry.kind for entry in loaders.guard().ledger.entries()} <= {"score", "reading"}
    app.button(key=f"own-{kept().key}").click().run()
    assert app.slider[0].value == kept().result.threshold and own in told(app)
    assert overlays(app) == before


def test_the_address_holds_the_threshold_and_a_link_gives_it_back(bench: Path) -> None:
    (key,) = [folder.name for folder in (bench / "cache" / "results").iterdir() if folder.is_dir()]
    link = {"source": "sample", "case": "sample-01", "result": key, "threshold": "0.9"}
    app = settled(page(open_app(**link), "2_Segment.py"))
    assert app.slider[0].value == 0.9 and f"{kept().result.volume_ml:.2f} ml" not in told(app)
    app.slider[0].set_value(0.8).run()
    assert app.query_params["threshold"] in ("0.8", ["0.8"])
    app.button(key=f"own-{key}").click().run()
    assert "threshold" not in app.query_params


def test_overlays_lesions_and_small_ones(bench: Path) -> None:
    app = segmented()
    names = next(s for s in app.selectbox if s.label == "Overlay").options
    assert names == ["Agreement", "Prediction", "Truth", "Both", "Probability"]
    for name, kinds in (("Both", ["mask", "mask"]), ("Probability", ["heat"]), ("Prediction", ["mask"])):
        next(s for s in app.selectbox if s.label == "Overlay").set_value(name).run()
        assert [o["kind"] for o in overlays(app)] == kinds, name
        assert viewer(app)["view"]["outlines"] == (name == "Both")  # type: ignore[index]
    smallest = next(n for n in app.number_input if n.label == "Smallest lesion, ml")
    smallest.set_value(999.0).run()
    assert "0.00 ml" in told(app) and "No lesion was segmented" in words(app)


def test_downloads_hold_what_is_on_screen(bench: Path) -> None:
    app = segmented()
    app.slider[0].set_value(0.9).run()
    settled(app)
    for key in ("zip", "report"):
        app.button(key=f"make-{key}").click().run()
    until(app, lambda a: len([d for d in a.get("download_button") if d.proto.label.startswith("Save")]) == 2)
    assert not app.exception and not app.error
    folder = kept().result.mask.parent / "views"
    (archive,), (report,) = folder.glob("*.zip"), folder.glob("*.html")
    (mask,) = views()
    with zipfile.ZipFile(archive) as packed:
        name = next(n for n in packed.namelist() if n.endswith("_mask.nii.gz"))
        assert packed.read(name) == mask.read_bytes()
        assert json.loads(packed.read(name.replace(".nii.gz", ".json")))["Threshold"] == 0.9
    text = report.read_text()
    assert f"{read_mask(mask).volume_ml:.2f} ml" in text and "HD95" in text and "Research use only" in text
    app.slider[0].set_value(0.91).run()
    assert app.button(key="make-report") and app.button(key="make-zip")  # another threshold is another file
    assert str(bench) not in text and str(bench) not in json.dumps(downloads.as_shown(on_screen(), None)[1])


def saving() -> None:
    import streamlit as st

    from core.ui import downloads
    from tests.ui.test_segment import on_screen

    downloads.draw(on_screen(), None, {"dice": 0.5} if st.session_state.get("scored") else None)


def test_a_report_that_was_asked_for_before_the_scores_came_is_made_with_them(bench: Path) -> None:
    def saves(app: AppTest) -> list[str]:
        return [d.proto.label for d in app.get("download_button") if d.proto.label.startswith("Save")]

    app = AppTest.from_function(saving, default_timeout=90).run()
    app.button(key="make-report").click().run()
    app.session_state["scored"] = True
    until(app.run(), lambda a: saves(a) == ["Save Report"])  # nobody presses again
    pages = (kept().result.mask.parent / "views").glob("report-*.html")
    assert any("0.50" in page.read_text() and "had not been measured" not in page.read_text() for page in pages)


def on_screen() -> OnScreen:
    """The kept result without a page."""
    source = loaders.source("sample")
    fetched = source.fetch("sample-01", ["dwi", "adc", "lesion_mask"])
    return looks.on_screen("sample", source.case("sample-01"), fetched, kept().result, kept().label)


def test_isles24_lies_in_ncct_space_and_names_its_revision(bench: Path) -> None:
    shown = on_screen()
    assert downloads.origin(shown).space == "orig"
    hub = replace(shown, source="hub:hugging-science/isles24-stroke@" + "9" * 40)
    origin = downloads.origin(hub)
    assert origin.space == "ncct" and origin.revision == "9" * 40 and origin.software
    assert origin.sessions and origin.paths == {} and downloads.origin(shown).sessions
    assert downloads.subject(hub, None).truth is None


def test_a_folder_of_ones_own_names_no_session_and_where_its_files_lie(bench: Path) -> None:
    shown = on_screen()
    folder = shown.fetched.files["dwi"].path.parent
    origin = downloads.origin(replace(shown, source=f"local:{folder.parent}"))
    assert not origin.sessions and origin.space == "orig"
    assert origin.paths["dwi"] == f"{folder.name}/{shown.fetched.files['dwi'].path.name}"


def test_run_is_disabled_where_the_engine_is_missing(bench: Path) -> None:
    app = page(open_app(source="sample", case="sample-01"), "2_Segment.py")
    app.selectbox(key="engine").set_value("deepisles").run()
    until(app, lambda a: button(a, "run"))
    assert app.button(key="run").disabled and "cannot run" in app.button(key="run").help
    assert app.warning  # which says why, and what to do


def test_a_damaged_probability_is_told_and_the_engines_own_mask_stays(bench: Path) -> None:
    app = segmented()
    result = kept().result
    assert result.probability is not None
    whole = result.probability.read_bytes()
    result.probability.write_bytes(whole[:-40] + bytes(40))
    loaders.open_readings().clear()
    app.run()
    until(app, lambda a: a.error)
    assert len(app.error) == 1 and any(b.label == "Retry" for b in app.button)
    assert app.slider[0].disabled
    assert f"{result.volume_ml:.2f} ml" in told(app)
    assert {o["label"] for o in overlays(app)} <= {"truth (follow-up MRI)", "prediction (diffusion)"}


def test_other_parameters_leave_the_result_that_was_shown(bench: Path) -> None:
    app = segmented()
    key = kept().key
    assert app.query_params["result"] == key
    app.number_input(key="p-diffusion-adc_core").set_value(600.0).run()
    assert "result" not in app.query_params and button(app, "run")
    assert [o["label"] for o in overlays(app)] == ["truth (follow-up MRI)"]
    again = settled(page(open_app(source="sample", case="sample-01", result=key), "2_Segment.py"))
    assert not button(again, "run") and f"{kept().result.volume_ml:.2f} ml" in told(again)


def test_another_case_takes_its_result_with_it(bench: Path) -> None:
    app = segmented()
    app.selectbox(key="pick-sample-01").set_value("sample-02").run()
    assert not app.exception and button(app, "run")
    assert "result" not in app.query_params
    shown = viewer(app)
    assert shown is not None and shown["view"]["title"] == "sample-02"
    assert [o["label"] for o in overlays(app)] == ["truth (follow-up MRI)"]


def test_a_case_without_truth_has_no_score(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = loaders.source("sample").fetch("sample-01", ["dwi", "adc"]).files
    folder = world / "cases" / "c1"
    folder.mkdir(parents=True)
    for name, file in made.items():
        (folder / f"{name}.nii.gz").write_bytes(file.path.read_bytes())
    monkeypatch.setenv("STROKESCOPE_SOURCE", f"local:{world / 'cases'}")
    st.cache_resource.clear()
    app = page(open_app(case="c1"), "2_Segment.py")
    app.button(key="run").click().run()
    settled(app)
    assert "no ground truth" in words(app) and "<span>AVD</span>" not in words(app)
    assert [o["label"] for o in overlays(app)] == ["prediction (diffusion)"]
    assert str(world) not in words(app)


def test_an_opened_result_is_kept_until_ram_is_short(bench: Path) -> None:
    app = segmented()
    readings = loaders.open_readings()
    assert len(readings) == 1 and 0 < readings.nbytes < 50_000_000
    loaders.guard().watchdog._trim()
    assert len(readings) == 0
    app.slider[0].set_value(0.8).run()
    settled(app)
    assert len(readings) == 1 and not app.exception and len(views()) == 1
