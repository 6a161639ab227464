"""Page cache is not use: writing and reading a file larger than the container's RAM raises no alarm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stress.groups import entering, limited_group

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("limit_mib", "file_mb"),
    [pytest.param(160, 200, id="small"), pytest.param(1024, 2000, marks=pytest.mark.stress, id="2 GB in 1 GiB")],
)
def test_a_file_larger_than_ram_is_no_alarm(tmp_path: Path, limit_mib: int, file_mb: int) -> None:
    path = tmp_path / "large"
    with limited_group(limit_mib << 20) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        command = [*entering(group), sys.executable, "-m", "tests.stress.file_writer", str(path), str(file_mb)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    path.unlink()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["limit"] == limit_mib << 20
    assert said["charged"] > 0.9  # what a naive alarm would go by
    assert said["events"] == [] and said["highest"] < 0.7, said
