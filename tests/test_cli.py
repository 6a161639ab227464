"""The command line as a script meets it: names, exit codes, one JSON object, errors with their next step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.imaging.nifti import read_header, read_mask
from core.settings import PINNED_REVISION
from tests.real_case import real_case
from tools.make_case import isles24_grid_case

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cli")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("STROKESCOPE_", "HF_"))},
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }


def call(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core", *args], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


def answer(env: dict[str, str], *args: str) -> Any:
    run = call(env, *args, "--json")
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 1
    return json.loads(run.stdout)


def test_the_pinned_list_needs_no_network(env: dict[str, str]) -> None:
    listed = answer(env, "cases")
    assert listed["count"] == len(listed["cases"]) == 149
    assert listed["revision"] == PINNED_REVISION
    assert listed["cases"][0]["case_id"] == "sub-stroke0001"
    assert listed["cases"][0]["age"] is None


def test_sample_fetch_segment_score(env: dict[str, str], tmp_path: Path) -> None:
    fetched = answer(
        env, "fetch", "sample-01", "--source", "sample", "--modality", "lesion_mask", "--out", str(tmp_path)
    )
    truth = Path(fetched["files"]["lesion_mask"]["path"])
    assert truth.parent == tmp_path
    done = answer(env, "segment", "sample-01", "--source", "sample", "--out", str(tmp_path / "out"))
    mask = Path(done["mask"])
    assert read_header(mask).shape == read_header(truth).shape
    assert np.count_nonzero(read_mask(mask).data) > 0
    assert done["lesion_count"] >= 1
    score = answer(env, "score", "--prediction", str(mask), "--truth", str(truth))
    assert score["dice"] > 0.8
    assert abs(score["volume_prediction_ml"] - done["volume_ml"]) < 0.01
    assert answer(env, "fetch", "sample-01", "--source", "sample", "--modality", "lesion_mask")["from_cache"] is True
    listed = answer(env, "cache", "list")
    assert listed["total_bytes"] > 0
    assert answer(env, "cache", "clear")["freed_bytes"] == listed["total_bytes"]
    assert answer(env, "cache", "list")["entries"] == []


def test_an_unfinished_image_is_listed_as_such_and_cleared(env: dict[str, str], tmp_path: Path) -> None:
    env = {**env, "STROKESCOPE_CACHE_DIR": str(tmp_path)}
    part = tmp_path / "images" / "tester--strokes" / ("5" * 40) / "sub-01" / ".part-dwi"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 300_000)
    listed = answer(env, "cache", "list")
    source = f"hub:tester/strokes@{'5' * 40}"
    entry = {"source": source, "case_id": "sub-01", "modality": "dwi", "bytes": 300_000, "unfinished": True}
    assert listed == {"total_bytes": 300_000, "entries": [entry]}
    assert answer(env, "cache", "clear") == {"freed_bytes": 300_000}
    assert not part.exists()


def test_files_are_segmented_on_their_own_grid(env: dict[str, str], tmp_path: Path) -> None:
    dwi, adc = real_case()
    done = answer(env, "segment", "--dwi", str(dwi), "--adc", str(adc), "--out", str(tmp_path))
    mine, theirs = read_header(Path(done["mask"])), read_header(dwi)
    assert mine.shape == theirs.shape
    np.testing.assert_array_equal(mine.affine, theirs.affine)
    assert (mine.qform_code, mine.sform_code) == (theirs.qform_code, theirs.sform_code)
    assert done["case_id"] is None
    assert 0 < done["volume_ml"] < 100
    assert done["peak_rss_mb"] < 500


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("fetch", "nobody", "--source", "sample"), "no such case"),
        (("fetch", "../../etc/passwd", "--source", "sample"), "not a case id"),
        (("cases", "--source", "local:/no/such/folder"), "folder"),
        (("cases", "--source", "ftp:x"), "not a source"),
        (("score", "--prediction", "none.nii.gz", "--truth", "none.nii.gz"), "prediction"),
        (("segment", "--dwi", "none.nii.gz", "--out", "out"), "ADC"),
        (("segment", "sample-01", "--source", "sample", "--set", "adc_max=5", "--out", "out"), "out of range"),
        (("fetch", "sub-stroke0001"), "Hub"),
        (("fetch", "sample-01", "--source", "sample", "--modality", "dwi", "--out", "/dev/null"), "write"),
        (("segment", "sample-01", "--source", "sample", "--out", "/dev/null/x"), "folder"),
    ],
)
def test_failures_end_with_one_sentence_and_exit_1(env: dict[str, str], args: tuple[str, ...], told: str) -> None:
    run = call(env, *args)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "; " in last
    assert told.lower() in last.lower()
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize(
    "args",
    [
        ("cases", "--nonsense"),
        ("segment", "--out", "x"),
        ("segment", "sample-01", "--adc", "x", "--out", "x"),
        ("fetch", "a", "--modality", "x-ray"),
        ("score",),
    ],
)
def test_wrong_usage_exits_2(env: dict[str, str], args: tuple[str, ...]) -> None:
    assert call(env, *args).returncode == 2


def test_a_cache_that_cannot_be_written_is_one_sentence(env: dict[str, str]) -> None:
    run = call({**env, "STROKESCOPE_CACHE_DIR": "/dev/null/x"}, "fetch", "sample-01", "--source", "sample")
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in run.stderr


def test_a_case_on_a_real_isles24_grid(env: dict[str, str], tmp_path: Path) -> None:
    isles24_grid_case(tmp_path / "case", "float32", 1)
    source = f"local:{tmp_path / 'case'}"
    case_id = answer(env, "cases", "--source", source)["cases"][0]["case_id"]
    done = answer(env, "segment", case_id, "--source", source, "--out", str(tmp_path / "out"))
    truth = next((tmp_path / "case").glob("*lesion-msk.nii.gz"))
    assert read_header(Path(done["mask"])).shape == (512, 586, 74)
    assert done["peak_rss_mb"] < 1200
    assert answer(env, "score", "--prediction", done["mask"], "--truth", str(truth))["dice"] > 0.9


def test_doctor_tells_the_smallest_limit(env: dict[str, str]) -> None:
    told = answer({**env, "STROKESCOPE_MEMORY_LIMIT": "1G"}, "doctor")
    assert told["memory"]["limit_source"] == "STROKESCOPE_MEMORY_LIMIT"
    assert told["memory"]["limit_mb"] == pytest.approx(1024**3 / 1e6, rel=0.001)
    assert told["disk"]["limit_mb"] > 0
    assert told["safe_mode"] is False
