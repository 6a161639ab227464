"""A disk of 64 MB: cases are browsed, everything is in use, another program fills it; the cache stays whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stress.campaign import SEED, sizes

ROOT = Path(__file__).parents[2]
OWN = (("unshare", "-m"), ("unshare", "-Urm"))  # mount namespaces of one's own, the second without being root


@pytest.fixture(scope="module")
def mounting(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """How a command is run that may mount a tmpfs; the mount ends with it."""
    folder = tmp_path_factory.mktemp("mount")
    said = ""
    for own in OWN:
        mount = (*own, "mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder))
        try:
            tried = subprocess.run(mount, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            said = str(error)
            continue
        if tried.returncode == 0:
            return own
        said = tried.stderr.strip()
    pytest.skip(f"a tmpfs cannot be mounted here: {said}")


@pytest.mark.parametrize("variant", ["browse", "leased", "filled"])
@sizes(sample=20, campaign=149)
def test_a_disk_of_64_mb(tmp_path: Path, mounting: tuple[str, ...], variant: str, count: int) -> None:
    run_on(mounting, "small_disk", variant, count, tmp_path)


def run_on(mounting: tuple[str, ...], module: str, variant: str, count: int, folder: Path) -> str:
    """Run a module's campaign in a mount namespace of its own; what it printed."""
    command = [*mounting, sys.executable, "-P", "-W", "error", "-m", f"tests.stress.{module}"]
    log = folder / "log"
    with log.open("wb") as stream:
        end = subprocess.run(
            [*command, variant, str(count), str(folder)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STROKESCOPE_SEED": str(SEED)},
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            check=False,
        )
    assert end.returncode == 0, f"STROKESCOPE_SEED={SEED}: {log.read_text()[-3000:]}"
    return end.stdout
