"""python -m tests.publish.whole_way SOURCE STAGING ROWS IMAGES URL WINDOW: builds, sends and reads back.

SOURCE is what `staged.noise` made. WINDOW 0 keeps the whole staging folder; another number is the bytes of a rolling
one. Prints what came of it, the seconds of each step and the peak of this process's memory as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from core.hub.client import Hub
from core.hub.pushing import Pusher
from core.publish.build import build
from core.publish.finish import finish
from core.publish.rolling import roll
from core.publish.staging import begin
from core.publish.upload import upload
from core.publish.verify import verify
from core.resources.child import peak_rss_mb
from tests.publish.building import plan_of
from tests.publish.staged import REPO, REVISION

TOKEN = "hf_writewritewrite"


def main(source: Path, folder: Path, rows: int, images: int, url: str, window: int) -> dict[str, float]:
    plan = plan_of(source, rows, images)
    hub, pusher = Hub(url, TOKEN), Pusher(url, TOKEN)
    marks = [time.monotonic()]
    with begin(folder, plan, REPO, REVISION) as staging:
        if window:
            roll(plan, staging, hub, pusher, window, read_back=True)
        else:
            build(plan, staging)
            marks.append(time.monotonic())
            upload(staging, hub, pusher)
        finish(staging, hub, pusher)
        marks.append(time.monotonic())
        listed = verify(staging, hub)
        marks.append(time.monotonic())
        found = verify(staging, hub, read_back=None)
        marks.append(time.monotonic())
        bytes_ = sum(shard.bytes for shard in staging.view.shards)
    assert listed.ok and found.ok and found.images == rows * images
    steps = dict(zip(("build_s", "upload_s", "verify_s", "readback_s")[-len(marks) + 1 :], _steps(marks), strict=True))
    return {"bytes": bytes_, "peak": peak_rss_mb() * 1e6, "verified": found.verified, **steps}


def _steps(marks: list[float]) -> list[float]:
    return [round(after - before, 2) for before, after in pairwise(marks)]


if __name__ == "__main__":
    place, staging_folder, many, each, address, rolled = sys.argv[1:]
    told = main(Path(place), Path(staging_folder), int(many), int(each), address, int(rolled))
    sys.stdout.write(json.dumps(told))
