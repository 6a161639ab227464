from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadParameter, BadVolume, GridMismatch
from core.evaluation import metrics
from core.evaluation.records import DEFINITIONS, ISLES24_IOU, TOLERANCE_MM, CaseScore, ScoreJob
from core.evaluation.score import main, score_files, score_masks
from core.imaging import nifti
from core.imaging.volume import Mask
from tests.evaluation.masks import affine_of, boxes, rotation, save, spaced

REPOSITORY = Path(__file__).parents[2]
OBLIQUE = affine_of(rotation(0.1, 0.3) @ np.diag([-0.5, 1.0, 3.0]), (60.0, -70.0, 10.0))
SHAPE = (20, 16, 8)
TRUTH = boxes(SHAPE, (2, 2, 2, 8, 8, 6), (14, 10, 0, 20, 16, 4))  # the second touches the border
PREDICTION = boxes(SHAPE, (3, 2, 2, 9, 8, 6), (0, 14, 7, 2, 16, 8))
KEYS = [
    "dice",
    "volume_prediction_ml",
    "volume_truth_ml",
    "avd_ml",
    "lesion_count_difference",
    "lesion_f1_isles22",
    "lesion_f1_isles24",
    "hd95_mm",
    "surface_dice_2mm",
]


@pytest.fixture
def prediction(tmp_path: Path) -> Path:
    return save(PREDICTION, OBLIQUE, tmp_path / "prediction.nii.gz")


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return save(TRUTH, OBLIQUE, tmp_path / "truth.nii.gz", dtype="float32")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def job_file(folder: Path, prediction: Path, truth: Path, overlap_out: Path | None = None) -> Path:
    path = folder / "job.json"
    path.write_text(json.dumps(ScoreJob(prediction, truth, overlap_out).to_json()), "utf-8")
    return path


def test_keys_and_definitions_are_those_of_the_command_line() -> None:
    score = score_masks(Mask(PREDICTION, OBLIQUE), Mask(TRUTH, OBLIQUE))
    assert list(score.to_json()) == KEYS == list(DEFINITIONS)
    assert CaseScore.from_json(json.loads(json.dumps(score.to_json()))) == score


def test_every_value_is_that_of_its_own_function() -> None:
    score = score_masks(Mask(PREDICTION, OBLIQUE), Mask(TRUTH, OBLIQUE))
    stored = [Mask(np.asfortranarray(mask), OBLIQUE) for mask in (PREDICTION, TRUTH)]
    assert score_masks(*stored).to_json() == pytest.approx(score.to_json())
    assert score == CaseScore(
        dice=metrics.dice(PREDICTION, TRUTH),
        volume_prediction_ml=metrics.volume_ml(PREDICTION, OBLIQUE),
        volume_truth_ml=metrics.volume_ml(TRUTH, OBLIQUE),
        avd_ml=metrics.avd_ml(PREDICTION, TRUTH, OBLIQUE),
        lesion_count_difference=metrics.lesion_count_difference(PREDICTION, TRUTH),
        lesion_f1_isles22=metrics.lesion_f1_isles22(PREDICTION, TRUTH),
        lesion_f1_isles24=metrics.lesion_f1_isles24(PREDICTION, TRUTH),
        hd95_mm=metrics.hd95_mm(PREDICTION, TRUTH, OBLIQUE),
        surface_dice_2mm=metrics.surface_dice_2mm(PREDICTION, TRUTH, OBLIQUE),
    )
    assert score.volume_truth_ml == pytest.approx((144 + 144) * 1.5 / 1000)
    assert score.dice == pytest.approx(2 * 120 / (288 + 148))
    assert score.lesion_f1_isles22 == pytest.approx(0.5)


def test_the_definitions_name_their_thresholds() -> None:
    assert str(ISLES24_IOU) in DEFINITIONS["lesion_f1_isles24"]
    assert f"{TOLERANCE_MM:g} mm" in DEFINITIONS["surface_dice_2mm"]
    assert all(text.endswith(".") and "\n" not in text for text in DEFINITIONS.values())


def test_empty_masks_are_null_where_undefined(tmp_path: Path) -> None:
    nothing = save(boxes(SHAPE), OBLIQUE, tmp_path / "nothing.nii.gz")
    score = score_files(nothing, nothing)
    assert (score.dice, score.lesion_f1_isles22, score.lesion_f1_isles24) == (1.0, 1.0, 1.0)
    assert score.hd95_mm is None
    assert json.loads(json.dumps(score.to_json()))["surface_dice_2mm"] is None


