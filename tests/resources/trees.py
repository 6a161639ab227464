"""Recorded control-group trees: written as the kernel shows them, so that readings can be checked anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

GIB = 1 << 30
MIB = 1 << 20

MEMINFO = """MemTotal:       24684092 kB
MemFree:        20000000 kB
MemAvailable:   22000000 kB
Inactive(file):  1000000 kB
AnonPages:       2000000 kB
Shmem:             10000 kB
SReclaimable:     500000 kB
SUnreclaim:        20000 kB
KernelStack:        1600 kB
PageTables:         2400 kB
HugePages_Total:       0
"""

V2_STAT = f"""anon {300 * MIB}
file {500 * MIB}
kernel {60 * MIB}
kernel_stack 1000
sock {1 * MIB}
shmem {50 * MIB}
inactive_file {400 * MIB}
slab_reclaimable {40 * MIB}
slab_unreclaimable {10 * MIB}
"""
V2_USED = (300 + 50 + 1 + 20) * MIB  # anon, shmem, sock, kernel without the reclaimable slab

V1_STAT = f"""cache {450 * MIB}
rss 1
hierarchical_memory_limit 9223372036854771712
total_rss {200 * MIB}
total_shmem {30 * MIB}
total_inactive_file {150 * MIB}
"""
V1_UNLIMITED = "9223372036854771712"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write `path -> text` under the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def proc(root: Path, cgroup: str, mountinfo: str = "", meminfo: str = MEMINFO) -> Path:
    """A /proc with what the readings need."""
    return write(root, {"self/cgroup": cgroup, "self/mountinfo": mountinfo, "meminfo": meminfo})


def v2_group(limit: str = "max", current: int = 900 * MIB, stat: str = V2_STAT, together: str = "0") -> dict[str, str]:
    """The files of one v2 group."""
    return {
        "memory.max": limit + "\n",
        "memory.current": f"{current}\n",
        "memory.stat": stat,
        "memory.oom.group": together + "\n",
        "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n",
    }


def v1_group(limit: str = V1_UNLIMITED, current: int = 700 * MIB, stat: str = V1_STAT) -> dict[str, str]:
    """The files of one v1 memory group."""
    return {
        "memory.limit_in_bytes": limit + "\n",
        "memory.usage_in_bytes": f"{current}\n",
        "memory.kmem.usage_in_bytes": f"{5 * MIB}\n",
        "memory.stat": stat,
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    }


def under(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    """The same files in a folder."""
    return {f"{folder}/{name}": text for name, text in files.items()}
