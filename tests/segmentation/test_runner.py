"""Real worker processes: results on the input's own grid, clear errors, and nothing left after a failure."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import BadInput, BadParameter, BadVolume, EngineError, JobCancelled, StrokescopeError, WorkerDied
from core.imaging import nifti
from core.imaging.volume import Mask
from core.resources.child import ChildEnd
from core.segmentation.job import Job
from core.segmentation.results import JobResult
from core.segmentation.runner import WORKER, died, error_of, run_job
from core.segmentation.worker import NOTICE, work
from tests.real_case import real_case
from tests.segmentation.heads import SHAPE, dice, pair, sick, turned


def ignore(phase: str, done: float) -> None:
    """For tests that do not watch."""


def never() -> bool:
    return False


def write(path: Path, data: NDArray[np.generic], affine: NDArray[np.float64], sform: int = 1, qform: int = 1) -> Path:
    """A file as nibabel writes it, with the codes given."""
    image = nib.Nifti1Image(data, affine)  # type: ignore[no-untyped-call]
    image.set_sform(affine, sform)  # type: ignore[no-untyped-call]
    image.set_qform(affine, qform)  # type: ignore[no-untyped-call]
    nib.save(image, path)
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    return {
        name: write(tmp_path / f"{name}.nii.gz", volume.data, volume.affine) for name, volume in pair(sick()).items()
    }


def a_job(tmp_path: Path, inputs: dict[str, Path], **parameters: float) -> Job:
    return Job("j1", "sub-x", "diffusion", inputs, parameters, tmp_path / "out", "sample")


def speaker(code: str) -> tuple[str, ...]:
    """A worker of our own making; the job file is its last argument."""
    return (sys.executable, "-I", "-c", "import json, os, signal, sys, time\n" + code)


def earlier(job: Job) -> Job:
    """The job, after a run of it that ended well."""
    job.out_dir.mkdir()
    for path in job.outputs:
        path.write_bytes(f"an earlier {path.name}".encode())
    return job


def left(job: Job) -> list[Path]:
    return list(job.out_dir.iterdir()) if job.out_dir.is_dir() else []


def test_a_job_gives_its_files_where_it_said_and_numbers_that_agree_with_them(
    tmp_path: Path, inputs: dict[str, Path]
) -> None:
    job, heard = a_job(tmp_path, inputs, adc_core=600), []
    result = run_job(job, lambda phase, done: heard.append((phase, done)), never)
    assert sorted(left(job)) == sorted(result.files)
    mask = nifti.read_mask(result.mask)
    assert mask.volume_ml == pytest.approx(result.volume_ml) and dice(mask.data, sick().lesion.data) > 0.9
    assert result.core is not None and result.probability is not None
    core, score = nifti.read_mask(result.core), nifti.read_volume(result.probability)
    assert core.volume_ml == pytest.approx(result.core_volume_ml or 0)
    np.testing.assert_array_equal(score.data >= 0.5, mask.data)
    assert result.lesion_count == len(result.lesions) >= 2
    assert sum(row.volume_ml for row in result.lesions) == pytest.approx(result.volume_ml)
    assert [row.side for row in result.lesions[:2]] == ["left", "right"]
    assert result.lesions[0].mean_adc == pytest.approx(450, rel=0.15)
    assert result.seconds > 0 and 40 < result.peak_rss_mb < 300
    fractions = [done for _, done in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and len({phase for phase, _ in heard}) > 5
    check_sidecar(job, result, inputs)


def check_sidecar(job: Job, result: JobResult, inputs: dict[str, Path]) -> None:
    text = result.sidecar.read_text(encoding="utf-8")
    said = json.loads(text)
    assert said["Notice"] == NOTICE and said["GeneratedBy"]["Engine"] == "diffusion"
    assert said["Parameters"]["adc_core"] == {"value": 600, "unit": "10⁻⁶ mm²/s"}
    assert "600" in said["Volumes"]["core"]["definition"]
    assert said["Volumes"]["lesion"]["value"] == result.volume_ml and said["Warnings"] == list(result.warnings)
    for name, path in inputs.items():
        assert said["Inputs"][name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(job.out_dir) not in text


OBLIQUE = np.array([[0.96, -0.28, 0.0], [0.27, 0.92, -0.28], [0.08, 0.27, 0.96]])


@pytest.mark.parametrize("kind", ["oblique", "LAS", "4D", "int16 with slope", "sform only", "qform only"])
def test_the_mask_comes_back_on_the_inputs_own_grid(tmp_path: Path, kind: str) -> None:
    axes, flips = ((0, 1, 2), (True, False, False)) if kind == "LAS" else ((0, 1, 2), (False, False, False))
    truth, paths = sick().lesion.data, {}
    for name, volume in pair(sick()).items():
        stored = turned(volume, axes, flips)
        data: NDArray[np.generic] = stored.data
        affine = stored.affine.copy()
        if kind == "oblique":
            turn = np.linalg.qr(OBLIQUE)[0]
            affine[:3] = turn * np.sign(np.diag(turn)) @ affine[:3]
        if kind == "4D":
            data = data[..., None]
        sform, qform = {"sform only": (2, 0), "qform only": (0, 1)}.get(kind, (1, 2))
        path = tmp_path / f"{name}.nii.gz"
        if kind == "int16 with slope":
            image = nib.Nifti1Image(np.rint(stored.data / 0.5).astype(np.int16), affine)  # type: ignore[no-untyped-call]
            image.header.set_slope_inter(0.5, 0)  # type: ignore[no-untyped-call]
            nib.save(image, path)
        else:
            write(path, data, affine, sform, qform)
        paths[name] = path
    result = work(a_job(tmp_path, paths), ignore)  # what the worker does, without a process
    made, given = nib.Nifti1Image.from_filename(result.mask), nib.Nifti1Image.from_filename(paths["dwi"])
    assert made.shape == SHAPE and made.get_data_dtype() == np.uint8  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(made.affine, given.affine, atol=1e-5)
    for field in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "srow_x", "srow_y", "srow_z"):
        np.testing.assert_array_equal(made.header[field], given.header[field])
    found = nifti.read_mask(result.mask).data
    assert dice(np.flip(found, 0) if flips[0] else found, truth) > 0.9


def test_the_real_case_gives_emboli_on_the_left_and_little_else(tmp_path: Path) -> None:
    dwi, adc = real_case()
    result = run_job(a_job(tmp_path, {"dwi": dwi, "adc": adc}), ignore, never)
    assert 0.5 < result.volume_ml < 8 and 5 <= result.lesion_count <= 40
    assert {"left", "right"} <= {row.side for row in result.lesions}
    assert sum(row.side == "left" for row in result.lesions) > result.lesion_count / 2
    assert result.peak_rss_mb < 500
    assert any("1000" in sentence for sentence in result.warnings)


@pytest.mark.parametrize("names", [["dwi"], ["adc"], []])
def test_a_missing_input_is_the_engines_own_error(tmp_path: Path, inputs: dict[str, Path], names: list[str]) -> None:
    job = a_job(tmp_path, {name: inputs[name] for name in names})
    with pytest.raises(BadInput) as refused:
        work(job, ignore)
    assert refused.value.hint and left(job) == []


def test_errors_keep_their_class_across_the_process(tmp_path: Path, inputs: dict[str, Path]) -> None:
    with pytest.raises(BadParameter, match="z_seed"):
        work(a_job(tmp_path, inputs, z_seed=1000), ignore)
    inputs["adc"].write_bytes(inputs["adc"].read_bytes()[:-2000])
    with pytest.raises(BadVolume) as refused:
        run_job(a_job(tmp_path, inputs), ignore, never)
    assert refused.value.hint and not isinstance(refused.value, EngineError)
    inputs["adc"].unlink()
    with pytest.raises(BadInput, match="cannot be read") as gone:
        run_job(a_job(tmp_path, inputs), ignore, never)
    assert str(tmp_path) not in str(gone.value)
    assert left(a_job(tmp_path, inputs)) == []


def test_an_output_folder_that_cannot_be_made_is_said(tmp_path: Path, inputs: dict[str, Path]) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(BadInput, match="output folder"):
        work(a_job(tmp_path, inputs), ignore)
    assert (tmp_path / "out").read_text() == "in the way"


def test_cancel_ends_the_worker_and_leaves_nothing(tmp_path: Path, inputs: dict[str, Path]) -> None:
    job = a_job(tmp_path, inputs)
    phases: list[str] = []
    pids: list[int] = []
    with pytest.raises(JobCancelled):
        run_job(job, lambda phase, _: phases.append(phase), lambda: len(phases) > 2, on_start=pids.append)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert left(job) == []


def test_a_worker_that_is_killed_is_reported_with_its_phase(tmp_path: Path, inputs: dict[str, Path]) -> None:
    job = a_job(tmp_path, inputs)
    pids: list[int] = []

    def kill(phase: str, done: float) -> None:
        if done > 0.3:
            os.kill(pids[0], signal.SIGKILL)

    with pytest.raises(WorkerDied, match="memory") as gone:
        run_job(job, kill, never, on_start=pids.append)
    assert "mid-plane" in str(gone.value) or "sides" in str(gone.value)
    assert left(job) == []


def test_files_of_an_earlier_run_survive_a_failure_before_anything_was_replaced(
    tmp_path: Path, inputs: dict[str, Path]
) -> None:
    job = earlier(a_job(tmp_path, inputs))
    before = {path: path.read_bytes() for path in job.outputs}
    with pytest.raises(WorkerDied):
        run_job(job, ignore, never, command=speaker("os.kill(os.getpid(), 9)"))
    assert {path: path.read_bytes() for path in left(job)} == before


def test_a_half_replaced_result_is_no_result(tmp_path: Path, inputs: dict[str, Path]) -> None:
    job = earlier(a_job(tmp_path, inputs))
    code = f"open({str(job.mask_path)!r} + '.new', 'w').close(); os.replace({str(job.mask_path)!r} + '.new', "
    code += f"{str(job.mask_path)!r}); os.kill(os.getpid(), 9)"
    with pytest.raises(WorkerDied):
        run_job(job, ignore, never, command=speaker(code))
    assert left(job) == []


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("sys.exit(0)", WorkerDied, "without a result"),
        ("sys.exit(4)", WorkerDied, "status 4"),
        ("os.abort()", WorkerDied, "crashed"),
        ("os.kill(os.getpid(), signal.SIGTERM)", WorkerDied, "from outside"),
        ("print(json.dumps({'result': {'mask': 'x'}}))", EngineError, "cannot be understood"),
        ("print(json.dumps({'error': {'kind': 'SystemExit', 'message': 'm', 'hint': 'h'}}))", EngineError, "m"),
        (
            "print(json.dumps({'error': {'kind': 'WorkerDied', 'message': 'no memory', 'hint': 'h'}}))",
            WorkerDied,
            "no m",
        ),
        (
            "print(json.dumps({'error': {'kind': 'DiskFull', 'message': 'no room', 'hint': 'h'}}))",
            StrokescopeError,
            "no r",
        ),
    ],
)
def test_every_other_end_is_a_clear_error(tmp_path: Path, code: str, error: type[Exception], words: str) -> None:
    job = a_job(tmp_path, {})
    with pytest.raises(error, match=words):
        run_job(job, ignore, never, command=speaker(code))
    assert left(job) == []


def test_a_worker_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="longer"):
        run_job(a_job(tmp_path, {}), ignore, never, timeout_s=0.3, command=speaker("time.sleep(60)"))


def test_a_result_without_its_mask_is_an_error(tmp_path: Path) -> None:
    job = a_job(tmp_path, {})
    result = JobResult(
        "sub-x", "diffusion", "1.0", job.mask_path, None, None, job.sidecar_path, 0, None, 0, (), 0, 0, ()
    )
    claim = json.dumps({"result": result.to_dict()})
    with pytest.raises(EngineError, match="missing"):
        run_job(job, ignore, never, command=speaker(f"print({claim!r})"))
    elsewhere = claim.replace("/out/", "/elsewhere/")
    with pytest.raises(EngineError, match="elsewhere"):
        run_job(job, ignore, never, command=speaker(f"print({elsewhere!r})"))


def test_errors_are_made_only_of_our_own_classes() -> None:
    assert type(error_of({"kind": "BadInput", "message": "m", "hint": "h"})) is BadInput
    for kind in ("KeyboardInterrupt", "HubRateLimited", "__doc__", None, "annotations"):
        assert type(error_of({"kind": kind, "message": "m"})) is EngineError


def test_the_words_for_a_kill_name_the_memory_it_had() -> None:
    said = died(ChildEnd(-9, 9, "", 812.0, False, False, 3.0), "Comparing both sides")
    assert "812 MB" in str(said) and "Comparing both sides" in str(said) and said.hint


def test_the_worker_needs_only_a_job_file_and_keeps_stdout_for_json(tmp_path: Path, inputs: dict[str, Path]) -> None:
    from core.resources.child import child_env, run_child

    job = a_job(tmp_path, inputs)
    (tmp_path / "job.json").write_text(job.to_json())
    lines: list[dict[str, object]] = []
    env = child_env(extra={"PYTHONPATH": str(Path(__file__).parents[2])})
    end = run_child((*WORKER, str(tmp_path / "job.json")), lines.append, never, 60, env)
    assert end.returncode == 0 and set(lines[-1]) == {"result"}
    assert all({"phase", "fraction", "rss_mb"} <= set(line) for line in lines[:-1])
    assert isinstance(nifti.read_mask(job.mask_path), Mask)
