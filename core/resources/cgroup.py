"""Groups: what the kernel's control groups (v1 and v2) allow this process and what it uses there.

Reads files under a root given as argument, from this process's own group up to the outermost that is visible. A file
that is missing, unreadable or strange is a None, never an exception. Which limit counts is decided in memory.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Version = Literal["v1", "v2"]

# v1 writes "no limit" as PAGE_COUNTER_MAX, the largest multiple of the page size below 2^63 (Linux, mm/page_counter).
_UNLIMITED = 1 << 62
# v2 kernel memory that cannot be given back, for kernels without the "kernel" sum (before 5.18); admin-guide/cgroup-v2.
_KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab_unreclaimable")

# The same for the whole machine, /proc/meminfo (Documentation/filesystems/proc.rst).
_HOST_KERNEL = ("SUnreclaim", "KernelStack", "PageTables", "SecPageTables", "Percpu", "VmallocUsed")


@dataclass(frozen=True)
class Group:
    """Memory of one control group; bytes, None where the kernel does not say.

    Attributes:
        version: which interface it was read from.
        limit_bytes: its own limit (v1: the smallest of its ancestors too, as the kernel sums it up).
        current_bytes: everything charged, page cache included.
        used_bytes: anon + shmem + kernel memory that cannot be reclaimed. v1 does not split a group's kernel memory: it
            counts up to what the whole machine has of the unreclaimable kind, so never too little.
        working_set_bytes: current without inactive file pages, as the kubelet counts it.
        oom_group: the kernel kills the whole group at once (v2 only; v1 never does).
        oom_kills: processes of it that the kernel has killed for memory so far.
    """

    version: Version
    limit_bytes: int | None
    current_bytes: int | None
    used_bytes: int | None
    working_set_bytes: int | None
    oom_group: bool | None
    oom_kills: int | None


@dataclass(frozen=True)
class CpuGroup:
    """CPU of this process's groups.

    Attributes:
        quota: in cores, the smallest up the chain.
        used_seconds: of the innermost group.
        periods, throttled: scheduling periods with a quota so far, and in how many of them the group had to wait.
        throttled_seconds: how long it waited.
    """

    quota: float | None
    used_seconds: float | None
    periods: int | None = None
    throttled: int | None = None
    throttled_seconds: float | None = None


Folder = tuple[Version, Path]  # one memory group: which interface shows it, and where


def read_groups(root: Path, proc_root: Path = Path("/proc")) -> tuple[Group, ...]:
    """Memory groups of this process, innermost first; empty when the kernel shows none under `root`."""
    kernel = unreclaimable_kernel(read_meminfo(proc_root))
    return groups_in(memory_folders(root, proc_root), kernel)


def memory_folders(root: Path, proc_root: Path = Path("/proc")) -> tuple[Folder, ...]:
    """Where this process's memory groups are shown, innermost first, v1 before v2."""
    v1: list[Folder] = [("v1", folder) for folder in _folders(root, proc_root, "memory", "memory.limit_in_bytes")]
    return (*v1, *(("v2", folder) for folder in _folders(root, proc_root, "", "memory.max")))


def groups_in(folders: Iterable[Folder], kernel: int | None) -> tuple[Group, ...]:
    """The groups in these folders, in their order; folders that say nothing are left out.

    Args:
        kernel: unreclaimable kernel memory of the whole machine.
    """
    read = [_group_v1(folder, kernel) if version == "v1" else _group_v2(folder) for version, folder in folders]
    return tuple(group for group in read if group.current_bytes is not None or group.limit_bytes is not None)


def innermost_v2(root: Path, proc_root: Path = Path("/proc")) -> Path | None:
    """The folder of this process's own v2 group, whatever controllers it has; None where there is none."""
    return next(iter(_folders(root, proc_root, "", "memory.max")), None)


