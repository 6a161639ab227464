"""What is admitted in containers of several sizes, and what it really takes there: is what fits let in?

`python -m benchmarks.refusals [--small]` prints one line for each image grid, step and limit; --small leaves out the
ISLES'24 grid. Each cell is a process of its own in a real control group with that limit, which holds as much RAM as the
supervisor and the app with its pages open do, and asks the real door. What is refused is then run all the same, under
the watchdog, to see whether it would have died. Needs to be allowed to make control groups.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.segmentation_cases import cases
from core.errors import OverBudget, StrokescopeError
from core.hub.cache import Cache
from core.imaging import nifti
from core.resources import cost
from core.resources.admission import Admission
from core.resources.child import peak_rss_mb
from core.resources.cost import Step
from core.resources.disk import read_disk
from core.resources.guard import Guard, make_guard
from core.resources.line import Room
from core.resources.memory import MB
from core.resources.recorder import Recorder
from core.segmentation.engine import load_engine
from core.settings import load_settings
from core.sources.hub import open_hub
from core.sources.verified import VerifiedFiles
from core.ui.slices import load_sheet
from core.workflows import segment_case
from core.workflows.asking import Ask
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, shard
from tests.stress.groups import entering, limited_group

ROOT = Path(__file__).resolve().parents[1]
ENGINE = load_engine("diffusion").info
IDLE_MB = 260.0  # the supervisor and the app with a session (benchmarks/guard.py)
LIMITS_GIB = (0.5, 1, 2, 4, 16)
STEPS = ("fetch", "view", "segment", "score")
PLENTY = Room(0.0, 1e9, 1e9, 1e9)


@dataclass(frozen=True)
class World:
    """What a step is made of, in one folder."""

    folder: Path
    dwi: Path
    adc: Path
    truth: Path
    endpoint: str = ""

    @property
    def voxels(self) -> int:
        """Of the grid."""
        return segment_case.voxels_of(self.dwi)


def step_of(kind: str, world: World) -> Step:
    """The step as the app predicts it."""
    if kind == "fetch":
        return cost.fetch_step(world.dwi.stat().st_size)
    if kind == "view":
        return cost.view_step(world.voxels, overlay=True)
    if kind == "segment":
        return cost.engine_step(ENGINE.name, ENGINE.predict_memory_mb(world.voxels), world.voxels)
    counted = segment_case.foreground_of((world.truth, world.truth))
    return cost.score_step(world.voxels, counted)


def own_peak(work: Callable[[], object]) -> float:
    """MB that this process grows by while it works."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    before = peak_rss_mb()
    work()
    return max(0.0, peak_rss_mb() - before)


def run(kind: str, world: World, guard: Guard) -> float:
    """Do the step under the guard; its measured peak in MB."""
    out = Path(tempfile.mkdtemp(dir=world.folder))
    if kind == "segment":
        files = VerifiedFiles()
        inputs = {"dwi": files.verify(world.dwi), "adc": files.verify(world.adc)}
        return segment_case.segment(guard.settings, Ask("diffusion", inputs), out, guard=guard).peak_rss_mb
    if kind == "score":
        segment_case.score(guard.settings, world.truth, world.truth, out / "overlap.nii.gz", guard=guard)
        return guard.ledger.entries()[-1].used_mb
    with guard.enter(step_of(kind, world), kind):
        if kind == "view":
            return own_peak(lambda: load_sheet(world.dwi, world.truth))
        source = open_hub(REPO, COMMIT, guard.settings, Cache(out))
        return own_peak(lambda: source.fetch("sub-a", ["dwi"]))


