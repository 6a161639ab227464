"""A guarded worker: who ended it is told, its backstop holds, and ordinary work fits under it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import WorkerDied
from core.imaging.nifti import write_volume
from core.resources.child import Handle, run_child
from core.resources.cost import address_space_mb
from core.resources.memory import MemoryReading
from core.resources.watchdog import Watchdog
from core.segmentation.engine import load_engine
from core.segmentation.job import Job
from core.segmentation.runner import run_job
from tests.segmentation.heads import SHAPE, pair, sick
from tests.segmentation.test_runner import ignore, left, never, speaker

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")


def a_job(tmp_path: Path, inputs: dict[str, Path] | None = None) -> Job:
    return Job("j1", "sub-x", "diffusion", inputs or {}, {}, tmp_path / "out", "sample")


def test_the_watchdogs_reason_reaches_the_user(tmp_path: Path) -> None:
    used, events = [100], list[str]()

    def read() -> MemoryReading:
        return MemoryReading(1_000_000_000, "cgroup v2", used[0] * 1_000_000, None, True, 0)

    def progress(phase: str, done: float) -> None:
        used[0] = 900

    dog = Watchdog(read, record=lambda event, **facts: events.append(event), shm_root=tmp_path / "none")
    dog.start()
    code = "print(json.dumps({'phase': 'Segmenting', 'fraction': 0.5}), flush=True); time.sleep(600)"
    try:
        with (
            dog.watch("segmenting", "sub-x", 300) as guard,
            pytest.raises(WorkerDied, match=r"0\.90 GB of 1\.0 GB") as told,
        ):
            run_job(a_job(tmp_path), progress, never, guard=guard, command=speaker(code))
    finally:
        dog.stop()
    assert told.value.hint and "kill_intent" in events
    assert left(a_job(tmp_path)) == []


@linux
def test_limits_are_there_before_anything_is_imported() -> None:
    code = (
        "import json, resource, os\n"
        "print(json.dumps({'limit': resource.getrlimit(resource.RLIMIT_AS)[0],"
        " 'adj': int(open('/proc/self/oom_score_adj').read())}))"
    )
    said: list[dict[str, object]] = []
    end = run_child([sys.executable, "-I", "-c", code], said.append, never, 60, address_space_mb=2000)
    assert said == [{"limit": 2_000_000_000, "adj": 1000}]
    assert end.address_space_mb == 2000 and not end.hit_backstop


@linux
@pytest.mark.parametrize(
    "code",
    [
        "held = bytearray(3_000_000_000)",
        "sys.stderr.write(\"terminate called after throwing an instance of 'std::bad_alloc'\\n\")\nos.abort()",
        'print(json.dumps({"error": {"kind": "WorkerDied", "message": "there was not enough memory", "hint": "h"}}))\n'
        "sys.exit(3)",
    ],
)
def test_hitting_the_backstop_is_told_with_its_size(tmp_path: Path, code: str) -> None:
    with pytest.raises(WorkerDied, match="1500 MB") as told:
        run_job(a_job(tmp_path), ignore, never, address_space_mb=1500, command=speaker(code))
    assert told.value.hint


@linux
def test_ordinary_work_fits_under_its_backstop(tmp_path: Path) -> None:
    inputs = {name: tmp_path / f"{name}.nii.gz" for name in pair(sick())}
    for name, volume in pair(sick()).items():
        write_volume(volume, inputs[name])
    voxels = SHAPE[0] * SHAPE[1] * SHAPE[2]
    backstop = address_space_mb(load_engine("diffusion").info.predict_memory_mb(voxels))
    result = run_job(a_job(tmp_path, inputs), ignore, never, address_space_mb=backstop)
    assert result.mask.is_file()


def test_a_handle_hits_only_a_living_child() -> None:
    handles: list[Handle] = []
    run_child([sys.executable, "-I", "-c", "pass"], lambda line: None, never, 60, on_handle=handles.append)
    assert handles[0].kill() is False