def test_files_score_as_their_masks_and_the_overlap_lies_on_the_prediction(
    prediction: Path, truth: Path, tmp_path: Path
) -> None:
    out = tmp_path / "overlap.nii.gz"
    before = prediction.read_bytes(), truth.read_bytes()
    phases: list[tuple[str, float]] = []
    score = score_files(prediction, truth, out, lambda phase, fraction: phases.append((phase, fraction)))
    assert score.dice == pytest.approx(2 * 120 / (288 + 148))
    header, original = nifti.read_header(out), nifti.read_header(prediction)
    assert (header.shape, header.dtype) == (original.shape, "uint8")
    assert np.array_equal(header.affine, original.affine)
    labels = nifti.read_volume(out).data
    assert [int((labels == label).sum()) for label in (1, 2, 3)] == [120, 28, 168]
    assert np.array_equal((labels == 1) | (labels == 2), PREDICTION)
    assert [fraction for _, fraction in phases] == sorted(fraction for _, fraction in phases)
    assert (prediction.read_bytes(), truth.read_bytes()) == before


def test_the_overlap_never_overwrites_an_input(prediction: Path, truth: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.nii.gz"
    link.symlink_to(truth)
    for out in (prediction, truth, link):
        with pytest.raises(BadParameter, match="overwrite"):
            score_files(prediction, truth, out)


def test_a_missing_file_is_named_by_its_role(prediction: Path, tmp_path: Path) -> None:
    with pytest.raises(BadVolume, match="the truth file is not there"):
        score_files(prediction, tmp_path / "none.nii.gz")
    with pytest.raises(BadVolume, match="the prediction file is not there"):
        score_files(tmp_path, prediction)


def test_a_damaged_file_is_named_by_its_role(prediction: Path, truth: Path) -> None:
    truth.write_bytes(truth.read_bytes()[:-20])
    with pytest.raises(BadVolume, match="the truth is not a mask that can be read"):
        score_files(prediction, truth)


def test_other_grids_are_refused_and_nothing_is_written(prediction: Path, tmp_path: Path) -> None:
    coarse = save(boxes((10, 16, 8)), OBLIQUE @ np.diag([2.0, 1, 1, 1]), tmp_path / "coarse.nii.gz")
    out = tmp_path / "overlap.nii.gz"
    with pytest.raises(GridMismatch, match="same space"):
        score_files(prediction, coarse, out)
    assert not out.exists()


def test_the_process_reports_and_ends_with_the_result(prediction: Path, truth: Path, tmp_path: Path) -> None:
    job = job_file(tmp_path, prediction, truth, tmp_path / "overlap.nii.gz")
    command = [sys.executable, "-m", "core.evaluation.score", str(job)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *progress, last = lines(done.stdout)
    assert CaseScore.from_json(last["result"]) == score_files(prediction, truth)
    assert {key for line in progress for key in line} == {"phase", "fraction", "rss_mb"}
    assert (tmp_path / "overlap.nii.gz").is_file()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"prediction": 1, "truth": 2}', '{"prediction": "a"}'])
def test_a_job_that_cannot_be_read_is_one_sentence(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "job.json"
    if text is not None:
        job.write_text(text, "utf-8")
    assert main([str(job)]) == 1
    (line,) = lines(capsys.readouterr().out)
    assert line["error"]["kind"] == "BadParameter"
    assert line["error"]["hint"]


def test_errors_leave_the_process_as_their_kind_message_and_hint(
    prediction: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save(boxes((4, 4, 4)), spaced(1, 1, 1), tmp_path / "other.nii.gz")
    assert main([str(job_file(tmp_path, prediction, other))]) == 1
    error = lines(capsys.readouterr().out)[-1]["error"]
    assert error["kind"] == "GridMismatch"
    assert "20 × 16 × 8" in error["message"]
    assert set(error) == {"kind", "message", "hint"}
    assert main([]) == 1
    assert lines(capsys.readouterr().out)[-1]["error"]["kind"] == "BadParameter"


def test_an_overlap_that_cannot_be_written_is_an_error_not_a_result(
    prediction: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "no-such-folder" / "overlap.nii.gz"
    assert main([str(job_file(tmp_path, prediction, truth, out))]) == 1
    last = lines(capsys.readouterr().out)[-1]
    assert last["error"]["message"].endswith("cannot be written (No such file or directory)")
    assert str(tmp_path) not in json.dumps(last)


def test_a_score_that_lacks_a_key_is_refused() -> None:
    with pytest.raises(BadParameter, match="dice"):
        CaseScore.from_json({key: 1.0 for key in KEYS if key != "dice"})
