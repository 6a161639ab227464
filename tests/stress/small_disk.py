"""python -m tests.stress.small_disk VARIANT COUNT FOLDER: browse COUNT cases with a cache on a tmpfs of 64 MB.

Mounts the tmpfs at FOLDER/disk, so it needs to be root of its own mount namespace (`unshare -m`, or `unshare -Urm`).
Variants: "browse"; "leased", when everything is in use; "filled", when another program takes the rest of the disk in
the middle of transfers. Ends with a traceback when something is not as it must be.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from core.errors import DiskFull, FetchCancelled
from core.hub.cache import Cache, Key
from core.hub.turns import Turn
from core.resources.disk import stat_filesystem
from core.resources.room import Room
from core.settings import Settings
from core.sources.hub import open_hub
from core.sources.protocol import Progress, Source
from tests.hub.conftest import PATIENT
from tests.hubserver import HubServer
from tests.hubserver.server import Stored
from tests.hubserver.shards import COMMIT, REPO, Case, nifti, shard
from tests.stress.campaign import random_of

DISK = 64 * 2**20
NAMES = ("dwi", "adc", "lesion_mask")
SHAPE = (105, 105, 105)  # of noise: 1.1 MB an image
KINDS = 3  # cases with images of their own; the others repeat them
ROOM = 1.02  # of the images' bytes: records and blocks
_ID = b"sub-stroke0000"


@cache
def images(kind: int) -> dict[str, bytes]:
    """The images of every case of that kind."""
    return {name: nifti(10 * kind + number, SHAPE) for number, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Renamed(Stored):
    """A shard that differs from another in the case's id alone, made while it is read."""

    name: bytes = b""

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop (exclusive)."""
        assert isinstance(self.content, bytes)
        begin = max(0, start - len(_ID))
        piece = self.content[begin : stop + len(_ID)].replace(_ID, self.name)
        return piece[start - begin : min(stop, len(self.content)) - begin]


def stock(server: HubServer, count: int) -> list[str]:
    """Put so many cases on the Hub; returns their ids."""
    shards = [shard([Case(_ID.decode(), images(kind), {"age": 50.0})], columns=NAMES) for kind in range(KINDS)]
    names = [f"sub-stroke{number + 1:04d}" for number in range(count)]
    server.add_dataset(REPO, COMMIT, {})
    server.datasets[REPO].files.update(
        {
            f"data/train-{number:05d}-of-{count:05d}.parquet": Renamed(shards[number % KINDS], True, name=name.encode())
            for number, name in enumerate(names)
        }
    )
    return names


class World:
    """A source on the small disk, and what a session does with it."""

    def __init__(self, server: HubServer, names: list[str], folder: Path, root: str = "cache", **more: object) -> None:
        self.server, self.names, self.folder = server, names, folder
        self.disk, self.root = folder / "disk", folder / "disk" / root
        self.settings = Settings.model_validate(
            {
                "HF_ENDPOINT": server.url,
                "STROKESCOPE_CACHE_DIR": self.root,
                "STROKESCOPE_STATE_DIR": folder / "state",
                **more,
            }
        )
        self.room = Room(self.settings)
        self.cache = Cache(self.settings.cache_dir, self.room)
        self.source: Source = open_hub(REPO, COMMIT, self.settings, self.cache, PATIENT)

    def look(self, number: int, owner: str, report: Callable[[Progress], None] = lambda progress: None) -> None:
        """Fetch a case and hold it on the screen; its images are right."""
        fetched = self.source.fetch(self.names[number], NAMES, report)
        held = self.cache.hold(owner, [file.path for file in fetched.files.values()])
        assert fetched.absent == () and len(held) == len(NAMES)
        for name, file in fetched.files.items():
            assert file.path.read_bytes() == images(number % KINDS)[name]

    def look_ahead(self, number: int) -> None:
        """A prefetch, which may be refused."""
        with suppress(DiskFull, FetchCancelled):
            self.source.fetch(self.names[number % len(self.names)], NAMES, turn=Turn("ahead", background=True))

    def free(self) -> int:
        """Bytes left on the disk."""
        found = stat_filesystem(self.disk)
        assert found is not None
        return found.free_bytes

    def check(self) -> int:
        """How many images a new cache finds here; all are whole and right, and nothing else lies about."""
        fresh = Cache(self.root)
        entries = [entry for entry in fresh.entries() if self.root / "images" in entry.path.parents]
        for entry in entries:
            kept = fresh.find(Key(REPO, COMMIT, entry.case_id, entry.modality))
            assert kept is not None and kept.path == entry.path
            kind = self.names.index(entry.case_id) % KINDS
            assert kept.sha256 == hashlib.sha256(images(kind)[entry.modality]).hexdigest()
        files = [path for path in (self.root / "images").rglob("*") if path.is_file()]
        unfinished = 2 * len(fresh.unfinished())
        assert 2 * len(entries) <= len(files) <= 2 * len(entries) + unfinished, files
        assert sum(path.stat().st_size for path in files) <= ROOM * fresh.total_bytes()
        return len(entries)


def browse(world: World, count: int, random: Random) -> None:
    """Two sessions go through all cases, look ahead and back; nobody meets an error, and the disk keeps its reserve."""
    evicted = 0
    for number in range(count):
        world.look(number, "one")
        world.look(random.randrange(number + 1), "two")
        world.look_ahead(number + 1)
        assert world.free() >= 0.09 * DISK
        evicted += not world.source.cached(world.names[0])
    assert evicted or count * 3.3e6 < 0.9 * DISK
    assert 10 * len(NAMES) <= world.check() <= DISK // 1_000_000


def leased(world: World, count: int, random: Random) -> None:
    """When all is in use the next fetch says so with its numbers; once somebody lets go it goes on."""
    refused: DiskFull | None = None
    held = 0
    for number in range(count):
        try:
            world.look(number, str(number))
            held += 1
        except DiskFull as error:
            refused = error
            break
    assert refused is not None and "0.0 MB can be freed" in str(refused)
    assert held >= 10 and world.check() == held * len(NAMES)
    gone = random.randrange(held)
    world.cache.let_go(str(gone))
    world.look(held, "next")
    assert world.source.cached(world.names[gone]) == frozenset()
    assert all(world.source.cached(world.names[n]) == set(NAMES) for n in range(held) if n != gone)
    before = world.cache.total_bytes()
    try:
        world.cache.make_room(2 * DISK)
        raise AssertionError("more than the disk holds was promised")
    except DiskFull as error:
        assert "may hold" in str(error)
    assert world.cache.total_bytes() == before
    world.check()


def filled(world: World, count: int, random: Random) -> None:
    """Another program takes all that is left in mid-write: others go, or DiskFull is said; afterwards all is well."""
    fetched = refused = 0
    for number in range(count):
        other = Other(world.disk / "other", random.randrange(3_300_000) if number % 3 == 2 else None)
        try:
            world.look(number, "one", other.watch)
            fetched += 1
        except DiskFull:
            refused += 1
        if random.random() < 0.7:
            other.leave()
    assert fetched > 2 * refused
    other.leave()
    world.look(0, "one")
    world.check()
    world.cache.let_go("one")
    world.cache.clear()
    other.fill()
    bare = World(world.server, world.names, world.folder, "bare")  # nothing is known, and nothing can be noted
    assert len(bare.source.listing().cases) == len(bare.source.refresh().cases) == count
    try:
        bare.look(1, "one")
        raise AssertionError("there was no room")
    except DiskFull:
        other.leave()
    bare.look(1, "one")
    assert bare.check() == len(NAMES)


class Other:
    """Another program, which fills the disk once a transfer has `after` bytes; None: only when it is told to."""

    def __init__(self, path: Path, after: int | None) -> None:
        self.path, self.after = path, after

    def watch(self, progress: Progress) -> None:
        """Strike, once."""
        if self.after is not None and progress.done >= self.after:
            self.after = None
            self.fill()

    def fill(self) -> None:
        """Write until nothing is left."""
        with suppress(OSError), self.path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(2**16))

    def leave(self) -> None:
        """Give the space back."""
        self.path.unlink(missing_ok=True)


VARIANTS = {"browse": browse, "leased": leased, "filled": filled}


def main(variant: str, count: int, folder: Path) -> None:
    """One campaign."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(disk)], check=True)
    with HubServer() as server:
        VARIANTS[variant](World(server, stock(server, count), folder), count, random_of(count))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
