"""python -m tests.publish.building SOURCE STAGING ROWS IMAGES: builds what `staged.noise` put into SOURCE.

Prints bytes, seconds and the peak of this process's memory. "full" after the arguments: first into a small disk that is
mounted at STAGING, which becomes larger when it is full; needs a mount namespace of its own (`unshare -Urm`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from core.errors import DiskFull
from core.publish.build import build
from core.publish.plan import Plan, make_plan
from core.publish.rows import Row
from core.publish.staging import Staging, begin
from core.publish.tree import Tree
from core.resources.child import peak_rss_mb
from tests.publish.staged import REPO, REVISION, noise_schema, ref_of

SMALL, LARGE = "9m", "200m"


def plan_of(source: Path, rows: int, images: int) -> Plan:
    """The plan of a tree of noise that lies there already, a shard a row."""
    made = []
    for row in range(rows):
        files = {f"i{at}": (ref_of(source, f"{row}/{at}.nii.gz"),) for at in range(images)}
        made.append(Row(f"row{row}", files, {"id": f"row{row}"}))
    return make_plan(Tree(source.absolute(), noise_schema(images), tuple(made)), one_row_per_shard=True)


def on_a_full_disk(plan: Plan, folder: Path) -> int:
    """Build until the disk refuses, make it larger, go on; the shards that were there when it was full."""
    mount("-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder))
    with begin(folder / "staging", plan, REPO, REVISION) as staging:
        try:
            build(plan, staging, room=lambda folder: 10**12)  # the disk itself is to say it
        except DiskFull as error:
            assert "free" in error.hint, error.hint
        else:
            raise AssertionError("the disk was not full")
        there = check(staging, folder)
    mount("-o", f"remount,size={LARGE}", str(folder))
    with begin(folder / "staging", plan, REPO, REVISION) as staging:
        done = build(plan, staging)
        assert done.again == () and len(done.made) == len(plan.shards) - there
        check(staging, folder)
    return there


def check(staging: Staging, folder: Path) -> int:
    """Exactly the shards that the record says lie there; how many."""
    there = sorted(path.name for path in folder.rglob("*.parquet") if not path.name.startswith("."))
    known = sorted(Path(shard.name).name for shard in staging.view.shards if shard.state == "built")
    assert there == known and not list(folder.rglob("*.part"))
    return len(there)


def mount(*arguments: str) -> None:
    subprocess.run(["/usr/bin/env", "mount", *arguments], check=True)


def main(source: Path, folder: Path, rows: int, images: int, full: bool) -> dict[str, float]:
    plan = plan_of(source, rows, images)
    if full:
        return {"there": on_a_full_disk(plan, folder)}
    began = time.monotonic()
    with begin(folder, plan, REPO, REVISION) as staging:
        done = build(plan, staging)
    seconds = time.monotonic() - began
    return {"bytes": done.bytes, "seconds": seconds, "peak": peak_rss_mb() * 1e6}


if __name__ == "__main__":
    told = main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == ["full"])
    sys.stdout.write(json.dumps(told))
