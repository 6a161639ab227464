"""A real control group with a memory limit, for tests that let the kernel kill; None where this machine gives none."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.resources.cgroup import memory_folders

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def limited_group(limit_bytes: int) -> Iterator[Path | None]:
    """A new, empty group below this process's own; gone afterwards, with whatever still runs in it killed."""
    folder = _make(limit_bytes)
    try:
        yield folder
    finally:
        if folder is not None:
            _remove(folder)


def entering(folder: Path) -> list[str]:
    """The beginning of a command line that runs the rest of it inside the group."""
    return ["/bin/sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', str(folder)]


def _make(limit_bytes: int) -> Path | None:
    for version, parent in memory_folders(ROOT):
        folder = parent / f"strokescope-test-{uuid.uuid4().hex[:12]}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / ("memory.limit_in_bytes" if version == "v1" else "memory.max")).write_text(str(limit_bytes))
            if version == "v2":
                with suppress(OSError):  # a worker is to die, not to crawl
                    (folder / "memory.swap.max").write_text("0")
            return folder
        except OSError:
            _remove(folder)
    return None


def _remove(folder: Path) -> None:
    for _ in range(100):
        for pid in (folder / "cgroup.procs").read_text().split():  # in our own group, which nobody else enters
            with suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.05)
