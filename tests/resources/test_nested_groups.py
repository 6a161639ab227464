"""A real group inside a real group with the limit: a kill by the kernel is counted where it happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.resources.cgroup import read_meminfo
from tests.stress.groups import entering, limited_group

ROOT = Path(__file__).resolve().parents[2]
APP = """
import subprocess, sys
from core.resources.light import LightMemory
from core.resources.memory import read_memory
from core.settings import load_settings
read = LightMemory(load_settings())
before = read()
eater = "open('/proc/self/oom_score_adj', 'w').write('1000'); held = bytearray(b'x' * 300_000_000)"
code = subprocess.run([sys.executable, "-I", "-c", eater]).returncode
after = read()
assert after.oom_kills == read_memory(load_settings()).oom_kills
print(code, before.limit_bytes, after.oom_kills - before.oom_kills)
"""


@pytest.mark.skipif(read_meminfo().get("SwapTotal", 0) > 0, reason="with swap the kernel moves memory out instead")
def test_a_kill_inside_a_nested_group_is_seen() -> None:
    with limited_group(96 << 20) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        inner = group / "inner"
        inner.mkdir()
        try:
            done = subprocess.run(
                [*entering(inner), sys.executable, "-c", APP], cwd=ROOT, capture_output=True, text=True, check=False
            )
        finally:
            inner.rmdir()
    assert done.stdout.split() == ["-9", str(96 << 20), "1"], done.stderr
