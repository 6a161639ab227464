"""The Segment page where something is missing or went otherwise: images, a lesion, a run that failed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.imaging.nifti import write_volume
from core.imaging.volume import Volume
from core.ui import loaders
from core.workflows.asking import Ask
from core.workflows.job_record import JobRecord
from tests.segmentation.heads import healthy, sick
from tests.ui.pages import open_app, page, until, viewer, words


@pytest.fixture
def opened(bare_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app on a folder of one's own: three cases that lack something, and one without a lesion."""
    root = bare_world / "cases"
    lacking("no-adc", root, ("dwi",))
    lacking("no-dwi", root, ("adc",))
    lacking("only-ct", root, ("ncct",))
    lacking("healthy", root, ("dwi", "adc"), healthy().images)
    monkeypatch.setenv("STROKESCOPE_SOURCE", f"local:{root}")
    st.cache_resource.clear()
    return root


def lacking(case: str, root: Path, names: Sequence[str], images: Mapping[str, Volume] | None = None) -> None:
    (root / case).mkdir(parents=True)
    for name in names:
        volume = (images or sick().images)[name]
        write_volume(volume, root / case / f"{name}.nii.gz", "int16")
    write_volume(
        Volume(sick().lesion.data.astype("f4"), sick().lesion.affine), root / case / "lesion-msk.nii.gz", "uint8"
    )


def segment(case: str) -> AppTest:
    return page(open_app(case=case), "2_Segment.py")


def panels(app: AppTest) -> list[str]:
    shown = viewer(app)
    assert shown is not None
    return [panel["modality"] for panel in shown["view"]["panels"]]


@pytest.mark.parametrize(("case", "lacks", "there"), [("no-adc", "ADC", ["dwi"]), ("no-dwi", "DWI", ["adc"])])
def test_an_image_that_is_missing_leaves_the_others_on_screen(
    opened: Path, case: str, lacks: str, there: list[str]
) -> None:
    app = segment(case)
    assert panels(app) == there and not app.exception
    assert app.button(key="run").disabled
    (said,) = [str(one.value).replace("\\", "") for one in app.warning]
    assert f"{case} has no {lacks}, which diffusion needs." in said and f"if it needs no {lacks}" in said
    assert "deepisles" not in said.lower()  # which needs it too
    app.selectbox(key="engine").select("network").run()
    assert panels(app) == there and not app.warning  # a model says itself what it needs


def test_a_case_of_another_session_shows_what_it_has_without_the_truth_of_the_follow_up(opened: Path) -> None:
    app = segment("only-ct")
    assert panels(app) == ["ncct"] and app.button(key="run").disabled
    assert "has no DWI and no ADC, which diffusion needs" in words(app).replace("\\", "")
    shown = viewer(app)
    assert shown is not None and shown["view"]["overlays"] == []


def test_no_lesion_is_a_result_and_said_as_one(opened: Path) -> None:
    app = segment("healthy")
    until(app.button(key="run").click().run(), lambda app: app.slider)
    assert "No lesion was segmented" in words(app) and "0.00 ml" in words(app) and not app.exception
    assert panels(app) == ["dwi", "adc"]


def test_a_run_that_failed_says_why_and_what_to_do_over_the_images(world: Path) -> None:
    files = loaders.source("sample").fetch("sample-01", ["dwi", "adc"]).files
    asked = Ask("diffusion", files, {}, "sample-01", "sample")
    key = asked.folder(loaders.results()).name
    failed = JobRecord(
        "c" * 32, key, "me", "sample-01", "sample", "diffusion", asked.info.version, "rules",
        state="failed", created=time.time(), reason="the disk is full", hint="free some space and run it again",
    )  # fmt: skip
    loaders.desk().book.open(failed)
    app = open_app(source="sample", case="sample-01")
    app.session_state["watcher"] = "me"
    app = page(app, "2_Segment.py")
    assert len(app.error) == 1 and "The disk is full" in app.error[0].value
    assert "ree some space and run it again" in words(app) and panels(app) == ["dwi", "adc"]
    until(app.button(key="retry-job").click().run(), lambda app: app.slider)
    assert not app.error and not app.exception
