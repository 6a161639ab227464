"""The report: right pictures, right numbers, nothing from outside, nothing hostile, two pages of paper."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.errors import BadVolume, GridMismatch
from core.evaluation.score import score_files
from core.imaging.figure import BLUE, ORANGE, key_slices, lay_of, outline, picture, read_planes
from core.imaging.geometry import world
from core.imaging.nifti import read_mask, write_mask, write_volume
from core.imaging.volume import Affine, Mask, Volume
from core.segmentation.results import JobResult, LesionRow
from core.workflows.origin import Origin, origin_of
from core.workflows.report import MOST_LESIONS, NOTICE, Subject, html_report, subject_of_report
from tests.ui.browser import launch

SHAPE = (30, 26, 12)
AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2, 0, -26], [0, 0, 5, -30], [0, 0, 0, 1]])
HOSTILE = "<img src=x onerror=alert(1)>\"'&</style><script>"
TOLD: dict[str, Any] = {
    "GeneratedBy": {"Label": "Rules", "Task": "lesion", "Licence": "Apache-2.0", "Citation": "A paper, 2026"},
    "Parameters": {"adc_core": {"value": 620.0, "unit": "10⁻⁶ mm²/s"}},
    "Inputs": {"dwi": {"sha256": "ab" * 32}, "adc": {"sha256": "cd" * 32}},
    "Validated": "Not validated.",
    "KnownFailures": ["It fails."],
    "Host": {"Processors": 2, "MemoryLimitMB": 16000.0},
    "Notes": {},
}


class Page(HTMLParser):
    """The tags and the words of a document."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def scene(folder: Path, affine: Affine = AFFINE, lesion: bool = True) -> tuple[JobResult, Subject]:
    """A bright lesion on the patient's right in DWI, dark in ADC; the truth is one voxel larger."""
    shade = np.random.default_rng(0).uniform(90, 110, SHAPE).astype(np.float32)
    right = np.zeros(SHAPE, bool)
    right[4:9, 10:16, 5:8] = lesion
    wide = np.zeros(SHAPE, bool)
    wide[3:10, 9:17, 5:8] = lesion
    adc = np.where(right, 400, 800).astype(np.float32)
    for name, data in (("dwi", np.where(right, 250, shade).astype(np.float32)), ("adc", adc)):
        write_volume(Volume(data, affine), folder / f"{name}.nii.gz")
    like = folder / "dwi.nii.gz"
    write_mask(Mask(right, affine), folder / "m.nii.gz", like)
    write_mask(Mask(wide, affine), folder / "t.nii.gz", like)
    rows = (LesionRow(1, "right", 1.8, (18.0, 0.0, 0.0), 18.0, 400.0),) if lesion else ()
    result = JobResult("sub-1", "diffusion", "1.0", folder / "m.nii.gz", None, None, folder / "s.json", 1.8, 1.1,
                       len(rows), rows, 3.2, 210.0, ("Look twice.",))  # fmt: skip
    scores = score_files(result.mask, folder / "t.nii.gz").to_json()
    images = {"dwi": like, "adc": folder / "adc.nii.gz"}
    return result, Subject(images, "hub:a/b@0123", folder / "t.nii.gz", scores)


