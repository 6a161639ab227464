"""kill -9 while shards are built, sent, proven and freed: what the record says is there, and no step is undone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def campaign(kills: int, seed: int, folder: Path) -> dict[str, int]:
    """A campaign in a process of its own, which forks."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-m", "tests.publish.dying", str(kills), str(seed), str(folder)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_a_killed_build_is_gone_on_with(tmp_path: Path) -> None:
    found = campaign(3, 1, tmp_path)
    assert found["kills"] == 3 and found["wasted"] <= 3


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_killed_builds_are_gone_on_with(tmp_path: Path, seed: int) -> None:
    found = campaign(100, seed, tmp_path)
    assert found["kills"] == 100 and found["whole"] > 0 and found["wasted"] <= 100
