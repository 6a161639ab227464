"""kill -9 while shards are sent: nothing is lost, nothing that is there is sent again, the staging folder is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def campaign(kills: int, seed: int, folder: Path, *how: str) -> dict[str, int]:
    """A campaign in a process of its own, which forks."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.publish.dying_upload", str(kills), str(seed), str(folder), *how],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_a_killed_upload_is_gone_on_with(tmp_path: Path) -> None:
    assert campaign(1, 1, tmp_path)["kills"] == 1


@pytest.mark.stress
@pytest.mark.parametrize("how", [(), ("rolling",)], ids=["sent", "rolled"])
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_killed_uploads_are_gone_on_with(tmp_path: Path, seed: int, how: tuple[str, ...]) -> None:
    found = campaign(25, seed, tmp_path, *how)
    sys.stdout.write(f"seed {seed} {how}: {found}\n")
    assert found["kills"] == 25 and found["proven"] > 0
