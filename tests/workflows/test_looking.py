"""A result as somebody looks at it: the same numbers on screen, in the mask, the sidecar, the zip and the report."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadParameter
from core.imaging.nifti import read_mask
from core.segmentation.lesions import count_lesions
from core.segmentation.results import JobResult
from core.workflows.export import bids_zip
from core.workflows.looking import as_looked, look_at, reading_step, threshold_of, told_looked
from core.workflows.origin import Origin
from core.workflows.report import Subject, html_report
from tests.workflows.test_reading import CORE, opened, scene

TOLD: dict[str, Any] = {
    "Inputs": {"dwi": {"sha256": "ab" * 32}},
    "Threshold": 0.5,
    "Volumes": {"lesion": {"value": 1.0, "unit": "ml"}, "core": {"value": 0.5, "unit": "ml"}},
    "LesionCount": {"value": 1, "definition": "parts"},
    "Warnings": ["look twice"],
    "Parameters": {"adc_core": {"value": CORE, "unit": "x"}},
}


def told_of(result: JobResult) -> None:
    result.sidecar.write_text(json.dumps(TOLD))


def test_another_threshold_is_another_mask_with_its_own_numbers(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 5)
    reading = opened(result, truth, adc)
    look = look_at(result, reading, 0.8, 0.0, tmp_path / "views")
    mask = read_mask(look.mask)
    assert look.mask != result.mask and not look.own
    assert look.volume_ml == pytest.approx(mask.volume_ml)
    assert look.lesion_count == count_lesions(mask) == len(look.lesions)
    assert look.against is not None and look.overlap is not None and look.overlap.is_file()
    assert look.volume_ml < look_at(result, reading, 0.3, 0.0, tmp_path / "views").volume_ml


def test_the_engines_own_mask_is_its_own_file(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 6)
    reading = opened(result, truth, adc)
    look = look_at(result, reading, None, 0.0, tmp_path / "views")
    assert look.own and look.mask == result.mask and look.sentence == ""
    assert as_looked(result, look).warnings == result.warnings
    assert told_looked(TOLD, look) == TOLD


def test_small_lesions_are_left_out_at_the_engines_own_threshold(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 7)
    reading = opened(result, truth, adc)
    own = look_at(result, reading, None, 0.0, tmp_path / "views")
    largest = own.lesions[0].volume_ml
    look = look_at(result, reading, None, largest, tmp_path / "views")
    assert not look.own and look.lesion_count < own.lesion_count
    assert min(row.volume_ml for row in look.lesions) >= largest * (1 - 1e-6)
    with pytest.raises(BadParameter, match="smallest lesion"):
        look_at(result, reading, None, -1.0, tmp_path / "views")


def test_sidecar_zip_and_report_say_what_is_on_screen(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 8)
    told_of(result)
    result = replace(result, core=result.mask)
    look = look_at(result, opened(result, truth, adc), 0.8, 0.1, tmp_path / "views")
    seen, told = as_looked(result, look), told_looked(TOLD, look)
    assert seen.core is None and seen.volume_ml == look.volume_ml and "threshold 0.8" in seen.warnings[-1]
    assert told["Threshold"] == 0.8 and told["SmallestLesionMl"] == 0.1
    assert told["Volumes"]["lesion"]["value"] == look.volume_ml
    assert told["EnginesOwn"]["Volumes"] == TOLD["Volumes"]
    assert TOLD["Volumes"]["lesion"]["value"] == 1.0  # what it was made from is as it was
    with zipfile.ZipFile(bids_zip(seen, Origin("sample"), tmp_path / "out.zip", told)) as archive:
        mask = next(n for n in archive.namelist() if n.endswith("_mask.nii.gz"))
        assert archive.read(mask) == look.mask.read_bytes()
        sidecar = json.loads(archive.read(mask.replace(".nii.gz", ".json")))
    assert sidecar["Threshold"] == 0.8 and sidecar["Measured"]["LesionVolumeMl"] == look.volume_ml
    page = html_report(seen, told, Subject({"adc": adc}, "sample", truth)).decode()
    assert f"{look.volume_ml:.2f} ml" in page and "threshold 0.8" in page


def test_views_do_not_fill_the_disk(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 9)
    reading = opened(result, truth, adc)
    views = tmp_path / "views"
    for number, threshold in enumerate((0.3, 0.4, 0.6, 0.7, 0.8, 0.9)):
        look = look_at(result, reading, threshold, 0.0, views, most=4)
        assert look.overlap is not None
        for path in (look.mask, look.overlap):
            os.utime(path, (number, number))
    assert len(list(views.iterdir())) == 4
    assert look.mask.is_file() and look.overlap is not None and look.overlap.is_file()
    assert result.mask.is_file()


def test_the_slider_means_the_engines_own_where_it_stands_on_it() -> None:
    assert threshold_of(0.5, 0.5) is None
    assert threshold_of(0.37, 0.373) is None
    assert threshold_of(0.6000000000000001, 0.5) == 0.6


def test_opening_costs_by_the_voxel() -> None:
    small, large = reading_step(10**6), reading_step(22 * 10**6, "sub-1")
    assert large.memory_mb == pytest.approx(22 * small.memory_mb)
    assert large.case == "sub-1" and not large.heavy
    assert np.isfinite(small.memory_mb)
