"""However a DeepISLES job ends, its container or process group ends with it; and there is one at a time."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import JobCancelled, WorkerDied
from core.segmentation.engines.deepisles import DeepIsles
from core.segmentation.job import Job
from core.segmentation.runner import run_job
from tests.segmentation.deepisles_bench import Bench, bench, images

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 60.0  # a machine under load
RUN = """
import sys
from pathlib import Path
from core.segmentation.job import Job
from core.segmentation.runner import run_job
run_job(Job.from_json(Path(sys.argv[1]).read_text()), lambda name, done: None, lambda: False)
"""


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in a long while."""
    until = time.monotonic() + LONG_S
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def group_of(leader: int) -> list[int]:
    """Living processes of a process group; those that only wait to be reaped do not count."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


def environment(made: Bench, monkeypatch: pytest.MonkeyPatch, way: str) -> Path:
    """Make this process' environment that machine's; returns the file in which DeepISLES notes that it runs."""
    started = made.folder / "started"
    for name, value in {**made.setup.environ, "FAKE_STARTED": str(started)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STROKESCOPE_DEEPISLES", way)
    monkeypatch.setenv("STROKESCOPE_DEEPISLES_APP", str(made.setup.app))
    monkeypatch.setenv("TMPDIR", str(made.folder))
    return started


def a_job(made: Bench) -> Job:
    inputs = {name: image.path for name, image in images(made.folder / "images").items()}
    return Job("j1", "sub-x", "deepisles", inputs, {}, made.folder / "out", "sample")


def group_when_started(started: Path) -> int:
    assert soon(lambda: started.is_file() and started.read_text() != "")
    group = os.getpgid(int(started.read_text()))
    assert soon(lambda: len(group_of(group)) >= 2)  # DeepISLES and one of its algorithms
    return group


def nothing_is_left(made: Bench, group: int) -> None:
    assert soon(lambda: group_of(group) == []) and soon(lambda: made.containers() == [])
    assert soon(lambda: not (made.folder / "out").exists() or list((made.folder / "out").iterdir()) == [])


@pytest.mark.parametrize("way", ["docker", "conda"])
def test_a_job_gives_its_mask_and_says_what_it_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    made = bench(tmp_path, way)
    environment(made, monkeypatch, way)
    result = run_job(a_job(made), lambda name, done: None, lambda: False)
    assert result.lesion_count > 0 and result.probability is None and result.notes["teams"] == ["SEALS"]
    assert result.lesions[0].mean_adc is not None
    said = json.loads(result.sidecar.read_text(encoding="utf-8"))
    assert said["Notes"] == result.notes and said["GeneratedBy"]["Citation"] and said["GeneratedBy"]["Licence"]
    assert said["Parameters"]["fast"] == {"value": "no"} and "Probability" not in said
    assert str(tmp_path) not in json.dumps(said)
    assert sorted(path.name for path in result.mask.parent.iterdir()) == sorted(p.name for p in result.files)


@pytest.mark.parametrize("way", ["docker", "conda"])
@pytest.mark.parametrize("how", ["cancelled", "worker killed"])
def test_the_container_or_group_ends_with_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, how: str
) -> None:
    made = bench(tmp_path, way, "slow")
    started, pids, groups = environment(made, monkeypatch, way), list[int](), list[int]()

    def cancelled() -> bool:
        if not groups and started.is_file() and started.read_text():
            groups.append(group_when_started(started))
            if how != "cancelled":
                os.kill(pids[0], signal.SIGKILL)
        return bool(groups) and how == "cancelled"

    with pytest.raises(JobCancelled if how == "cancelled" else WorkerDied):
        run_job(a_job(made), lambda name, done: None, cancelled, on_start=pids.append)
    nothing_is_left(made, groups[0])


@pytest.mark.parametrize("way", ["docker", "conda"])
def test_it_ends_when_the_app_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    made = bench(tmp_path, way, "slow")
    started = environment(made, monkeypatch, way)
    (tmp_path / "job.json").write_text(a_job(made).to_json())
    app = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "job.json")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        group = group_when_started(started)
    finally:
        app.kill()
        app.wait()
    assert soon(lambda: group_of(group) == []) and soon(lambda: made.containers() == [])
    assert soon(lambda: list(tmp_path.glob("out/*/scratch/deepisles")) == [])


def test_a_container_that_was_left_behind_is_swept_away(tmp_path: Path) -> None:
    made, slow = bench(tmp_path), bench(tmp_path, says="slow")
    environ = {**slow.setup.environ, "FAKE_STARTED": str(tmp_path / "started")}
    inputs = images(tmp_path / "images")
    files = ("--dwi_file_name", "dwi.nii.gz", "--adc_file_name", "adc.nii.gz")
    client = subprocess.Popen(
        [str(tmp_path / "bin" / "docker"), "run", "--name", "strokescope-old", "--label", made.setup.label,
         "-v", f"{tmp_path / 'images'}:/app/data", made.setup.image, *files],
        env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    group = group_when_started(tmp_path / "started")
    client.kill()
    client.wait()
    assert len(made.containers()) == 1
    assert made.segment(inputs).mask.data.any()
    nothing_is_left(made, group)


def test_one_waits_for_the_other_and_says_so(tmp_path: Path) -> None:
    made = bench(tmp_path, says="busy")
    inputs = images(tmp_path / "images")
    heard: list[list[str]] = [[], []]
    ends: list[float] = []

    def one(n: int) -> None:
        room = Bench(tmp_path / f"room{n}", made.setup)
        room.folder.mkdir()
        room.segment(inputs, lambda name, done: heard[n].append(name))
        ends.append(time.monotonic())

    threads = [threading.Thread(target=one, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len(ends) == 2 and abs(ends[1] - ends[0]) > 0.9  # each sleeps for a second, alone
    assert sum("Waiting for another DeepISLES job" in names for names in heard) == 1
    assert len(made.calls("run")) == 2


def test_another_image_is_another_version_so_that_no_result_is_taken_for_the_others(tmp_path: Path) -> None:
    setup = bench(tmp_path).setup
    pinned = dataclasses.replace(setup, image=f"{setup.image}@sha256:{'0' * 64}")
    versions = [DeepIsles(one).info.version for one in (setup, pinned, dataclasses.replace(pinned, image="mine:v2"))]
    assert versions[0] == "1.0" and len(set(versions)) == 3 and all(v.startswith("1.0+") for v in versions[1:])
    (tmp_path / "inside").mkdir()
    inside = bench(tmp_path / "inside", way="conda").setup
    assert DeepIsles(dataclasses.replace(inside, image="mine:v2")).info.version == "1.0"
