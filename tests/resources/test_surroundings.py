"""Pressure, shared memory, open and deleted files, network, throttling: recorded trees and this very process."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.resources import shm
from core.resources.cgroup import read_cpu
from core.resources.disk import Usage, measure_usage, read_disk
from core.resources.handles import read_handles
from core.resources.light import LOOK_S, LightMemory
from core.resources.memory import read_memory
from core.resources.network import Network, read_network
from core.resources.pressure import parse_pressure, read_pressure
from core.resources.probe import take_reading
from core.resources.reading import network_rates
from core.settings import Settings
from tests.resources.trees import GIB, MIB, proc, under, v1_group, v2_group, write

PSI = "some avg10=1.50 avg60=0.25 avg300=0.00 total=123\nfull avg10=0.50 avg60=0.05 avg300=0.00 total=45\n"
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")


def test_pressure_of_the_group_then_of_the_host(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory", **v2_group(str(GIB)), "memory.pressure": PSI})
    proc_root = write(proc(tmp_path / "proc", "0::/\n"), {"pressure/memory": PSI.replace("1.50", "9.00")})
    found = read_pressure(root, proc_root)
    assert found is not None and (found.some10, found.some60, found.full10, found.source) == (
        1.5,
        0.25,
        0.5,
        "cgroup v2",
    )
    (root / "memory.pressure").unlink()
    host = read_pressure(root, proc_root)
    assert host is not None and (host.some10, host.source) == (9.0, "host")
    assert read_pressure(tmp_path / "none", tmp_path / "none") is None


@pytest.mark.parametrize(
    "text", ["", "full avg10=1.0", "some", "some avg10=x avg60=1", "some avg10=-1 avg60=1", "\n\n \n"]
)
def test_strange_pressure_is_none(text: str) -> None:
    assert parse_pressure(text, "host") is None


def test_throttling_v1_and_v2(tmp_path: Path) -> None:
    v2 = {
        "cgroup.controllers": "cpu",
        "a/cpu.stat": "usage_usec 5\nnr_periods 90\nnr_throttled 7\nthrottled_usec 2500000\n",
    }
    cpu = read_cpu(write(tmp_path / "v2", v2), proc(tmp_path / "p2", "0::/a\n"))
    assert (cpu.periods, cpu.throttled, cpu.throttled_seconds) == (90, 7, 2.5)
    v1 = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    v1 |= {"cpu/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 1500000000\n"}
    cpu = read_cpu(write(tmp_path / "v1", v1), proc(tmp_path / "p1", "1:cpu:/\n"))
    assert (cpu.periods, cpu.throttled, cpu.throttled_seconds) == (10, 3, 1.5)


def test_network_leaves_loopback_out(tmp_path: Path) -> None:
    head = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
    rows = "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0\n"
    root = write(tmp_path, {"net/dev": head + rows + "  eth1:5 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"})
    assert read_network(root) == Network(105, 42)
    assert read_network(tmp_path / "none") is None


@needs_proc
def test_open_and_deleted_files_and_threads(tmp_path: Path) -> None:
    before = read_handles([os.getpid()])
    with (tmp_path / "gone").open("wb") as file, (tmp_path / "gone").open("rb"):
        file.write(os.urandom(300_000))
        file.flush()
        (tmp_path / "gone").unlink()
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        during = read_handles([os.getpid(), 2**22 + 7])
        stop.set()
        thread.join()
    assert during.open_files >= before.open_files + 1 and during.threads > before.threads - 2
    assert 300_000 <= during.deleted_bytes - before.deleted_bytes < 400_000  # two descriptors, one file
    assert during.limit is None or (during.most_open or 0) <= during.limit


def test_disk_counts_what_deleted_files_hold_and_says_what_it_is_for(tmp_path: Path) -> None:
    mine = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state", disk_limit=10**9)
    for name in ("cache", "cache/results", "cache/uploads", "state", "state/logs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(os.urandom(100_000))
    usage = measure_usage(mine)
    assert {name for name, _ in usage.parts} == {"cache", "results", "uploads", "state", "logs"}
    assert sum(size for _, size in usage.parts) == usage.used_bytes
    assert 300_000 <= usage.cache_bytes < 400_000
    plain, held = read_disk(mine, usage), read_disk(mine, usage, 5_000_000)
    assert plain.used_bytes is not None and held.used_bytes == plain.used_bytes + 5_000_000
    assert held.parts == usage.parts and held.deleted_bytes == 5_000_000


def test_shared_memory(tmp_path: Path) -> None:
    found = shm.read_shared_memory(tmp_path)
    assert found is not None and 0 <= found.used_bytes <= found.limit_bytes
    assert shm.read_shared_memory(tmp_path / "none") is None
    assert shm.remove_left([], tmp_path) == 0


@needs_proc
def test_only_files_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "shm"
    root.mkdir()
    left, held, outside = root / "left", root / "held", tmp_path / "outside"
    for path in (left, held, outside):
        path.write_bytes(b"x" * 50_000)
    with held.open("rb"):
        assert shm.held_by([os.getpid()], root) == {held}
        assert shm.remove_left([left, held, outside, root / ".." / "outside"], root) >= 50_000
    assert held.exists() and outside.exists() and not left.exists()


def test_the_light_reading_is_the_same_and_follows_changes(tmp_path: Path) -> None:
    files = under("memory", v1_group()) | under("memory/app", v1_group(str(GIB)))
    root, now = write(tmp_path / "cg", files), [0.0]
    settings = Settings(cgroup_root=root, cache_dir=tmp_path, state_dir=tmp_path)
    proc_root = proc(tmp_path / "proc", "4:memory:/app\n")
    light = LightMemory(settings, proc_root, clock=lambda: now[0])
    assert light() == read_memory(settings, proc_root)
    stat = root / "memory" / "app" / "memory.stat"
    stat.write_text(stat.read_text().replace(f"total_rss {200 * MIB}", f"total_rss {300 * MIB}"))
    assert light() == read_memory(settings, proc_root)
    (root / "memory" / "app" / "memory.limit_in_bytes").write_text(str(2 * GIB))
    now[0] = LOOK_S + 1
    assert light().limit_bytes == 2 * GIB
    shutil.rmtree(root / "memory" / "app")
    assert light().limit_source == "host"


def test_v2_and_nothing_at_all(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory", **v2_group(str(GIB), together="1")})
    settings = Settings(cgroup_root=root, cache_dir=tmp_path, state_dir=tmp_path)
    proc_root = proc(tmp_path / "proc", "0::/\n")
    assert LightMemory(settings, proc_root)() == read_memory(settings, proc_root)
    bare = settings.model_copy(update={"cgroup_root": tmp_path / "none"})
    assert LightMemory(bare, proc_root)().limit_source == "host"


def test_a_reading_has_it_all_and_says_who_does_what(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory cpu", **v2_group(str(GIB)), "memory.pressure": PSI})
    settings = Settings(cgroup_root=root, cache_dir=tmp_path, state_dir=tmp_path)
    proc_root = write(proc(tmp_path / "proc", "0::/\n"), {"net/dev": " eth0: 7 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"})
    options = {"root_pid": os.getpid(), "doing": {os.getpid(): "testing"}}
    first = take_reading(settings, proc_root, usage=Usage(1, 1), shm_root=tmp_path, ticks=lambda: 1.0, **options)  # type: ignore[arg-type]
    assert next(row for row in first.processes if row.pid == os.getpid()).doing == "testing"
    assert first.pressure and first.shared and first.handles and first.network == Network(7, 5)
    later = replace(first, ticks=3.0, network=Network(207, 25))
    assert network_rates(later, first) == (100.0, 10.0)
    assert network_rates(first, later) is None and network_rates(first, first) is None


def test_throttled_share_between_two_readings(tmp_path: Path) -> None:
    files = {
        "cgroup.controllers": "cpu",
        "cpu.stat": "usage_usec 5\nnr_periods 100\nnr_throttled 10\nthrottled_usec 1\n",
    }
    root = write(tmp_path / "cg", files)
    settings = Settings(cgroup_root=root, cache_dir=tmp_path, state_dir=tmp_path)
    proc_root = proc(tmp_path / "proc", "0::/\n")
    before = take_reading(settings, proc_root, ticks=lambda: 1.0)
    (root / "cpu.stat").write_text("usage_usec 5\nnr_periods 120\nnr_throttled 15\nthrottled_usec 1\n")
    after = take_reading(settings, proc_root, before=before, ticks=lambda: 3.0)
    assert after.cpu.throttled_percent == 25.0 and before.cpu.throttled_percent is None


@needs_proc
def test_a_light_reading_is_cheap() -> None:
    """Loosely here, since tests share the machine; the figure is in benchmarks/guard.py."""
    light = LightMemory(Settings())
    light()
    began = time.thread_time()
    for _ in range(100):
        light()
    assert time.thread_time() - began < 1.0
