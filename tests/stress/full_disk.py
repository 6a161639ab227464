"""python -m tests.stress.full_disk VARIANT COUNT FOLDER: browse, upload, segment and record until the disk is full.

Mounts a tmpfs at FOLDER/disk for cache and state together, so it needs to be root of its own mount namespace (`unshare
-m`, or `unshare -Urm`). Variants: "limit", a setting of 100 MB on a disk of 400; "errno", a disk of 100 MB that refuses
writes (ENOSPC). Prints what the user was told; ends with a traceback when something is not as it must be.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import DiskFull, StrokescopeError
from core.hub.sweep import sweep
from core.imaging.nifti import read_mask
from core.resources.beats import vitals
from core.resources.breaker import Breaker
from core.resources.disk import DiskReading, measure_usage, read_disk
from core.resources.guard import make_guard
from core.resources.light import LightMemory
from core.resources.record import Record, read_record
from core.resources.recorder import Recorder
from core.resources.runs import RunLog
from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.sources.sample import SampleSource
from core.workflows import segment_case
from core.workflows.asking import Ask
from core.workflows.making_room import Spare, offers
from tests.hubserver import HubServer
from tests.stress.small_disk import NAMES, Other, World, stock

MIB = 2**20
LIMIT = 100 * MIB
DISKS = {"limit": 4 * LIMIT, "errno": LIMIT}
ENGINE = load_engine("diffusion").info
EVENTS = 700  # more than the record of transitions holds before it begins anew


class Small(World):
    """The app's parts with cache, results, uploads and record on the small disk."""

    def __init__(self, server: HubServer, names: list[str], folder: Path, variant: str) -> None:
        limit = {"STROKESCOPE_DISK_LIMIT": "100M"} if variant == "limit" else {}
        super().__init__(server, names, folder, STROKESCOPE_STATE_DIR=folder / "disk" / "state", **limit)
        self.variant, self.state = variant, self.settings.state_dir
        self.still = threading.Lock()  # nothing is evicted while what is here is looked at
        self.recorder = Recorder(self.state, run="d" * 12, patience_s=30.0)
        self.breaker = Breaker(self.recorder, patience_s=30.0)
        self.noted_at = 0.0
        self.breaker.prepare()
        RunLog(self.state, recorder=self.recorder).start()
        self.sample, self.results = SampleSource(self.root), Results(self.root)
        self.guard = make_guard(
            self.settings,
            self.recorder,
            self.reading,
            evict=self.evict,
            breaker=self.breaker,
            spare=Spare(self.cache),
            helps=lambda: offers(self.cache, self.results),
        )
        self.guard.watchdog.start()
        self.memory = LightMemory(self.settings)
        self.told: dict[str, str] = {}

    def reading(self) -> DiskReading:
        """The disk now."""
        return read_disk(self.settings, measure_usage(self.settings))

    def evict(self) -> None:
        """What the app gives back when the disk runs short (loaders.py)."""
        with self.still:
            self.cache.evict(max(1, self.reading().excess_bytes))

    def segment(self, number: int, on_phase: Callable[[str, float], None] = lambda phase, done: None) -> Path:
        """One segmentation, kept as the app keeps it."""
        case = f"sample-{1 + number % 6:02d}"
        inputs = dict(segment_case.fetch_inputs(self.sample, case, ENGINE).files)
        folder = self.root / "results" / f"{number:032d}"
        with self.cache.lease(file.path for file in inputs.values()):
            ask = Ask("diffusion", inputs, case_id=case, source="sample")
            done = segment_case.segment(self.settings, ask, folder, on_phase, guard=self.guard, owner="one")
        self.results.keep(folder, done)
        return folder

    def refused(self, what: str, act: Callable[[], object]) -> StrokescopeError:
        """The error that the user is shown; what it says is kept for the note."""
        try:
            act()
        except StrokescopeError as error:
            self.told[what] = f"{type(error).__name__}: {error.sentence()}"
            return error
        raise AssertionError(f"there was no room: {what}")

    def upload(self, size: int) -> Other:
        """A visitor's upload of so many bytes at most, in pieces, as long as the disk takes it."""
        path = self.root / "uploads" / "image.nii.gz"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb", buffering=0) as file:
            for _ in range(size // MIB):
                file.write(bytes(MIB))
                self.room.wrote(MIB)
        return Other(path, None)

    def note(self, count: int) -> Record:
        """Record transitions and heartbeats; the record as another process reads it then."""
        seen = vitals(self.memory(), self.reading())
        for number in range(count):
            self.noted_at = time.time()
            self.recorder.note("probe", number=number, phase="", words="x" * 200)
            self.recorder.beat(seen)
        return read_record(self.state)

    def check_whole(self) -> int:
        """How many results are here; each is whole, and nothing half-written stays."""
        found = 0
        for folder in (self.root / "results").iterdir():
            files = list(folder.iterdir())
            if files:
                masks = [path for path in files if path.name.endswith("mask.nii.gz")]
                assert len(masks) == 2 and any(path.name.endswith("mask.json") for path in files), files
                for path in masks:
                    read_mask(path)
                found += 1
        with self.still:
            self.check()
        sweep(self.root, time.time() + 2 * 86400.0)
        assert not [path for path in self.disk.rglob("*") if path.name.endswith(".part")]
        return found


def use(small: Small, count: int) -> None:
    """Browse and segment until old cases had to go; nobody meets an error."""
    evicted = segmented = 0
    for number in range(count):
        small.look(number, "one")
        evicted += not small.source.cached(small.names[0])
        if number % 6 == 0:
            small.segment(segmented)
            segmented += 1
    assert segmented and (evicted or count * 3.3e6 < 0.7 * LIMIT)
    assert small.check_whole() == segmented


def fill(small: Small) -> Other:
    """All that is left is taken while a segmentation runs; its result is whole then, or nothing."""
    others: list[Other] = []
    small.cache.hold("one", [entry.path for entry in small.cache.entries()])  # all of it is on a screen

    def strike(phase: str, done: float) -> None:
        if small.variant == "errno":
            others[0].fill()  # again and again, as what the watchdog evicts is taken too
        elif not others:
            others.append(small.upload(LIMIT - (small.reading().used_bytes or 0)))

    if small.variant == "errno":
        others.append(Other(small.disk / "other", None))
    try:
        small.segment(1000, strike)
    except StrokescopeError as error:
        assert isinstance(error, DiskFull), error
        small.told["a segmentation whose writing hit the full disk"] = f"DiskFull: {error.sentence()}"
    small.check_whole()
    return others[0]


def full_disk(small: Small, other: Other) -> None:
    """The disk is full: what is here can be seen, what is new is refused in a sentence, the record goes on."""
    here = [name for name in small.names if small.source.cached(name) == frozenset(NAMES)]
    assert here
    for name in here[-3:]:
        assert small.source.fetch(name, NAMES).from_cache
    missing = next(number for number, name in enumerate(small.names) if name not in here)
    fill_up = other.fill if small.variant == "errno" else lambda: None
    with small.still:  # nothing is evicted meanwhile
        fill_up()
        error = small.refused("opening a new case", lambda: small.look(missing, "two"))
        assert isinstance(error, DiskFull)
        fill_up()
        small.refused("segmenting", lambda: small.segment(2000))
    troubles = dict(small.recorder.troubles())
    fill_up()  # what the refused gave back
    record = small.note(EVENTS)
    newest = [event for event in record.events if event.event == "probe"][-1]
    assert newest.at >= small.noted_at
    assert record.beats[-1].at >= newest.at
    if small.variant == "errno":
        assert small.recorder.troubles().get("local ENOSPC", 0) > troubles.get("local ENOSPC", 0)
        assert record.beats[-1].errno == 28
    for _ in range(2):
        small.breaker.note_end("engine", "sub-full", "worker died")
    assert Breaker(Recorder(small.state)).state().active  # another process sees it
    small.breaker.leave()
    small.check_whole()


def main(variant: str, count: int, folder: Path) -> None:
    """One campaign."""
    mount = folder / "disk"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISKS[variant]}", "none", str(mount)], check=True)
    with HubServer() as server:
        small = Small(server, stock(server, count + 1), folder, variant)
        use(small, count)
        other = fill(small)
        full_disk(small, other)
        other.leave()
        small.room.wrote(-LIMIT)
        small.cache.let_go("one")
        small.look(count, "two")  # all is well again
        if count > 1:
            small.segment(3000)
        record = small.note(1)
        assert [event.value("number") for event in record.events if event.event == "probe"][-1] == 0.0
        small.check_whole()
        small.guard.watchdog.stop()
        small.recorder.close()
    for what, told in small.told.items():
        sys.stdout.write(f"{variant}, {what}: {told}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
