"""Engines on the command line: models, consensus, datasets and reports, and what Ctrl-C leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

from core.cli import app
from core.errors import BadInput, StrokescopeError
from core.imaging import nifti
from core.segmentation.model_store import ModelStore
from core.workflows.written import members_of, read_written
from tests.segmentation.heads import pair, sick
from tests.segmentation.tiny_models import onnx_model

ROOT = Path(__file__).resolve().parents[1]
WORKER = "core.segmentation.worker"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cli")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("STROKESCOPE_", "HF_"))},
        "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
        "STROKESCOPE_STATE_DIR": str(folder / "state"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """--dwi and --adc of a small head."""
    folder = tmp_path_factory.mktemp("images")
    for name, volume in pair(sick()).items():
        nifti.write_volume(volume, folder / f"{name}.nii.gz")
    return ["--dwi", str(folder / "dwi.nii.gz"), "--adc", str(folder / "adc.nii.gz")]


def call(env: dict[str, str], *args: str) -> Any:
    """What a command answers that makes a mask: as a process, as it keeps what it reads until it ends."""
    run = subprocess.run(
        [sys.executable, "-m", "core", *args, "--json"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    assert run.stdout.count("\n") == 1
    return json.loads(run.stdout)


def invoke(env: dict[str, str], *args: str) -> Result:
    """A command in this process."""
    return CliRunner().invoke(app, args, env={**dict.fromkeys(os.environ), **env})


def answer(env: dict[str, str], *args: str, code: int = 0) -> Any:
    """What a command in this process answers."""
    run = invoke(env, *args, "--json")
    assert run.exit_code == code, run.output
    return json.loads(run.stdout)


def test_a_model_is_checked_run_joined_with_another_result_and_written_out(
    env: dict[str, str], images: list[str], tmp_path: Path
) -> None:
    model = str(onnx_model(tmp_path / "m", bias=-7.0))
    told = answer(env, "model", "check", model, "--no-trial")
    assert told["ok"] and told["about"]["licence"] == "CC0-1.0" and told["source"] == "local"
    chosen = ["--set", "threshold=0.4", "--set", "mirror=off", "--out", str(tmp_path / "a")]
    files = ["--bids", str(tmp_path / "a.zip"), "--report", str(tmp_path / "a.html")]
    done = call(env, "segment", *images, "--engine", "network", "--model", model, *chosen, *files)
    assert done["engine"] == "network" and done["probability"] and Path(done["mask"]).is_file()
    assert call(env, "segment", *images, "--out", str(tmp_path / "b"))["engine"] == "diffusion"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "dataset_description.json" in archive.namelist()
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Research use only" in page and str(tmp_path) not in page
    both = call(env, "consensus", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c"))
    assert both["engine"] == "consensus" and both["rule"] == "majority" and len(both["members"]) == 2
    assert Path(both["disagreement"]).is_file() and both["volume_ml"] > 0
    assert answer(env, "score", "--prediction", both["mask"], "--truth", both["mask"])["dice"] == 1


def test_what_cannot_be_is_refused_before_anything_is_made(
    env: dict[str, str], images: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bad = answer(env, "model", "check", str(tmp_path), code=1)
    assert not bad["ok"] and "strokescope.json" in bad["problem"] and bad["hint"]
    without = invoke(env, "segment", *images, "--engine", "network", "--out", str(out))
    assert isinstance(without.exception, StrokescopeError) and without.exception.hint
    assert invoke(env, "segment", *images, "--report", str(tmp_path / "r.txt"), "--out", str(out)).exit_code == 2
    nothing = invoke(env, "consensus", str(tmp_path), str(tmp_path), "--out", str(out))
    assert isinstance(nothing.exception, BadInput)
    assert not out.exists()


def held(pid: int) -> list[psutil.Process]:
    """The worker below, once it is there, stopped: it cannot be done before the test goes on."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for one in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if WORKER in one.cmdline():
                    one.suspend()
                    return [one]
        time.sleep(0.005)
    raise AssertionError("no worker came")


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
def test_ctrl_c_ends_the_worker_and_leaves_nothing(env: dict[str, str], images: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "core", "segment", *images, "--out", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None and process.stderr.readline()
        workers = held(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        with suppress(psutil.NoSuchProcess):  # it may be gone already
            workers[0].resume()
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert rest.strip().splitlines()[-1].startswith("error: stopped") and "Traceback" not in rest
    psutil.wait_procs(workers, timeout=30)
    assert workers and not any(worker.is_running() for worker in workers)
    assert not out.exists() or not list(out.iterdir())


def test_a_folder_is_read_only_where_it_holds_exactly_one_whole_result(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    with pytest.raises(BadInput, match="holds no result"):
        read_written(folder)
    told: dict[str, Any] = {
        "CaseId": "c1", "Source": "local", "Warnings": [], "GeneratedBy": {"Engine": "diffusion", "Version": "1"},
        "Volumes": {"lesion": {"value": 1.0}}, "LesionCount": {"value": 1}, "Probability": None,
    }  # fmt: skip
    stem = "c1_space-orig_label-L_desc-diffusion_mask"
    (folder / f"{stem}.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(BadInput, match="is not there"):
        read_written(folder)
    (folder / f"{stem}.nii.gz").write_bytes(b"mask")
    found = read_written(folder)
    assert found.result.mask == folder / f"{stem}.nii.gz" and found.result.probability is None
    with pytest.raises(BadInput, match="named twice"):
        members_of([found, read_written(folder / f"{stem}.json")])
    assert members_of([found])[1] is None
    for engine in ("../../etc", "x/y"):
        bad = {**told, "GeneratedBy": {"Engine": engine, "Version": "1"}}
        (folder / f"{stem}.json").write_text(json.dumps(bad), encoding="utf-8")
        with pytest.raises(BadInput, match="is no sidecar"):
            read_written(folder)
    (folder / "other_mask.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="holds 2 results"):
        read_written(folder)


def test_models_of_the_cache_are_told_and_removed(tmp_path: Path) -> None:
    store, commit = ModelStore(tmp_path), "a" * 40
    for name in (commit, f"{'b' * 40}.part", "revisions"):
        (tmp_path / "someone--dwi-model" / name).mkdir(parents=True)
        (tmp_path / "someone--dwi-model" / name / "model.onnx").write_bytes(b"12345")
    assert [(m.name, m.bytes, m.unfinished) for m in store.entries()] == [
        ("someone/dwi-model@aaaaaaaaaaaa", 5, False),
        ("someone/dwi-model@bbbbbbbbbbbb", 5, True),
    ]
    assert store.clear() == 10 and store.entries() == ()
    assert ModelStore(tmp_path / "none").entries() == ()
