"""Publishing at scale: many shards, and far more bytes than there is RAM, all the way to the last byte read back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.hubserver import HubServer
from tests.publish.staged import REPO, noise, noise_file
from tests.stress.groups import entering, limited_group

pytestmark = [pytest.mark.stress, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
RAM = 110_000_000  # page cache included
LARGE, SMALL, ROWS = 400_000_000, 20_000_000, 46


def whole_way(before: list[str], *arguments: object) -> dict[str, float]:
    """What `whole_way` prints."""
    done = subprocess.run(
        [*before, sys.executable, "-P", "-m", "tests.publish.whole_way", *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shards", [902, 10_000])
def test_many_small_shards(tmp_path: Path, shards: int) -> None:
    """Requests grow as the shards do: a few for each, and for each commit a page of the list for each 1000 of them."""
    noise(tmp_path / "source", shards, 40, images=1)
    with HubServer() as hub:
        told = whole_way([], tmp_path / "source", tmp_path / "staging", shards, 1, hub.url, 0)
        listings = sum(count for path, count in hub.counts.items() if "/tree/" in path)
        asked = {path: count for path, count in hub.counts.items() if "/resolve/" in path and ".parquet" in path}
        committed = Counter(path for paths in hub.writes.committed for path in paths)
        requests = hub.requests
    sys.stdout.write(f"{shards} shards: {told}, {requests} requests, {listings} of them listings\n")
    assert told["verified"] == shards and set(committed.values()) == {1} and told["peak"] < 300e6
    assert listings <= (-(-shards // 50) + 8) * (shards // 1000 + 1)
    assert max(asked.values()) <= 4  # its end by upload, verify and verify, and all of it


@pytest.mark.parametrize("window", [0, 60_000_000])
def test_images_of_twenty_times_the_ram_reach_the_hub(tmp_path: Path, window: int) -> None:
    """One of them is itself several times as large as the RAM; the kernel kills whoever takes more."""
    noise(tmp_path / "source", ROWS, SMALL, images=2)
    noise_file(tmp_path / "source", "0/0.nii.gz", LARGE)
    with HubServer() as hub, limited_group(RAM) as group:
        if group is None:
            pytest.skip("no control groups here")
        told = whole_way(entering(group), tmp_path / "source", tmp_path / "staging", ROWS, 2, hub.url, window)
        held = sum(file.size for file in hub.datasets[REPO].files.values() if file.lfs)
    left = list((tmp_path / "staging" / "data").iterdir())
    sys.stdout.write(f"window {window}: {told}\n")
    shutil.rmtree(tmp_path / "source")
    assert held == told["bytes"] > 20 * RAM and RAM < LARGE
    assert told["peak"] < 200e6  # counts libraries, too, that others have in memory already
    assert len(left) == (0 if window else ROWS)


def test_a_disk_smaller_than_the_dataset_fills_up_and_is_gone_on_with_by_turns(tmp_path: Path) -> None:
    """A window that does not fit ends with a full disk; a smaller one goes on from there and publishes all of it."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    noise(tmp_path / "source", 20, 2_000_000, images=1)
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=18m none "$0" || exit 9; "$@" 30000000 >&2 && exit 8; exec "$@" 4000000'
    command = [
        sys.executable,
        "-P",
        "-m",
        "tests.publish.whole_way",
        tmp_path / "source",
        tmp_path / "disk" / "staging",
    ]
    with HubServer() as hub:
        done = subprocess.run(
            ["unshare", "-Urm", "/bin/sh", "-c", script, *map(str, [tmp_path / "disk", *command, 20, 1, hub.url])],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert "DiskFull" in done.stderr and json.loads(done.stdout)["verified"] == 20
        assert set(hub.writes.puts.values()) == {1}
