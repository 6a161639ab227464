"""What reading the Hub costs: ours beside what users would do instead, and beside the floor, in one run.

    python -m benchmarks.hub [--quick | --repeats N] [--line loopback|WAN] [--only WORD …] [--json FILE]

On a shard of real size and on 149 shards, from two test Hubs: one on loopback, and one with 80 ms a request, 12.5 MB/s
for each answer and a 302 to a second origin ("WAN"). Each way runs in a process of its own with an empty folder; ways
and lines take turns within a repeat, so that noise of the machine meets all of them, and each way's answer is held
against the truth. Seconds are of the work alone: no interpreter start, no imports. `load_dataset` needs `datasets`:
`make benchmark` installs it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.hub_lanes import LANES, WAYS, Lane
from benchmarks.hub_report import Run, as_json, brief, detailed, judged, rows_of, targets_of
from benchmarks.hub_task import Result, Task
from benchmarks.hub_world import World, world

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 900.0
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE")  # of our environment: no token, no cache of this user's
MISSING = "skipped: datasets is not installed; `pip install -r benchmarks/requirements.txt` adds it"


class LaneFailed(Exception):
    """A way did not do its job: its last words, or what it proved instead."""


def environment(task: Task) -> dict[str, str]:
    """What a lane's process sees: everything it keeps goes into its folder."""
    own = {
        "HF_ENDPOINT": task.url,
        "HF_HOME": f"{task.folder}/hf",
        "HOME": task.folder,
        "TMPDIR": task.folder,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "NO_PROXY": "127.0.0.1",
    }
    return {name: os.environ[name] for name in KEPT if name in os.environ} | own


def run_lane(lane: Lane, task: Task) -> Result:
    """The lane in a process of its own.

    Raises:
        LaneFailed: it ended with an error, or not in time.
    """
    command = [sys.executable, "-m", "benchmarks.hub_lanes", lane.title]
    given, env = task.to_json(), environment(task)
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, text=True, cwd=ROOT, env=env, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise LaneFailed(f"{lane.title}: not done after {LIMIT_S:.0f} s") from None
    if ended.returncode:
        raise LaneFailed(f"{lane.title}: {(ended.stderr.strip() or '?').splitlines()[-1]}")
    return Result.from_json(ended.stdout.splitlines()[-1])


def disk_mb(folder: Path) -> float:
    """What the folder takes on disk, as du counts it."""
    found = {(s.st_dev, s.st_ino): s.st_blocks for path in folder.rglob("*") if (s := path.lstat())}
    return sum(found.values()) * 512 / 1e6


def measure(lane: Lane, built: World, line: str, repeat: int, folder: Path) -> Run:
    """One lane once, in a new folder that is gone afterwards.

    Raises:
        LaneFailed: also when it read something else than the truth.
    """
    folder.mkdir()
    task, hub = built.task_on(line, folder), built.hubs[line]
    try:
        if lane.prepare:
            run_lane(LANES[lane.prepare], task)
        before = disk_mb(folder)
        hub.reset_counts()
        result = run_lane(lane, task)
        if result.proof != built.truth[lane.truth]:
            raise LaneFailed(f"{lane.title}: read {result.proof[:16]} instead of {built.truth[lane.truth][:16]}")
        written = disk_mb(folder) - before
        return Run(
            line, lane.group, lane.title, repeat, result.seconds, hub.total_bytes / 1e6, hub.requests,
            result.rss_mb, max(written, 0.0),
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def turns(lanes: Sequence[Lane], lines: Sequence[str], repeats: int) -> Iterator[tuple[int, str, Lane]]:
    """Who is measured when: within a repeat lines, groups and the lanes of a group in random order."""
    dice = random.Random(7)
    for repeat in range(repeats):
        for line in dice.sample(lines, len(lines)):
            groups = list(dict.fromkeys(lane.group for lane in lanes))
            for group in dice.sample(groups, len(groups)):
                members = [lane for lane in lanes if lane.group == group]
                for lane in dice.sample(members, len(members)):
                    yield repeat, line, lane


def run_all(built: World, lanes: Sequence[Lane], lines: Sequence[str], repeats: int, folder: Path) -> list[Run]:
    """Every lane on every line, `repeats` times, sorted as the lanes are. A failure is told and ends the lane."""
    runs: list[Run] = []
    failed: set[tuple[str, str]] = set()
    for repeat, line, lane in turns(lanes, lines, repeats):
        if (line, lane.title) in failed:
            continue
        try:
            run = measure(lane, built, line, repeat, folder / "lane")
        except LaneFailed as error:
            failed.add((line, lane.title))
            print(f"FAILED {line}: {error}", file=sys.stderr, flush=True)
            continue
        print(f"{repeat} {line}: {lane.title}: {run.seconds:.2f} s", file=sys.stderr, flush=True)
        runs.append(run)
    order = {lane.title: number for number, lane in enumerate(lanes)}
    return sorted(runs, key=lambda run: (lines.index(run.line), order[run.title], run.repeat))


def chosen_lanes(words: Sequence[str]) -> list[Lane]:
    """Those whose title holds one of the words (all without words), with their floors, and that can run here."""
    wanted = [lane for lane in WAYS if not words or any(word.lower() in lane.title.lower() for word in words)]
    groups = {lane.group for lane in wanted}
    wanted = [lane for lane in WAYS if lane in wanted or (lane.group in groups and lane.title.startswith("floor"))]
    able = [lane for lane in wanted if not lane.package or importlib.util.find_spec(lane.package)]
    for lane in wanted:
        if lane not in able:
            print(f"{lane.title}: {MISSING}", file=sys.stderr)
    return able


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and which promises are kept; 1 when a lane failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--line", choices=["loopback", "WAN"], action="append")
    parser.add_argument("--only", nargs="+", default=[], help="ways whose title holds one of these words")
    parser.add_argument("--json", type=Path, help="write everything here, too")
    asked = parser.parse_args(argv)
    lanes, lines = chosen_lanes(asked.only), asked.line or ["loopback", "WAN"]
    repeats = 1 if asked.quick else asked.repeats
    with tempfile.TemporaryDirectory() as name, world(Path(name)) as built:
        runs = run_all(built, lanes, lines, repeats, Path(name))
        about: dict[str, object] = {"shard_mb": built.shard_mb, "repeats": repeats, "cores": os.cpu_count()}
    packages = ("huggingface_hub", "pyarrow", "datasets")
    about["versions"] = {name: version(name) for name in packages if importlib.util.find_spec(name)}
    rows = rows_of(runs)
    targets = targets_of(rows)
    print(f"{about}\n\n{detailed(rows)}\n### For the README\n\n{brief(rows)}\n\n{judged(targets)}")
    if asked.json:
        asked.json.write_text(as_json(about, runs, rows, targets), encoding="utf-8")
    return 0 if len(runs) == len(lanes) * len(lines) * repeats else 1


if __name__ == "__main__":
    sys.exit(main())