def read_cpu(root: Path, proc_root: Path = Path("/proc")) -> CpuGroup:
    """CPU quota and use; v2 where it has the cpu controller, otherwise v1."""
    folders = _folders(root, proc_root, "", "cpu.stat")
    limits = [_quota(*_two_words(read_text(folder / "cpu.max"))) for folder in folders]
    used = [_scaled(_stat(folder / "cpu.stat").get("usage_usec"), 1e-6) for folder in folders]
    for folder in _folders(root, proc_root, "cpu", "cpu.cfs_quota_us"):
        limits.append(_quota(read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")))
        folders = [folder, *folders]  # its own cpu.stat counts the waiting in v1
    v1 = _folders(root, proc_root, "cpuacct", "cpuacct.usage")
    used = [_scaled(_number(read_text(folder / "cpuacct.usage")), 1e-9) for folder in v1] or used
    known = [limit for limit in limits if limit is not None]
    seconds = next((seconds for seconds in used if seconds is not None), None)
    return CpuGroup(min(known, default=None), seconds, *_throttling(folders))


def _throttling(folders: Iterable[Path]) -> tuple[int | None, int | None, float | None]:
    """Periods, throttled periods and seconds waited, of the group that had to wait most; v1 counts nanoseconds."""
    best: tuple[int | None, int | None, float | None] = (None, None, None)
    for folder in folders:
        stat = _stat(folder / "cpu.stat")
        if "nr_throttled" in stat and (best[1] is None or stat["nr_throttled"] > best[1]):
            waited = _scaled(stat.get("throttled_usec"), 1e-6) or _scaled(stat.get("throttled_time"), 1e-9)
            best = stat.get("nr_periods"), stat["nr_throttled"], waited
    return best


def read_text(path: Path) -> str | None:
    """The file's text without surrounding blanks, or None when it cannot be read. Small files that the kernel makes."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read().decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_meminfo(proc_root: Path = Path("/proc")) -> dict[str, int]:
    """The machine's own memory, /proc/meminfo, in bytes; empty where there is none."""
    fields = {}
    for line in (read_text(proc_root / "meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        number = _number(rest.removesuffix("kB").strip())
        if number is not None:
            fields[name] = number * 1024 if rest.endswith("kB") else number
    return fields


def unreclaimable_kernel(meminfo: Mapping[str, int]) -> int | None:
    """Kernel memory of the whole machine that it cannot give back; None when it does not say."""
    if "SUnreclaim" not in meminfo:
        return None
    return sum(meminfo.get(name, 0) for name in _HOST_KERNEL)


def _folders(root: Path, proc_root: Path, controller: str, witness: str) -> list[Path]:
    """This process's folders of a v1 controller, or of v2 ("" as controller), innermost first, down to the mount."""
    base = _base(root, controller, witness)
    if base is None:
        return []
    inside = _strip_mount(_own_path(proc_root, controller), base, proc_root)
    parts = [part for part in inside.split("/") if part]
    if ".." in parts:  # our group lies outside the namespace we can see
        parts = []
    chain = [base.joinpath(*parts[:depth]) for depth in range(len(parts), 0, -1)]
    return [folder for folder in chain if folder.is_dir()] + [base]


def _base(root: Path, controller: str, witness: str) -> Path | None:
    """Where the controller is mounted under the root: a folder of its own, the hybrid "unified", or the root itself."""
    if controller:
        for folder in (root / controller, root / "cpu,cpuacct", root):
            if (folder / witness).exists() or (folder != root and folder.name == controller and folder.is_dir()):
                return folder
        return None
    for folder in (root, root / "unified"):
        if (folder / "cgroup.controllers").exists() or (folder / "memory.current").exists():
            return folder
        if (folder / witness).exists():
            return folder
    return None


def _own_path(proc_root: Path, controller: str) -> str:
    """This process's path in the hierarchy; lines of /proc/self/cgroup are `id:controllers:path`."""
    for line in (read_text(proc_root / "self" / "cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and controller in parts[1].split(","):
            return parts[2]
    return "/"


def _strip_mount(path: str, base: Path, proc_root: Path) -> str:
    """`path` relative to what is mounted at `base`: a v1 container without a namespace sees only its own part."""
    for line in (read_text(proc_root / "self" / "mountinfo") or "").splitlines():
        fields = line.split()
        if len(fields) > 4 and fields[4] == str(base) and fields[3] not in ("/", ""):
            prefix = fields[3].rstrip("/")
            return path[len(prefix) :] if path == prefix or path.startswith(prefix + "/") else path
    return path


def _group_v2(folder: Path) -> Group:
    stat = _stat(folder / "memory.stat")
    current = _number(read_text(folder / "memory.current"))
    together = _number(read_text(folder / "memory.oom.group"))
    return Group(
        version="v2",
        limit_bytes=_limit(read_text(folder / "memory.max")),
        current_bytes=current,
        used_bytes=_at_most(_used_v2(stat), current),
        working_set_bytes=_without(current, stat.get("inactive_file")),
        oom_group=None if together is None else together == 1,
        oom_kills=_stat(folder / "memory.events").get("oom_kill"),
    )


def _group_v1(folder: Path, kernel_bound: int | None) -> Group:
    stat = _stat(folder / "memory.stat")
    current = _number(read_text(folder / "memory.usage_in_bytes"))
    limits = (_limit(read_text(folder / "memory.limit_in_bytes")), _limit(str(stat.get("hierarchical_memory_limit"))))
    charged = _number(read_text(folder / "memory.kmem.usage_in_bytes")) or 0
    kernel = charged if kernel_bound is None else min(charged, kernel_bound)
    anon, shmem = stat.get("total_rss", stat.get("rss")), stat.get("total_shmem", stat.get("shmem", 0))
    return Group(
        version="v1",
        limit_bytes=min((limit for limit in limits if limit is not None), default=None),
        current_bytes=current,
        used_bytes=_at_most(None if anon is None else anon + shmem + kernel, current),
        working_set_bytes=_without(current, stat.get("total_inactive_file", stat.get("inactive_file"))),
        oom_group=False,
        oom_kills=_stat(folder / "memory.oom_control").get("oom_kill"),
    )


def _used_v2(stat: Mapping[str, int]) -> int | None:
    if "anon" not in stat:
        return None
    if "kernel" in stat:
        kernel = max(0, stat["kernel"] - stat.get("slab_reclaimable", 0))
    else:
        kernel = sum(stat.get(part, 0) for part in _KERNEL_PARTS)
    return stat["anon"] + stat.get("shmem", 0) + stat.get("sock", 0) + kernel


def _at_most(value: int | None, ceiling: int | None) -> int | None:
    """The kernel's sums lag behind its counter a little; without the sums everything charged counts as used."""
    if value is None or ceiling is None:
        return ceiling if value is None else value
    return min(value, ceiling)


def _without(current: int | None, cold: int | None) -> int | None:
    return None if current is None or cold is None else max(0, current - cold)


def _stat(path: Path) -> dict[str, int]:
    """Lines of `key number`; other lines are skipped."""
    values = {}
    for line in (read_text(path) or "").splitlines():
        key, _, text = line.partition(" ")
        number = _number(text)
        if number is not None:
            values[key] = number
    return values


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and text.isascii() else None


def _limit(text: str | None) -> int | None:
    number = _number(text)  # "max" is not a number; nothing runs under a limit of 0, so that is not one either
    return number if number and number < _UNLIMITED else None


def _two_words(text: str | None) -> tuple[str | None, str | None]:
    words = (text or "").split()
    return (words[0], words[1]) if len(words) == 2 else (None, None)


def _quota(quota: str | None, period: str | None) -> float | None:
    micros, span = _number(quota), _number(period)  # "max" and "-1" are not numbers: no quota
    return micros / span if micros and span else None


def _scaled(number: int | None, factor: float) -> float | None:
    return None if number is None else number * factor
