"""Processes: the tree of this app, each with its role and its memory.

The role is a word of ours; command lines, which may hold file names, are never kept. Does not add memory up: shared
pages count in every process (memory.py has the container's own sum).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.resources.memory import MB

SERVERS = frozenset({"streamlit", "uvicorn"})  # what runs Home.py
SUPERVISED = "STROKESCOPE_SUPERVISED"  # "1" in the environment of an app that `python -m core serve` started


@dataclass(frozen=True)
class ProcessRow:
    """One process.

    Attributes:
        role: "supervisor", "app", "worker", "command" or the bare program name.
        rss_bytes: resident memory, shared pages included.
        cpu_seconds: user + system since it began.
        cpu_percent: of one core since the reading before; None in a first reading.
        doing: what it is busy with, in a few words that name no file and no person; "" when nobody said.
    """

    pid: int
    role: str
    rss_bytes: int
    cpu_seconds: float
    cpu_percent: float | None = None
    doing: str = ""

    @property
    def rss_mb(self) -> float:
        return self.rss_bytes / MB


def role_of(argv: Sequence[str], name: str = "") -> str:
    """What a process is to us, by its command line."""
    words = list(argv[1:8])
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    program = Path(argv[0]).name if argv else name
    if module == "core":
        return "supervisor" if "serve" in words else "command"
    if module.startswith("core."):
        return "worker" if module.endswith((".worker", ".score")) else "command"
    if {module, program, *(Path(word).name for word in words[:1])} & SERVERS:
        return "app"
    return program or "unknown"


def tree_root(environ: Mapping[str, str], pid: int, parent: int) -> int:
    """Where the tree begins: at the supervisor when there is one."""
    return parent if environ.get(SUPERVISED) == "1" and parent > 0 else pid


def supervised(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this process was started by the supervisor."""
    return (os.environ if environ is None else environ).get(SUPERVISED) == "1"


def read_processes(root_pid: int, doing: Mapping[int, str] | None = None) -> tuple[ProcessRow, ...]:
    """The process and everything below it, largest first; those that end meanwhile are left out.

    Args:
        doing: what processes are busy with, by their number.
    """
    try:
        root = psutil.Process(root_pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return ()
    words = doing or {}
    rows = (_row(process, words.get(process.pid, "")) for process in tree)
    return tuple(sorted((row for row in rows if row is not None), key=lambda row: -row.rss_bytes))


def _row(process: psutil.Process, doing: str) -> ProcessRow | None:
    try:
        with process.oneshot():
            times = process.cpu_times()
            role = role_of(process.cmdline(), process.name())
            seconds = times.user + times.system
            return ProcessRow(process.pid, role, process.memory_info().rss, seconds, doing=doing)
    except psutil.Error:
        return None
