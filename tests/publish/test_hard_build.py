"""Building with less RAM than one image has, and on a disk that fills up: in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.publish.staged import noise, noise_file
from tests.stress.groups import entering, limited_group

ROOT = Path(__file__).parents[2]
BUILDING = [sys.executable, "-P", "-W", "error", "-m", "tests.publish.building"]
RAM = 110_000_000  # page cache included
LARGE, SMALL, ROWS = 400_000_000, 20_000_000, 46


def run(before: list[str], arguments: list[str]) -> dict[str, float]:
    """What `building` prints."""
    done = subprocess.run(
        [*before, *BUILDING, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.stress
def test_images_of_twenty_times_the_ram_are_built(tmp_path: Path) -> None:
    """Also one that is itself several times as large as the RAM; the kernel kills whoever takes more."""
    noise(tmp_path / "source", ROWS, SMALL, images=2)
    noise_file(tmp_path / "source", "0/0.nii.gz", LARGE)
    with limited_group(RAM) as group:
        if group is None:
            pytest.skip("no control groups here")
        told = run(entering(group), [str(tmp_path / "source"), str(tmp_path / "staging"), str(ROWS), "2"])
    shutil.rmtree(tmp_path / "source")
    assert told["bytes"] > 20 * RAM and RAM < LARGE
    assert told["peak"] < 150e6  # counts libraries, too, that others have in memory already


@pytest.mark.stress
def test_a_disk_that_is_full_stops_the_build_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    noise(tmp_path / "source", 5, 2_000_000, images=1)
    (tmp_path / "disk").mkdir()
    told = run(["unshare", "-Urm"], [str(tmp_path / "source"), str(tmp_path / "disk"), "5", "1", "full"])
    assert 1 <= told["there"] <= 4
