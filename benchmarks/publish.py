"""Publishing, measured against what owners would do instead, as Markdown: python -m benchmarks.publish [--quick]

The same trees to the same local Hub: our whole way (build, upload, verify), its steps alone, and
`datasets.push_to_hub`, each a whole process and in turns. `datasets` runs in this Python, or in the one that
STROKESCOPE_DATASETS_PYTHON names; without it, ours alone. MB are 1e6 bytes; the disk is the most that lay there beside
the source at a time. Keeps no files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.publish_task import REPO, TOKEN
from benchmarks.publish_world import Source, arc, isles24
from tests.hubserver import HubServer

PYTHON = os.environ.get("STROKESCOPE_DATASETS_PYTHON", sys.executable)
HEAD = ("tree", "way", "s", "MB/s", "peak RSS MB", "peak disk MB", "requests", "sent MB", "fetched MB", "found")
ONCE = ("rolling", "checked")
OURS = ("build", "upload", "verify", "readback")
TITLES = {
    "whole": "ours: build, upload, verify",
    "rolling": "ours, rolling: two shards at a time",
    "checked": "ours, rolling, each read back before it is freed",
    "build": "– build alone",
    "upload": "– upload alone",
    "verify": "– verify alone",
    "readback": "– verify, every shard read back",
    "validate": "– validate alone, every image",
    "peer": "datasets.push_to_hub (no check)",
}


@dataclass(frozen=True)
class Measured:
    """One way, once."""

    seconds: float
    peak: float
    disk: int
    requests: int
    sent: int
    fetched: int
    said: str


def main(argv: list[str]) -> int:
    """Print the tables; 1 if a way failed that should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args(argv)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, loopback\n", flush=True)
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), flush=True)
    ways = ["whole"] + ["peer"] * _has_datasets()
    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate(_sources(Path(folder), chosen.quick)):
            runs: dict[str, list[Measured]] = {}
            for repeat in range(1 if chosen.quick else chosen.repeats):
                for way in ways if repeat % 2 else ways[::-1]:
                    runs.setdefault(way, []).append(_whole(way, source, Path(folder) / f"run {number}-{repeat}-{way}"))
            steps = {way: _whole(way, source, Path(folder) / f"run {number}-{way}") for way in ONCE}
            steps |= _steps(source, Path(folder) / f"steps {number}")
            for way in ways:
                print(_row(source, way, runs[way]), flush=True)
            for step, found in steps.items():
                print(_row(source, step, [found]), flush=True)
            if "peer" in ways:
                print(_ratios(source, runs), flush=True)
            shutil.rmtree(source.folder)
    return 0


def _sources(folder: Path, quick: bool) -> Iterator[Source]:
    yield arc(folder / "arc", 6 if quick else 24)
    yield isles24(folder / "isles24", 1 if quick else 4)


def _has_datasets() -> bool:
    return not subprocess.run([PYTHON, "-c", "import datasets, nibabel"], capture_output=True).returncode


def _whole(way: str, source: Source, folder: Path) -> Measured:
    with HubServer() as hub:
        found = _measure(way, source, hub, folder)
        files = hub.datasets[REPO].files
        held = sum(file.size for path, file in files.items() if path.endswith(".parquet"))
        assert held >= source.bytes, f"{way} published {held} bytes of {source.bytes}"
    shutil.rmtree(folder)
    return found


def _steps(source: Source, folder: Path) -> dict[str, Measured]:
    with HubServer() as hub:
        found = {step: _measure(step, source, hub, folder) for step in OURS}
        found["validate"] = _measure("validate", source, hub, folder)
    shutil.rmtree(folder)
    return found


def _measure(way: str, source: Source, hub: HubServer, folder: Path) -> Measured:
    """One process, with a Hub and a folder for everything it writes."""
    folder.mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    hub.reset_counts()
    hub.writes.received.clear()
    ours = [sys.executable, "-P", "-m", "benchmarks.publish_task", way, str(source.folder), source.schema]
    peer = [PYTHON, str(Path(__file__).with_name("publish_peer.py")), str(source.rows), REPO, str(source.shards)]
    command = peer if way == "peer" else [*ours, str(folder / "staging"), hub.url]
    place = {"TMPDIR": str(folder / "tmp"), "HOME": str(folder), "HF_HOME": str(folder / "hf"), "PATH": ""}
    place |= {"PYTHONPATH": str(Path(__file__).parents[1])} if way != "peer" else {}
    hub_settings = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    begun = time.perf_counter()
    with _watching(folder) as disk:
        done = subprocess.run(command, env=place | hub_settings, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"{way} ended with {done.returncode}")
    told = json.loads(done.stdout.rpartition("\n")[2])
    sent, fetched = sum(hub.writes.received.values()), hub.total_bytes
    return Measured(seconds, told["peak"], disk[0], hub.requests, sent, fetched, told["said"])


@contextmanager
def _watching(folder: Path) -> Iterator[list[int]]:
    """The most bytes that lay in the folder meanwhile, beyond those that were there."""
    most, stop, before = [0], threading.Event(), _size(folder)

    def watch() -> None:
        while not stop.wait(0.05):
            most[0] = max(most[0], _size(folder) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def _size(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # gone meanwhile
                total += (Path(where) / name).lstat().st_blocks * 512
    return total


def _row(source: Source, way: str, runs: list[Measured]) -> str:
    seconds, peak, disk = (median(getattr(run, name) for run in runs) for name in ("seconds", "peak", "disk"))
    last = runs[-1]
    cells = [source.title, TITLES[way], f"{seconds:.1f}", f"{source.bytes / 1e6 / seconds:.0f}", f"{peak / 1e6:.0f}"]
    cells += [f"{disk / 1e6:.0f}", str(last.requests), f"{last.sent / 1e6:.0f}", f"{last.fetched / 1e6:.1f}", last.said]
    return "| " + " | ".join(cells) + " |"


def _ratios(source: Source, runs: dict[str, list[Measured]]) -> str:
    """Ours as a part of theirs: medians of the pairs of one repeat."""
    pairs = list(zip(runs["whole"], runs["peer"], strict=True))
    names = ("seconds", "peak", "disk")
    seconds, peak, disk = (f"× {median(getattr(a, n) / max(1, getattr(b, n)) for a, b in pairs):.2f}" for n in names)
    return "| " + " | ".join([source.title, "ours / theirs", seconds, "", peak, disk, "", "", "", ""]) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
