"""kill -9 while images are fetched: what the cache then holds is whole, and the next fetch does not start over.

As many folders as it takes for all the kills. Each lives through up to two of them at random moments, and a last fetch
in peace, which asks for what is not on disk and for no more than NOTED beyond it. Over all lives the server sends the
images' bytes once, and for each kill at most LOST more, MEAN on the average.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

from core.hub.cache import Cache, Key
from core.hub.shelf import KEEP_BYTES
from tests.hub.conftest import drafts, source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, nifti, shard
from tests.stress.campaign import play, sizes
from tests.stress.fetching import NAMES

ROOT = Path(__file__).parents[2]
KILLS = 2  # of a folder, at most
MOST = 6  # folders per kill; most kills come in time
RATE = 15_000_000.0  # bytes per second
EDGES = (160, 128, 96)  # voxels of a byte: images of 4.1, 2.1 and 0.9 MB
SMALLER = 0.7  # for the sample: 1.4, 0.7 and 0.3 MB, all above KEEP_BYTES
NOTED = 2**20  # bytes after which the sum of what is here is noted
FLIGHT = 4 * 2**20  # bytes that were sent and not yet read: what sockets hold when the reader gets no processor
HEAD = 65536  # of a footer; asked for again if it was not yet noted
LOST = KEEP_BYTES + NOTED + FLIGHT + HEAD  # bytes per kill: one image is open at a time
MEAN = 1_500_000  # of them, over many
SLACK = 10_000  # bytes of page headers


def cases(scale: float) -> dict[str, Mapping[str, bytes]]:
    """Two cases; the second one's images are not packed, but come with their pages' sums."""
    shapes = {name: (int(scale * edge),) * 3 for name, edge in zip(NAMES, EDGES, strict=True)}
    return {
        f"sub-stroke{n:04d}": {name: nifti(n, shape, packed) for name, shape in shapes.items()}
        for n, packed in ((1, True), (2, False))
    }


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


class Check:
    """What must be true of a folder at any time."""

    def __init__(self, scale: float) -> None:
        self.cases = cases(scale)
        images = {(case_id, name): data for case_id, case in self.cases.items() for name, data in case.items()}
        self.bytes, self.count = sum(map(len, images.values())), len(images)
        self._right = {which: hashlib.sha256(data).hexdigest() for which, data in images.items()}

    def images(self, folder: Path) -> tuple[int, int]:
        """How many images are there, each of them whole and the right one; and all bytes there, parts included."""
        cache = Cache(folder)
        entries = cache.entries()
        for entry in entries:
            kept = cache.find(Key(REPO, COMMIT, entry.case_id, entry.modality))
            assert kept is not None and kept.path == entry.path and kept.bytes == entry.bytes
            right = self._right[entry.case_id, entry.modality]
            assert kept.sha256 == right == hashlib.sha256(kept.path.read_bytes()).hexdigest()
        parts = cache.unfinished()
        assert all(part.bytes >= KEEP_BYTES for part in parts)
        return len(entries), sum(entry.bytes for entry in (*entries, *parts))


@sizes(sample=4, campaign=100)
def test_a_killed_fetch_leaves_whole_images_and_goes_on(tmp_path: Path, count: int) -> None:
    """Until `count` kills hit a fetch that ran."""
    check, codes, beyond = Check(1.0 if count > 10 else SMALLER), list[int](), list[int]()
    with HubServer(bandwidth=RATE) as server, Fetching(server) as other:
        summed, cases = Options(page_sums=True), check.cases.items()
        shards = {f"data/{name}.parquet": shard([Case(name, case)], summed, NAMES) for name, case in cases}
        server.add_dataset(REPO, COMMIT, shards)
        code, whole_s = other.run(tmp_path / "whole", None)
        assert code == 0 and check.images(tmp_path / "whole")[0] == check.count
        once, whole = server.total_bytes, [whole_s]

        def killed() -> int:
            return sum(code != 0 for code in codes)

        def one(number: int, random: Random) -> None:
            if killed() >= count:
                return
            folder, kills, here = tmp_path / str(number), 0, 0
            server.reset_counts()
            for _ in range(random.randint(1, KILLS)):
                code, seconds = other.run(folder, random.uniform(0, min(whole)))
                assert code in (0, -signal.SIGKILL)
                codes.append(code)
                whole.append(min(whole) if code or kills else seconds)
                kills += code != 0
                _, here = check.images(folder)
            source = source_on(server, folder)
            fetched = [source.fetch(case.case_id, NAMES) for case in source.refresh().cases]
            assert sum(f.bytes_fetched for f in fetched) <= check.bytes - here + NOTED + SLACK
            assert check.images(folder) == (check.count, check.bytes) and drafts(folder) == []
            beyond.append(server.total_bytes - once)
            assert beyond[-1] <= kills * LOST
            shutil.rmtree(folder)

        play(MOST * count, one)
    assert killed() >= count
    assert count < 50 or sum(beyond) <= killed() * MEAN
    sys.stdout.write(
        f"{len(beyond)} folders of {check.bytes / 1e6:.1f} MB, {killed()} kills,"
        f" {len(codes) - killed()} that came too late; sent twice:"
        f" {sum(beyond) / killed() / 1e3:.0f} KB per kill, {max(beyond) / 1e3:.0f} KB per folder at most\n"
    )
