"""kill -9 while images are fetched: what the cache then holds is whole, and the fetch can be done again."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

from core.hub.cache import Cache, Key
from tests.hub.conftest import drafts, source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, IMAGES, REPO, case
from tests.stress.campaign import play, sizes

ROOT = Path(__file__).parents[2]
CASES = {case(n).subject_id: case(n).images for n in (1, 2, 3)}


class Fetching:
    """Another process that fetches, and is killed on demand."""

    def __init__(self, server: HubServer) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "error", "-m", "tests.stress.fetching", server.url],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Fetching:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, folder: Path, after_s: float | None) -> tuple[int, float]:
        """Fetch everything, killed after so many seconds: (exit status or minus the signal, seconds)."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), after_s]) + "\n")
        self._process.stdin.flush()
        code, seconds = json.loads(self._process.stdout.readline())
        return code, seconds


def check_cache(folder: Path) -> int:
    """How many images are there; each of them is whole and the right one."""
    cache = Cache(folder)
    assert drafts(folder) == []
    entries = cache.entries()
    for entry in entries:
        kept = cache.find(Key(REPO, COMMIT, entry.case_id, entry.modality))
        assert kept is not None and kept.path == entry.path and kept.bytes == entry.bytes
        assert gzip.decompress(kept.path.read_bytes()) == gzip.decompress(CASES[entry.case_id][entry.modality])
    return len(entries)


@sizes(sample=3, campaign=30)
def test_a_killed_fetch_leaves_whole_images_and_is_done_again(
    tmp_path: Path, shards: dict[str, bytes], count: int
) -> None:
    codes: list[int] = []
    with HubServer(bandwidth=1_000_000) as server, Fetching(server) as other:
        server.add_dataset(REPO, COMMIT, shards)
        code, whole_s = other.run(tmp_path / "whole", None)
        assert code == 0 and check_cache(tmp_path / "whole") == len(CASES) * len(IMAGES)

        def one(number: int, random: Random) -> None:
            folder = tmp_path / str(number)
            codes.append(other.run(folder, random.uniform(0, whole_s))[0])
            assert codes[-1] in (0, -signal.SIGKILL)
            check_cache(folder)
            source = source_on(server, folder)
            source.refresh()
            for case_id in CASES:
                assert set(source.fetch(case_id, IMAGES).files) == set(IMAGES)
            assert check_cache(folder) == len(CASES) * len(IMAGES)

        play(count, one)
    assert -signal.SIGKILL in codes
