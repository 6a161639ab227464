"""python -m tests.publish.dying KILLS SEED FOLDER: builds that are killed (SIGKILL) at random moments and gone on with.

Each life is a fork that takes shards through all their states; it is ended at a random call of a Python or C function
(odd lives) or after a random time (even lives). After each death the folder must hold what its record says and no step
may be undone. Prints the number of deaths, of lives that came to their end, and of shards that were made in vain.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow.parquet  # noqa: F401  before the forks, which are many

from core.publish.build import build
from core.publish.plan import Plan, make_plan
from core.publish.records import STATES
from core.publish.staging import begin
from core.publish.view import MANIFEST, View, look
from tests.publish.staged import REPO, REVISION, noise

ROWS, SIZE = 4, 300_000
ROLLING = (0, 3)  # shards that are freed as soon as they are proven


def live(plan: Plan, folder: Path) -> None:
    """One run: build each shard, have it proven, free some."""
    with begin(folder, plan, REPO, REVISION) as staging:
        for index in range(len(plan.shards)):
            build(plan, staging, only=[index])
            if staging[index].state == "built":
                staging.sent([index])
            staging.proven({index: (staging[index].bytes, staging[index].sha256)})
            if index in ROLLING:
                staging.free(index)


def die_at_call(number: int) -> None:
    """End this process at so many calls from now."""
    left = [number]

    def count(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def fork(work: Callable[[], None]) -> int:
    """A child that does the work and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        sys.setprofile(None)
        os._exit(0)
    finally:
        sys.setprofile(None)
        os._exit(1)


def count_calls(plan: Plan, folder: Path) -> tuple[int, float]:
    """What a whole life takes: calls and seconds."""
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    began = time.monotonic()
    sys.setprofile(count)
    live(plan, folder)
    sys.setprofile(None)
    return calls[0], time.monotonic() - began


def check(view: View, before: View | None, sums: dict[str, str]) -> None:
    """The record is whole, the folder holds what it says, nothing went back."""
    assert not view.damaged
    for shard in view.shards:
        place = view.place(shard.index)
        if shard.state in ("built", "sent"):
            assert place.exists() and shard.sha256 == sums[shard.name], shard.state
        if place.exists():
            assert hashlib.sha256(place.read_bytes()).hexdigest() == sums[shard.name], "half of it at its place"
        if shard.state == "proven" and not place.exists():
            assert shard.index in ROLLING
        if before is not None:
            assert STATES.index(shard.state) >= STATES.index(before.shards[shard.index].state)


def campaign(kills: int, seed: int, folder: Path) -> dict[str, int]:
    """Lives until so many of them were killed."""
    random, plan = Random(seed), make_plan(noise(folder / "source", ROWS, SIZE), one_row_per_shard=True)
    with begin(folder / "whole", plan, REPO, REVISION) as staging:
        build(plan, staging)
    sums = {shard.name: shard.sha256 for shard in look(folder / "whole").shards}
    calls, seconds = count_calls(plan, folder / "counted")
    found = {"kills": 0, "whole": 0, "wasted": 0}
    life, before = 0, None
    while found["kills"] < kills:
        life += 1
        staging_folder = folder / f"staging-{found['whole']}"
        at_call, moment = random.randrange(1, calls), random.uniform(0, seconds)
        status = end_of_life(plan, staging_folder, at_call if life % 2 else None, moment)
        assert status == 0 or os.WIFSIGNALED(status), f"life {life} ended with {status}"
        if not (staging_folder / MANIFEST).exists():
            found["kills"] += 1
            continue
        view = look(staging_folder)
        check(view, before, sums)
        parts = list(staging_folder.rglob("*.part"))
        assert len(parts) <= 1
        found["wasted"] += len(parts)
        if status:
            found["kills"] += 1
            before = view
        else:
            assert not parts and all(s.state == ("freed" if s.index in ROLLING else "proven") for s in view.shards)
            found["whole"] += 1
            before = None
    return found


def end_of_life(plan: Plan, folder: Path, at_call: int | None, moment: float) -> int:
    """Fork a life that is killed at a call or a moment, or comes to its end before; how it ended."""

    def work() -> None:
        if at_call is not None:
            die_at_call(at_call)
        live(plan, folder)

    pid = fork(work)
    if at_call is None:
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(campaign(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
