"""Two publishers at once: in one staging folder only one works; into one repository both do, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.publish.view import look
from tests.hubserver import HubServer
from tests.publish.staged import REPO, contents, noise

pytestmark = pytest.mark.stress
ROOT = Path(__file__).parents[2]
SHARDS = 60


def start(source: Path, staging: Path, url: str, window: int) -> subprocess.Popen[str]:
    """The whole way in a process of its own."""
    arguments = [str(source), str(staging), str(SHARDS), "1", url, str(window)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.publish.whole_way", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """How each of them ended: its status, what it printed, what went wrong."""
    found = []
    for process in processes:
        out, error = process.communicate(timeout=600)
        found.append((process.returncode, out, error))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_of_two_in_one_folder_one_is_refused_and_the_other_is_not_disturbed(tmp_path: Path, seed: int) -> None:
    noise(tmp_path / "source", SHARDS, 3000 + seed, images=1)
    with HubServer() as hub:
        pair = [start(tmp_path / "source", tmp_path / "staging", hub.url, 0) for _ in range(2)]
        (good, out, _), (bad, _, error) = sorted(ended(pair))
        assert (good, bad) == (0, 1) and "StagingBusy" in error and "another publisher" in error
        assert json.loads(out)["verified"] == SHARDS and set(hub.writes.puts.values()) == {1}
    assert {shard.state for shard in look(tmp_path / "staging").shards} == {"proven"}


@pytest.mark.parametrize("window", [0, 40_000])
def test_two_with_folders_of_their_own_do_not_undo_each_other(tmp_path: Path, window: int) -> None:
    noise(tmp_path / "source", SHARDS, 3000, images=1)
    with HubServer() as hub:
        both = [start(tmp_path / "source", tmp_path / f"staging {at}", hub.url, at * window) for at in range(2)]
        for status, out, error in ended(both):
            assert status == 0, error
            assert json.loads(out)["verified"] == SHARDS
        held = {path: file.oid for path, file in hub.datasets[REPO].files.items() if path.startswith("data/")}
    whole = contents(tmp_path / "staging 0")
    assert held == {f"data/{name}": sha256 for name, sha256 in whole.items()}
