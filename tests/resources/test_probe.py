"""Readings are right in a recorded container, cheap to take, and kept within bounds."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.resources.disk import Usage
from core.resources.gpu import Gpu, parse_gpus, read_gpus
from core.resources.probe import Reading, Sampler, take_reading
from core.resources.processes import read_processes, role_of, tree_root
from core.resources.reading import with_loads
from core.settings import Settings
from tests.resources.trees import GIB, V2_USED, proc, v2_group, write


def container(tmp_path: Path, limit: str = str(GIB)) -> tuple[Settings, Path]:
    files = {"cgroup.controllers": "cpu memory", "cpu.max": "100000 100000", "cpu.stat": "usage_usec 1000000\n"}
    root = write(tmp_path / "cg", {**files, **v2_group(limit)})
    settings = Settings(cgroup_root=root, cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    return settings, proc(tmp_path / "proc", "0::/\n")


def test_reading_of_a_recorded_container(tmp_path: Path) -> None:
    settings, proc_root = container(tmp_path)
    reading = take_reading(settings, proc_root, usage=Usage(5, 4), clock=lambda: 7.0)
    assert (reading.at, reading.memory.limit_bytes, reading.memory.used_bytes) == (7.0, GIB, V2_USED)
    assert (reading.cpu.quota, reading.cpu.allowed, reading.cpu.load_percent) == (1.0, 1.0, None)
    assert reading.disk.cache_bytes == 4
    assert os.getpid() in {row.pid for row in reading.processes}


def test_loads_are_differences(tmp_path: Path) -> None:
    settings, proc_root = container(tmp_path)
    before = take_reading(settings, proc_root, ticks=lambda: 100.0)
    (settings.cgroup_root / "cpu.stat").write_text("usage_usec 1500000\n")
    after = take_reading(settings, proc_root, before=before, ticks=lambda: 102.0)
    assert after.cpu.load_percent == pytest.approx(25.0)
    row = after.processes[0]
    grown = replace(after, processes=(replace(row, cpu_seconds=row.cpu_seconds + 1.0),), ticks=104.0)
    assert with_loads(grown, after).processes[0].cpu_percent == pytest.approx(50.0)


def test_a_counter_that_starts_anew_gives_no_load(tmp_path: Path) -> None:
    settings, proc_root = container(tmp_path)
    before = take_reading(settings, proc_root, ticks=lambda: 100.0)
    (settings.cgroup_root / "cpu.stat").write_text("usage_usec 10\n")
    after = take_reading(settings, proc_root, before=before, ticks=lambda: 102.0)
    assert after.cpu.load_percent is None


def test_loads_need_time_between(tmp_path: Path) -> None:
    settings, proc_root = container(tmp_path)
    before = take_reading(settings, proc_root, ticks=lambda: 100.0)
    assert with_loads(before, before).cpu.load_percent is None


def test_a_pid_used_again_has_no_load(tmp_path: Path) -> None:
    settings, proc_root = container(tmp_path)
    reading = take_reading(settings, proc_root, ticks=lambda: 100.0)
    row = reading.processes[0]
    younger = replace(reading, ticks=102.0, processes=(replace(row, cpu_seconds=row.cpu_seconds / 2 - 0.001),))
    assert with_loads(younger, reading).processes[0].cpu_percent is None


@pytest.mark.parametrize(
    ("argv", "role"),
    [
        (["/x/python", "-m", "core", "serve", "--port", "1"], "supervisor"),
        (["python", "-m", "core", "cases"], "command"),
        (["python", "-m", "streamlit", "run", "Home.py"], "app"),
        (["/x/python", "/x/bin/streamlit", "run", "Home.py"], "app"),
        (["/x/python", "/x/bin/uvicorn", "Home:app"], "app"),
        (["python", "-m", "core.segmentation.worker", "/secret/patient.json"], "worker"),
        (["/usr/bin/other", "/secret/patient"], "other"),
        (["python", "-m"], "python"),
        ([], "unknown"),
    ],
)
def test_roles_name_no_files(argv: list[str], role: str) -> None:
    assert role_of(argv) == role


def test_tree_begins_at_the_supervisor() -> None:
    assert tree_root({"STROKESCOPE_SUPERVISED": "1"}, 10, 9) == 9
    assert tree_root({}, 10, 9) == 10


def test_a_process_that_is_gone() -> None:
    assert read_processes(2**22 + 5) == ()


def test_gpu_rows() -> None:
    text = "NVIDIA H200, 143771, 4, 7\nTesla T4, A, 100, 15360, 1024, [N/A]\nbroken, [N/A], [N/A], 3\n\n"
    assert parse_gpus(text) == (
        Gpu("NVIDIA H200", 143771 << 20, 4 << 20, 7.0),
        Gpu("Tesla T4, A, 100", 15360 << 20, 1024 << 20, None),
    )


def test_gpu_program(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'Tesla T4, 15360, 1024, 3'\n")
    program.chmod(0o755)
    assert [gpu.name for gpu in read_gpus(str(program))] == ["Tesla T4"]
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    assert read_gpus(str(program), timeout_s=0.2) == ()
    program.write_text("#!/bin/sh\necho 'Tesla T4, 15360, 1024, 3'; exit 9\n")
    assert read_gpus(str(program)) == ()
    assert read_gpus(str(tmp_path / "none")) == ()


def sampler(tmp_path: Path, period_s: float = 2.0, keep_s: float = 600.0) -> Sampler:
    settings, proc_root = container(tmp_path)
    return Sampler(
        settings, period_s=period_s, keep_s=keep_s, proc_root=proc_root, measure=lambda s: Usage(9, 8), gpus=lambda: ()
    )


def test_sampler_answers_before_it_runs(tmp_path: Path) -> None:
    one = sampler(tmp_path)
    assert one.snapshot() == ()
    assert one.latest().memory.limit_bytes == GIB
    assert len(one.snapshot()) == 1


def test_sampler_is_bounded(tmp_path: Path) -> None:
    one = sampler(tmp_path, period_s=2.0, keep_s=6.0)
    taken = [one.sample() for _ in range(5)]
    assert one.snapshot() == tuple(taken[-3:])


def test_sampler_runs_and_stops(tmp_path: Path) -> None:
    one = sampler(tmp_path, period_s=0.01)
    before = threading.active_count()
    one.start()
    one.start()
    try:
        waiter = threading.Event()
        for _ in range(1000):
            if len(one.snapshot()) >= 5 and one.latest().disk.cache_bytes == 8:
                break
            waiter.wait(0.01)
        assert threading.active_count() == before + 2
    finally:
        one.stop()
    assert threading.active_count() == before
    kept = len(one.snapshot())
    assert kept >= 5
    assert one.latest().disk.cache_bytes == 8


def test_importing_brings_no_heavy_library() -> None:
    names = ("supervisor", "doctor", "probe", "watchdog", "light", "admission", "cost", "line")
    code = f"import sys, {', '.join(f'core.resources.{name}' for name in names)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"streamlit", "torch", "numpy", "nibabel", "huggingface_hub"} & set(loaded)


def test_a_system_that_refuses_costs_the_readings_of_that_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No file handle is left, then some are: the sampler goes on, and each change is told once."""
    settings, proc_root = container(tmp_path)
    refuse, measured = threading.Event(), threading.Event()

    def doing() -> dict[int, str]:
        if refuse.is_set():
            raise OSError(24, "Too many open files")
        return {}

    def measure(_: Settings) -> Usage:
        measured.set()
        raise PermissionError(13, "no")

    one = Sampler(settings, period_s=0.01, proc_root=proc_root, measure=measure, gpus=lambda: (), doing=doing)
    told = logging.getLogger("strokescope.resources")
    told.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, told.name)
    refuse.set()
    one.start()
    try:
        until(lambda: "reading the container is not possible" in caplog.text)
        assert one.snapshot() == ()
        refuse.clear()
        until(lambda: len(one.snapshot()) > 3)
        assert measured.wait(60)
    finally:
        one.stop()
        told.removeHandler(caplog.handler)
    said = {id(record): record.getMessage() for record in caplog.records}  # by way of the root it may come twice
    heard = [text for text in said.values() if text.startswith("reading the container")]
    assert heard[0] == "reading the container is not possible for now (EMFILE)"
    assert len(heard) == 2


def test_observers_hear_of_every_reading(tmp_path: Path) -> None:
    heard: list[Reading] = []
    one = sampler(tmp_path)
    one.observe(heard.append)
    taken = [one.sample() for _ in range(3)]
    assert heard == taken


def test_what_processes_do(tmp_path: Path) -> None:
    one = sampler(tmp_path)
    one.describe(lambda: {os.getpid(): "engine"})
    assert one.sample().processes[0].doing == "engine"


def until(seen: Callable[[], bool]) -> None:
    for _ in range(6000):
        if seen():
            return
        threading.Event().wait(0.01)
    raise AssertionError("never")