def inside(kind: str, world: World) -> dict[str, Any]:
    """In the group: hold what the app holds, ask the door, do the step whatever it says."""
    settings = load_settings().model_copy(update={"cache_dir": world.folder, "state_dir": world.folder / "state"})
    settings = settings.model_copy(update={"hf_endpoint": world.endpoint or settings.hf_endpoint})
    found = read_disk(settings, None)
    said: dict[str, Any] = {}
    with Recorder(settings.state_dir, role="command") as recorder:
        guard = make_guard(settings, recorder, lambda: found)
        memory = guard.admission.check(Step("view", "", 0.0))[0]
        used_mb = 0.8 * memory.limit_mb - memory.free_mb
        ballast = np.ones(max(0, int((IDLE_MB - used_mb) * MB)), np.uint8)
        step = step_of(kind, world)
        said |= {"predicted": step.memory_mb, "needed": guard.admission.check(step)[0].needed_mb}
        said["admitted"] = True
        opened = replace(guard, admission=Admission(lambda: PLENTY, guard.ledger))
        guard.watchdog.start()
        try:
            try:
                said["peak"] = run(kind, world, guard)
            except OverBudget:
                said |= {"admitted": False, "end": "the whole container died"}
                print(json.dumps(said), flush=True)  # it may be the last word
                said["peak"] = run(kind, world, opened)
            said["end"] = "done"
        except StrokescopeError as error:
            said["end"] = f"{type(error).__name__}: {error}"
        finally:
            guard.watchdog.stop()
        del ballast
    return said


def measured(kind: str, world: World, gib: float) -> dict[str, Any]:
    """One cell of the table; {} where no group can be made."""
    with limited_group(int(gib * (1 << 30))) as group:
        if group is None:
            return {}
        paths = (world.folder, world.dwi, world.adc, world.truth)
        command = [sys.executable, "-m", "benchmarks.refusals", "inside", kind, *map(str, paths), world.endpoint]
        done = subprocess.run([*entering(group), *command], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() or ['{"end": "it did not begin"}']
    said: dict[str, Any] = json.loads(lines[-1])
    return said


def worlds(folder: Path, largest: bool) -> Iterator[tuple[str, World]]:
    """The grids; the real case has no truth here, so its own DWI's brightest voxels stand for one."""
    for number, (title, inputs, truth) in enumerate(cases(folder, largest)):
        if title == "upright head" and (folder / "truth.nii.gz").exists():
            continue  # the smaller of the two heads is the sample's grid
        path, own = folder / "truth.nii.gz", folder / str(number)
        own.mkdir()
        if truth is None:
            volume = nifti.read_volume(inputs["dwi"])
            bright = volume.data > np.quantile(volume.data, 0.98)
            nifti.write_volume(replace(volume, data=bright.astype(np.float32)), folder / "bright.nii.gz")
            path = folder / "bright.nii.gz"
        else:
            nifti.write_mask(truth, path, like=inputs["dwi"])
        yield title.replace("upright head", "sample grid"), World(own, inputs["dwi"], inputs["adc"], path)


def main(largest: bool) -> None:
    """Print the table, in Markdown."""
    print("| grid | step | limit | predicted MB | measured MB | door | what happened |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, HubServer() as server:
        for title, plain in worlds(Path(name), largest):
            one = Case("sub-a", {"dwi": plain.dwi.read_bytes()})
            server.add_dataset(REPO, COMMIT, {"data/train-00000-of-00001.parquet": shard([one], columns=["dwi"])})
            world = replace(plain, endpoint=server.url)
            for kind in STEPS:
                for gib in LIMITS_GIB:
                    said = measured(kind, world, gib)
                    peak = f"{said['peak']:.0f}" if "peak" in said else "–"
                    door = {True: "admitted", False: "refused", None: "–"}[said.get("admitted")]
                    print(
                        f"| {title} | {kind} | {gib:g} GiB | {said.get('predicted', 0):.0f} | {peak} | {door} "
                        f"| {said.get('end', 'no control group')} |",
                        flush=True,
                    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        kind, folder, dwi, adc, truth, endpoint = sys.argv[2:]
        print(json.dumps(inside(kind, World(Path(folder), Path(dwi), Path(adc), Path(truth), endpoint))))
    else:
        main("--small" not in sys.argv)
