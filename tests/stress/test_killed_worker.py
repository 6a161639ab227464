"""kill -9 of segmentation workers: WorkerDied or a whole result, no half-written file, no process left."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from random import Random

import pytest

from core.errors import WorkerDied
from core.imaging.nifti import write_volume
from core.segmentation.job import Job
from core.segmentation.runner import run_job
from tests.segmentation.heads import pair, sick
from tests.stress.campaign import play, sizes

MEASURED = re.compile(rb'("PeakMemoryMB":) [\d.]+')
pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="kills by pidfd, which only Linux has")


class Killer:
    """Kills one worker, and never another process that has got its number.

    Args:
        phase: the clock starts when this phase is told; "" for the start of the process.
        after_s: then waits so long.
    """

    def __init__(self, phase: str, after_s: float) -> None:
        self.pid, self._handle = 0, -1
        self._phase = phase
        self._timer = threading.Timer(after_s, self._kill)

    def on_start(self, pid: int) -> None:
        self.pid, self._handle = pid, os.pidfd_open(pid)
        self.on_progress("", 0.0)

    def on_progress(self, phase: str, done: float) -> None:
        if phase == self._phase and self._timer.ident is None:
            self._timer.start()

    def _kill(self) -> None:
        try:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        except ProcessLookupError:
            return  # it was done before

    def close(self) -> None:
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()
        os.close(self._handle)


def job(folder: Path, inputs: dict[str, Path], adc_core: float) -> Job:
    return Job("j1", "sub-x", "diffusion", inputs, {"adc_core": adc_core}, folder, "sample")


def left(folder: Path) -> dict[str, bytes]:
    """Everything in the folder; what a run measured of itself, which differs each time, is set to 0."""
    files = folder.iterdir() if folder.is_dir() else ()
    return {path.name: MEASURED.sub(rb"\1 0", path.read_bytes()) for path in files}


def never() -> bool:
    return False


@sizes(sample=2, campaign=20)
def test_a_killed_worker_leaves_all_or_nothing(tmp_path: Path, count: int) -> None:
    inputs = {name: tmp_path / f"{name}.nii.gz" for name in pair(sick())}
    for name, volume in pair(sick()).items():
        write_volume(volume, inputs[name])
    results: dict[float, dict[str, bytes]] = {}
    for adc_core in (620, 600)[: 2 if count > 2 else 1]:  # the earlier result is that of 600
        run = run_job(job(tmp_path / str(adc_core), inputs, adc_core), lambda phase, done: None, never)
        results[adc_core] = left(tmp_path / str(adc_core))
    assert results[620] != results.get(600)
    deaths: list[bool] = []

    def one(number: int, random: Random) -> None:
        folder = tmp_path / f"round{number}"
        earlier = number % 4 > 1
        if earlier:
            folder.mkdir()
            for name, data in results[600].items():
                (folder / name).write_bytes(data)
        late = Killer("Writing the mask", random.uniform(0, 0.1))
        killer = late if number % 2 else Killer("", random.uniform(0, run.seconds))
        try:
            run_job(job(folder, inputs, 620), killer.on_progress, never, on_start=killer.on_start)
            assert left(folder) == results[620]
            deaths.append(False)
        except WorkerDied as error:
            assert error.hint
            assert left(folder) in ({}, results[600] if earlier else {})
            deaths.append(True)
        finally:
            killer.close()
        with pytest.raises(ProcessLookupError):
            os.killpg(killer.pid, 0)  # the group bears the worker's number and holds whatever it started

    play(count, one)
    assert any(deaths)
