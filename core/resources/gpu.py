"""Gpu: memory and load of NVIDIA GPUs, as nvidia-smi reports them.

Without nvidia-smi, or when it does not answer in time, there is no GPU to show. Does not load CUDA.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

_QUERY = "--query-gpu=name,memory.total,memory.used,utilization.gpu"
_MIB = 1 << 20  # nvidia-smi's memory unit


@dataclass(frozen=True)
class Gpu:
    """One GPU. `load_percent` is None where the device does not say (MIG)."""

    name: str
    limit_bytes: int
    used_bytes: int
    load_percent: float | None


def read_gpus(program: str = "nvidia-smi", timeout_s: float = 2.0) -> tuple[Gpu, ...]:
    """All GPUs, in nvidia-smi's order; empty when there are none to see."""
    path = shutil.which(program)
    if path is None:
        return ()
    try:
        done = subprocess.run(
            [path, _QUERY, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ()
    return parse_gpus(done.stdout) if done.returncode == 0 else ()


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Rows of `name, total MiB, used MiB, percent`; a row without its memory is left out."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 3)]
        if len(parts) == 4 and parts[1].isdigit() and parts[2].isdigit():
            load = float(parts[3]) if parts[3].isdigit() else None
            found.append(Gpu(parts[0], int(parts[1]) * _MIB, int(parts[2]) * _MIB, load))
    return tuple(found)