def pictures(data: bytes) -> list[np.ndarray[Any, Any]]:
    found = re.findall(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", data)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_it_shows_numbers_warnings_and_provenance(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    known = subject_of_report(Origin("hub:a/b@0123", sessions=True), subject.images, "2026-11-23")
    subject = replace(known, truth=subject.truth, scores=subject.scores)
    data = html_report(result, TOLD, subject)
    page = Page(data)
    for said in ("sub-1", "diffusion 1.0", "ses-02 (follow-up MRI, day 2–9)", "2026-11-23",
                 "1.80 ml", "1.10 ml", "Look twice.", "ab" * 32,
                 "adc_core = 620.0 10⁻⁶ mm²/s", "3.2 s, at most 210 MB", "Apache-2.0", "A paper, 2026", "It fails.",
                 "hub:a/b@0123", "Lesion F1, ISLES'22", "twice the volume in both masks", "0.285"):  # fmt: skip
        assert said in page.words, said
    assert page.words.count(NOTICE) == page.words.count("hub:a/b@0123") == 2  # the same words on both pages
    assert "eligible" not in page.words and "diagnos" not in page.words
    assert data == html_report(result, TOLD, subject)
    bare = Page(html_report(result, TOLD, replace(subject, truth=None, scores=None)))
    assert "There is no truth" in bare.words


def test_nothing_is_said_of_a_session_or_a_task_that_nobody_told(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    plain = subject_of_report(origin_of(None, subject.images), subject.images, "")
    told = {**TOLD, "Source": "elsewhere"}
    words = Page(html_report(result, told, replace(plain, truth=subject.truth, scores=subject.scores))).words
    assert "follow-up" not in words and "ses-" not in words and "0.285" not in words
    assert words.count("files of the user's own") == 2 and "elsewhere" not in words
    assert "The engine's task: lesion." in words and "masks of the user's own" in words


def test_a_warning_is_whole_and_known_failures_make_room(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    warnings = tuple(f"{n} " + "a long warning that goes on " * 16 + "end." for n in range(3))
    told = {**TOLD, "KnownFailures": [f"failure {n}" for n in range(9)]}
    words = Page(html_report(replace(result, warnings=warnings), told, subject)).words
    assert all(warning in words for warning in warnings) and "…" not in words
    assert "failure 0" not in words or "failure 8" not in words
    assert all(f"failure {n}" in Page(html_report(result, told, subject)).words for n in range(9))
    joined = {**TOLD, "Members": [{"Name": "one", "Version": "2", "Licence": "MIT", "Citation": "N, 2025"}]}
    assert "one 2; licence: MIT; to cite: N, 2025" in Page(html_report(result, joined, subject)).words


def test_the_notes_of_a_consensus_are_words(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    told = {**TOLD, "Notes": {"rule": "majority", "members": [{"name": "diffusion 1.1", "volume_ml": 3.2}]}}
    words = Page(html_report(result, told, subject)).words
    assert "rule: majority, at least half of the masks; members: diffusion 1.1 (3.20 ml)" in words and "{'" not in words


@pytest.mark.parametrize("turn", [0.0, 18.0, -25.0])
def test_the_height_of_a_slice_is_that_of_its_lesion(tmp_path: Path, turn: float) -> None:
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    affine = AFFINE @ np.array([[1, 0, 0, 0], [0, cos, -sin * 2.5, 0], [0, sin / 2.5, cos, 0], [0, 0, 0, 1]])
    for lesion, middle in ((True, (6, 12.5)), (False, (14.5, 12.5))):
        result, subject = scene(tmp_path, affine, lesion)
        page = html_report(result, TOLD, replace(subject, truth=None, scores=None)).decode()
        for k in key_slices([read_mask(result.mask).data], lay_of(affine)):
            assert f"z {world(affine, (*middle, k))[2]:.0f} mm" in page


def test_it_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = Page(html_report(*_with_told(scene(tmp_path))))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a", "base"})
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href") or str(value).startswith("data:image/png;base64,")


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    rows = tuple(replace(result.lesions[0], side=HOSTILE) for _ in range(2))
    bad = replace(result, engine_version=HOSTILE, warnings=(HOSTILE,), lesions=rows, notes={})
    told = {**TOLD, "GeneratedBy": dict.fromkeys(("Label", "Task", "Licence", "Citation"), HOSTILE),
            "Parameters": {HOSTILE: {"value": HOSTILE, "unit": HOSTILE}}, "Inputs": {HOSTILE: {"sha256": HOSTILE}},
            "Validated": HOSTILE, "KnownFailures": [HOSTILE], "Notes": {HOSTILE: HOSTILE},
            "Source": HOSTILE}  # fmt: skip
    named = replace(subject, source=HOSTILE, made=HOSTILE, extra=(HOSTILE,), images={HOSTILE: subject.images["dwi"]})
    page = Page(html_report(bad, told, named))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags for name in a if name.startswith("on")]
    assert len([1 for tag, _ in page.tags if tag == "style"]) == 1
    assert page.words.count("<img src=x") >= 8


@pytest.mark.parametrize("flip", [False, True])
def test_the_patients_right_is_on_the_left(tmp_path: Path, flip: bool) -> None:
    affine = AFFINE.copy()
    if flip:  # the same voxels, stored the other way round, show the other side
        affine[0] = (2, 0, 0, -28)
    result, subject = scene(tmp_path, affine)
    centre = world(affine, (6, 12.5, 6))
    drawn = pictures(html_report(result, TOLD, subject))
    assert len(drawn) == 4  # two slices, 8 mm apart or more, of DWI and ADC
    orange = np.argwhere((drawn[0] == ORANGE).all(axis=2))
    assert len(orange) > 20
    assert (orange[:, 1].mean() < drawn[0].shape[1] / 2) == (centre[0] > 0)
    blue = np.argwhere((drawn[0] == BLUE).all(axis=2))
    assert len(blue) > 20 and np.ptp(blue[:, 1]) > np.ptp(orange[:, 1])


def test_front_is_up_in_any_storage_order(tmp_path: Path) -> None:
    data = np.zeros((8, 12, 10), np.float32)
    affine = np.array([[0, 2.0, 0, -10], [0, 0, -2, 9], [-3, 0, 0, 10], [0, 0, 0, 1]])  # axes I, R, P
    lay = lay_of(affine)
    assert (lay.slices, lay.columns, lay.rows) == (0, 1, 2)
    data[3, 11, 0] = 1.0  # the most right and most anterior voxel of slice 3
    write_volume(Volume(data, affine), tmp_path / "a.nii.gz", "float32")
    plane = read_planes(tmp_path / "a.nii.gz", lay, (3,))[0]
    assert plane.shape == (10, 12) and plane[0, 0] == 1.0
    png = Image.open(io.BytesIO(picture(plane, (0, 1), lay)))
    assert png.width / png.height == pytest.approx(12 / 10, rel=0.02)


def test_key_slices_are_those_with_the_most_lesion() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:4, :4, 2] = mask[:9, :9, 5] = mask[:8, :8, 6] = mask[:5, :5, 10] = True
    lay = lay_of(AFFINE)
    assert key_slices([mask], lay) == (2, 5, 10)  # 6 lies too near to 5
    assert len(key_slices([np.zeros(SHAPE, bool)], lay)) == 3
    assert not outline(np.zeros((4, 4), bool), (20, 20), False).any()
    full = outline(np.ones((4, 4), bool), (20, 20), False)
    assert full[0].all() and not full[10, 10]
    assert 0 < outline(np.ones((4, 4), bool), (20, 20), True).sum() < full.sum()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    result, subject = scene(tmp_path, lesion=False)
    page = Page(html_report(replace(result, core_volume_ml=None), TOLD, subject))
    assert "No lesion was segmented." in page.words and "undefined" in page.words
    elsewhere = tmp_path / "flair.nii.gz"
    write_volume(Volume(np.ones((5, 5, 5), np.float32), AFFINE), elsewhere)
    words = Page(html_report(result, TOLD, replace(subject, images={"flair": elsewhere, **subject.images}))).words
    assert "FLAIR lies on another grid" in words
    with pytest.raises(GridMismatch):
        html_report(result, TOLD, replace(subject, truth=elsewhere))
    with pytest.raises(BadVolume):
        html_report(replace(result, mask=tmp_path / "none.nii.gz"), TOLD, subject)


def test_of_thousands_of_lesions_the_rest_is_counted_though_it_has_no_rows(tmp_path: Path) -> None:
    result, subject = scene(tmp_path)
    rows = tuple(replace(result.lesions[0], index=i, volume_ml=1.0) for i in range(1, 1001))
    result = replace(result, lesions=rows, lesion_count=5000, volume_ml=1400.0)
    text = Page(html_report(result, TOLD, subject)).words
    assert f"and {5000 - MOST_LESIONS:,} smaller, {1400 - MOST_LESIONS:.2f} ml together" in text


@pytest.mark.browser
@pytest.mark.parametrize("crowded", [False, True])
def test_it_prints_on_two_pages(tmp_path: Path, crowded: bool) -> None:
    result, subject = scene(tmp_path)
    told = TOLD
    if crowded:
        many = tuple(replace(result.lesions[0], index=i) for i in range(1, 60))
        long = "A very long sentence that goes on and on " * 12
        result = replace(result, case_id="x" * 100, lesions=many, lesion_count=59, warnings=(long.upper(),) * 30,
                         engine_version="1" * 90)  # fmt: skip
        subject = replace(subject, source="hub:" + "o" * 300, made="m" * 100)
        by = dict.fromkeys(("Label", "Task", "Licence", "Citation"), long)
        part = dict.fromkeys(("Name", "Version", "Licence", "Citation"), long)
        told = {**TOLD, "GeneratedBy": by, "Members": [part] * 6,
                "Validated": long, "KnownFailures": [long] * 20, "Notes": {"n": long},
                "Parameters": {f"parameter_{i}_{'y' * 30}": {"value": "v" * 60, "unit": "u" * 60} for i in range(90)},
                "Inputs": {f"mask{i}": {"sha256": "f" * 64} for i in range(9)}, "Source": long}  # fmt: skip
        assert f"and {59 - MOST_LESIONS} smaller" in Page(html_report(result, told, subject)).words
    path = tmp_path / "report.html"
    path.write_bytes(html_report(result, told, subject))
    asked: list[str] = []
    with launch() as browser:
        page = browser.new_page(viewport={"width": 703, "height": 1039})  # A4 without its margins
        page.emulate_media(media="print")
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        tall = page.evaluate("[...document.querySelectorAll('section')].map(s => s.getBoundingClientRect().height)")
        wide = page.evaluate("document.documentElement.scrollWidth")
        printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
    assert max(tall) <= 1039 and wide <= 703  # so it was not shrunk to fit
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def _with_told(made: tuple[JobResult, Subject]) -> tuple[JobResult, dict[str, Any], Subject]:
    return made[0], TOLD, made[1]
