"""The smallest limit wins, with its name, and use is counted where that limit counts it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.cgroup import Group
from core.resources.memory import HostMemory, decide_memory, read_host, read_memory
from core.settings import Settings
from tests.resources.trees import GIB, MIB, proc, v2_group, write

HOST = HostMemory(16 * GIB, 2 * GIB, 3 * GIB)


def group(limit: int | None, used: int | None = 100 * MIB, together: bool | None = False) -> Group:
    return Group("v2", limit, 200 * MIB, used, 150 * MIB, together, 0)


def test_host_alone() -> None:
    reading = decide_memory((), HOST, None, None)
    assert (reading.limit_bytes, reading.limit_source, reading.used_bytes) == (16 * GIB, "host", 2 * GIB)
    assert reading.oom_group is None


def test_group_beats_host_and_counts_itself() -> None:
    reading = decide_memory((group(GIB),), HOST, None, None)
    assert (reading.limit_bytes, reading.limit_source, reading.used_bytes) == (GIB, "cgroup v2", 100 * MIB)
    assert reading.limit_mb == pytest.approx(1073.741824)


def test_smaller_parent_counts_its_own_use() -> None:
    groups = (group(4 * GIB, 10 * MIB), group(GIB, 700 * MIB, together=True), group(None, 900 * MIB))
    reading = decide_memory(groups, HOST, None, None)
    assert (reading.limit_bytes, reading.used_bytes, reading.oom_group) == (GIB, 700 * MIB, True)


def test_equal_limits_count_the_outermost() -> None:
    reading = decide_memory((group(GIB, 10 * MIB), group(GIB, 700 * MIB)), HOST, None, None)
    assert reading.used_bytes == 700 * MIB


def test_unlimited_group_is_the_host() -> None:
    assert decide_memory((group(None), group(99 * GIB)), HOST, None, None).limit_source == "host"


def test_memory_variable_and_setting() -> None:
    assert decide_memory((group(4 * GIB),), HOST, GIB, None).limit_source == "MEMORY variable"
    reading = decide_memory((group(4 * GIB),), HOST, GIB, GIB // 2)
    assert (reading.limit_source, reading.used_bytes) == ("STROKESCOPE_MEMORY_LIMIT", 100 * MIB)
    assert decide_memory((group(GIB),), HOST, GIB, GIB).limit_source == "cgroup v2"


@pytest.mark.parametrize(("groups", "variable"), [((group(GIB, None),), None), ((), GIB), ((group(None, None),), GIB)])
def test_where_no_group_tells_the_use_it_is_what_our_processes_hold(
    groups: tuple[Group, ...], variable: int | None
) -> None:
    """Never the host's: what others use there is not charged to us, and could be far more than our limit."""
    busy = HostMemory(64 * GIB, 40 * GIB, None)
    reading = decide_memory(groups, busy, variable, None, lambda: 300 * MIB)
    assert (reading.limit_bytes, reading.used_bytes) == (GIB, 300 * MIB)
    assert 10 * MIB < decide_memory(groups, busy, variable, None).used_bytes < 4 * GIB


def test_a_fuller_group_further_out_counts() -> None:
    """A pod of 2 GiB whose other container has taken 1.9 GiB kills us long before our own limit does."""
    pod, ours = group(2 * GIB, 1900 * MIB, together=True), group(GIB, 300 * MIB)
    reading = decide_memory((ours, pod), HOST, None, None)
    assert (reading.limit_bytes, reading.used_bytes, reading.oom_group) == (2 * GIB, 1900 * MIB, True)
    calm = decide_memory((ours, group(2 * GIB, 400 * MIB)), HOST, None, None)
    assert (calm.limit_bytes, calm.used_bytes) == (GIB, 300 * MIB)


def test_kills_are_counted_in_our_own_group() -> None:
    """v1 counts them in the victim's group alone, v2 in every group above it, with other people's."""
    ours, outer = replace(group(GIB), version="v1", oom_kills=2), replace(group(GIB), version="v1", oom_kills=0)
    assert decide_memory((ours, outer), HOST, None, None).oom_kills == 2
    assert decide_memory((group(None), replace(outer, oom_kills=9)), HOST, None, None).oom_kills == 0


sizes = st.one_of(st.none(), st.integers(1, 1 << 50))


@given(limits=st.lists(sizes, max_size=4), variable=sizes, setting=sizes, total=st.integers(1, 1 << 50))
def test_no_limit_is_smaller(limits: list[int | None], variable: int | None, setting: int | None, total: int) -> None:
    groups = tuple(group(limit) for limit in limits)
    reading = decide_memory(groups, HostMemory(total, 1, None), variable, setting)
    known = [limit for limit in (*limits, variable, setting, total) if limit is not None]
    assert reading.limit_bytes == min(known)


def test_read_memory_of_a_recorded_container(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory", **v2_group("max")})
    settings = Settings(cgroup_root=root, container_memory="1Gi", memory_limit=None)
    reading = read_memory(settings, proc(tmp_path / "proc", "0::/\n"))
    assert (reading.limit_bytes, reading.limit_source) == (GIB, "MEMORY variable")


def test_host_counts_what_cannot_be_given_back(tmp_path: Path) -> None:
    host = read_host(proc(tmp_path / "proc", ""))
    assert host.total_bytes == 24684092 * 1024
    assert host.used_bytes == (2000000 + 10000 + 20000 + 1600 + 2400) * 1024
    assert host.working_set_bytes == (24684092 - 20000000 - 1000000) * 1024


def test_host_without_meminfo(tmp_path: Path) -> None:
    host = read_host(tmp_path)
    assert 0 < host.used_bytes <= host.total_bytes


@contextmanager
def real_group(limit: int) -> Iterator[Path]:
    """A group of the kernel's own, gone afterwards; skips where we may not make one."""
    name = f"strokescope-test-{uuid.uuid4().hex[:12]}"
    for base, file in (
        (Path("/sys/fs/cgroup"), "memory.max"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    ):
        folder = base / name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / file).exists():
                (folder / file).write_text(str(limit))
                yield folder
                return
        finally:
            folder.rmdir()
    pytest.skip("no memory cgroup can be made here (needs root and a writable cgroup file system)")


def test_a_real_group_of_one_gib() -> None:
    script = (
        "import sys, os, pathlib\n"
        "pathlib.Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))\n"
        "block = bytearray(b'x') * (64 << 20)\n"
        "from core.settings import load_settings\nfrom core.resources.memory import read_memory\n"
        "found = read_memory(load_settings())\n"
        "print(found.limit_bytes, found.limit_source.split()[0], found.used_bytes)\n"
    )
    with real_group(GIB) as folder:
        argv = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    limit, source, used = done.stdout.split()
    assert (int(limit), source) == (GIB, "cgroup")
    assert 64 << 20 <= int(used) < 400 << 20
