"""python -m tests.publish.dying_upload KILLS SEED FOLDER [rolling]: uploads that are killed (SIGKILL) at any moment.

Each life is a fork that uploads to a Hub in another process; or that builds, uploads and frees a few shards at a time.
After each death the staging folder must be whole, nothing may be recorded as proven that the Hub does not hold, nothing
be gone that the Hub does not hold, no shard have been committed twice, nor one that was there have been sent. Prints
the number of deaths, of uploads that came to their end, and of proven shards at each death.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from random import Random
from typing import Any

from core.hub.client import Hub
from core.hub.pushing import Pusher
from core.publish.build import build
from core.publish.plan import Plan, make_plan
from core.publish.rolling import roll
from core.publish.sending import Options
from core.publish.staging import begin
from core.publish.upload import upload
from core.publish.view import MANIFEST, View, look
from tests.publish.dying import fork
from tests.publish.staged import REPO, REVISION, contents, noise

SHARDS, SIZE = 8, 60_000


def live(plan: Plan, folder: Path, url: str, rolling: bool) -> None:
    """One run, in a process of its own."""
    hub, pusher = Hub(url, "hf_token1234"), Pusher(url, "hf_token1234")
    options = Options(files=3, slice_files=2, pause_s=0.01)
    with begin(folder, plan, REPO, REVISION) as staging:
        if rolling:
            roll(plan, staging, hub, pusher, 3 * SIZE, options)
        else:
            upload(staging, hub, pusher, options)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def check(view: View, told: Any, whole: dict[str, str], before: View | None) -> None:
    """Nothing is lost, nothing is recorded that is not so, nothing was sent that was there."""
    assert not view.damaged
    here = contents(view.folder) if (view.folder / "data").exists() else {}
    for shard in view.shards:
        name = Path(shard.name).name
        held = here.get(name) == whole[name]
        assert held or name not in here, "half of it at its place"
        if shard.state in ("proven", "freed"):
            assert told["files"].get(shard.name) == shard.sha256, "recorded as proven, and not there"
        assert held or shard.state in ("planned", "proven", "freed"), "recorded as here, and gone"
        assert held or shard.state == "planned" or told["files"].get(shard.name) == whole[name], "nowhere any more"
        if before is not None and before.shards[shard.index].state in ("proven", "freed"):
            assert shard.state in ("proven", "freed")
    assert all(count == 1 for count in told["committed"].values()), "committed twice"
    assert all(count == 1 for count in told["puts"].values()), "sent twice"


def campaign(kills: int, seed: int, folder: Path, url: str, rolling: bool) -> dict[str, int]:
    """Lives until so many of them were killed."""
    random, plan = Random(seed), make_plan(noise(folder / "source", SHARDS, SIZE, images=1), one_row_per_shard=True)
    found = {"kills": 0, "whole": 0, "proven": 0}
    staging_folder, before = anew(folder, plan, 0, url, False), None
    whole, began = contents(staging_folder), time.monotonic()
    assert end(fork(lambda: live(plan, staging_folder, url, False)), 300) == 0
    seconds = (1 + rolling) * (time.monotonic() - began)
    staging_folder = anew(folder, plan, 1, url, rolling)
    while found["kills"] < kills:
        pid = fork(lambda: live(plan, staging_folder, url, rolling))  # noqa: B023  it runs at once
        status = end(pid, random.uniform(0.1, 1.2) * seconds)
        if not (staging_folder / MANIFEST).exists():
            found["kills"] += 1
            continue
        view, told = look(staging_folder), ask(f"{url}/told")
        check(view, told, whole, before)
        before, done = view, view.counts()["proven"] + view.counts()["freed"]
        if os.WIFSIGNALED(status):
            found["kills"] += 1
            found["proven"] += done
            continue
        assert status == 0, f"a life ended with {status}"
        assert done == SHARDS == len(told["files"]) and view.counts()["freed"] == SHARDS * rolling
        found["whole"] += 1
        staging_folder, before = anew(folder, plan, 1 + found["whole"], url, rolling), None
    return found


def anew(folder: Path, plan: Plan, number: int, url: str, rolling: bool) -> Path:
    """An empty Hub, and a staging folder that is built, or is still to be."""
    ask(f"{url}/anew")
    made = folder / f"staging {number}"
    if not rolling:
        with begin(made, plan, REPO, REVISION) as staging:
            build(plan, staging)
    return made


def end(pid: int, moment: float) -> int:
    """Wait so long at most, then kill it; how it ended."""
    until = time.monotonic() + moment
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def main(kills: int, seed: int, folder: Path, rolling: bool) -> None:
    command = [sys.executable, "-P", "-m", "tests.publish.hub_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        try:
            found = campaign(kills, seed, folder, server.stdout.readline().strip(), rolling)
        finally:
            server.stdin.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:] == ["rolling"])
