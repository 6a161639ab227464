"""Control groups are read right from recorded trees, and strange files never raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.cgroup import read_cpu, read_groups
from tests.resources.trees import GIB, MIB, V1_UNLIMITED, V2_USED, proc, under, v1_group, v2_group, write


def test_v2_in_a_namespace(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "cpu memory", **v2_group(str(GIB))})
    (group,) = read_groups(root, proc(tmp_path / "proc", "0::/\n"))
    assert group.version == "v2"
    assert group.limit_bytes == GIB
    assert group.used_bytes == V2_USED
    assert group.working_set_bytes == 500 * MIB
    assert group.oom_group is False
    assert group.oom_kills == 1


def test_v2_without_the_kernel_sum(tmp_path: Path) -> None:
    stat = (
        f"anon {MIB}\nshmem 0\nkernel_stack 4096\npagetables 8192\nslab_unreclaimable 100\nslab_reclaimable 9999999\n"
    )
    root = write(tmp_path / "cg", v2_group("max", stat=stat))
    (group,) = read_groups(root, proc(tmp_path / "proc", "0::/\n"))
    assert group.used_bytes == MIB + 4096 + 8192 + 100
    assert group.limit_bytes is None


def test_v2_chain_goes_up_to_the_parent(tmp_path: Path) -> None:
    files = {"cgroup.controllers": "memory"}
    files |= under("pod", v2_group(str(2 * GIB), together="1"))
    files |= under("pod/app", v2_group(str(4 * GIB)))
    root = write(tmp_path / "cg", files)
    groups = read_groups(root, proc(tmp_path / "proc", "0::/pod/app\n"))
    assert [group.limit_bytes for group in groups] == [4 * GIB, 2 * GIB]
    assert [group.oom_group for group in groups] == [False, True]


def test_v1_counts_children_and_bounds_its_kernel_memory(tmp_path: Path) -> None:
    files = under("memory", v1_group()) | under("memory/docker/abc", v1_group(str(GIB)))
    files["memory/docker/abc/memory.kmem.usage_in_bytes"] = str(300 * MIB)  # nearly all of it reclaimable slab
    root = write(tmp_path / "cg", files)
    groups = read_groups(root, proc(tmp_path / "proc", "4:memory:/docker/abc\n0::/\n"))
    assert [group.limit_bytes for group in groups] == [GIB, None]
    assert groups[0].used_bytes == 230 * MIB + (20000 + 1600 + 2400) * 1024
    assert groups[1].used_bytes == 235 * MIB
    assert groups[0].oom_group is False
    assert groups[0].oom_kills == 3


def test_v1_hierarchical_limit_of_an_ancestor_that_is_not_visible(tmp_path: Path) -> None:
    stat = f"hierarchical_memory_limit {GIB}\ntotal_rss 1000\n"
    root = write(tmp_path / "cg", under("memory", v1_group(stat=stat)))
    (group,) = read_groups(root, proc(tmp_path / "proc", "4:memory:/\n"))
    assert group.limit_bytes == GIB


def test_v1_container_without_a_namespace_sees_its_own_part(tmp_path: Path) -> None:
    base = tmp_path / "cg" / "memory"
    write(tmp_path / "cg", under("memory/inner", v1_group(str(3 * MIB))) | under("memory", v1_group(str(GIB))))
    mounts = f"35 31 0:32 /docker/abc {base} rw - cgroup cgroup rw,memory\n"
    groups = read_groups(tmp_path / "cg", proc(tmp_path / "proc", "4:memory:/docker/abc/inner\n", mounts))
    assert [group.limit_bytes for group in groups] == [3 * MIB, GIB]


@pytest.mark.parametrize("line", ["0::/../../elsewhere\n", "0::/not/here\n", "", "rubbish\n"])
def test_a_path_that_is_not_visible_falls_back_to_the_mount(tmp_path: Path, line: str) -> None:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory", **v2_group(str(GIB))})
    assert [group.limit_bytes for group in read_groups(root, proc(tmp_path / "proc", line))] == [GIB]


def test_hybrid_reads_both(tmp_path: Path) -> None:
    files = under("memory", v1_group(str(GIB))) | {"unified/cgroup.controllers": "hugetlb"}
    root = write(tmp_path / "cg", files)
    groups = read_groups(root, proc(tmp_path / "proc", "4:memory:/\n0::/\n"))
    assert [group.version for group in groups] == ["v1"]


def test_nothing_there(tmp_path: Path) -> None:
    assert read_groups(tmp_path / "none", tmp_path / "no-proc") == ()
    assert read_cpu(tmp_path / "none", tmp_path / "no-proc").quota is None


@pytest.mark.parametrize("limit", ["max", V1_UNLIMITED, "0", "-1", "", "12x", "١٢"])
def test_what_is_no_limit(tmp_path: Path, limit: str) -> None:
    root = write(tmp_path / "cg", v2_group(limit))
    (group,) = read_groups(root, proc(tmp_path / "proc", "0::/\n"))
    assert group.limit_bytes is None


def test_without_sums_everything_charged_counts(tmp_path: Path) -> None:
    root = write(tmp_path / "cg", {"memory.max": "5000000", "memory.current": "4000000"})
    (group,) = read_groups(root, proc(tmp_path / "proc", "0::/\n"))
    assert (group.used_bytes, group.working_set_bytes, group.oom_group) == (4_000_000, None, None)


@given(stat=st.text(max_size=200), current=st.integers(0, 1 << 50))
def test_used_is_never_more_than_charged(tmp_path_factory: pytest.TempPathFactory, stat: str, current: int) -> None:
    root = tmp_path_factory.mktemp("cg")
    (root / "memory.stat").write_text(f"anon 5000000000\n{stat}", encoding="utf-8")
    (root / "memory.current").write_text(str(current))
    (group,) = read_groups(root, root / "no-proc")
    assert group.used_bytes is not None
    assert group.used_bytes <= current


def test_cpu_v2_smallest_quota_up_the_chain(tmp_path: Path) -> None:
    files = {"cgroup.controllers": "cpu", "cpu.stat": "usage_usec 9000000\n"}
    files |= {"pod/cpu.max": "150000 100000", "pod/cpu.stat": "usage_usec 2500000\nuser_usec 1\n"}
    files |= {"pod/app/cpu.max": "max 100000", "pod/app/cpu.stat": "usage_usec 1500000\n"}
    cpu = read_cpu(write(tmp_path / "cg", files), proc(tmp_path / "proc", "0::/pod/app\n"))
    assert cpu.quota == 1.5
    assert cpu.used_seconds == pytest.approx(1.5)


def test_cpu_v1(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000", "cpuacct/cpuacct.usage": "3000000000"}
    cpu = read_cpu(write(tmp_path / "cg", files), proc(tmp_path / "proc", "1:cpu:/\n2:cpuacct:/\n"))
    assert cpu.quota == 2.0
    assert cpu.used_seconds == pytest.approx(3.0)
    (tmp_path / "cg/cpu/cpu.cfs_quota_us").write_text("-1")
    assert read_cpu(tmp_path / "cg", tmp_path / "proc").quota is None
