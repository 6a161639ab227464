"""python -m benchmarks.publish_task STEP SOURCE SCHEMA STAGING URL: one step of our way, in a process of its own.

Steps: whole (build, upload with the card, verify), rolling and checked (the same, two shards at a time, freed when they
are proven, or when they were read back as well); and alone: build, upload, verify, readback (verify that fetches
everything), validate. Prints this process's peak of memory and what was found as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core.hub.client import Hub
from core.hub.pushing import Pusher
from core.publish.build import build
from core.publish.finish import finish
from core.publish.plan import Plan, make_plan
from core.publish.rolling import roll
from core.publish.schema import schema_named
from core.publish.staging import Staging, begin
from core.publish.tree import scan
from core.publish.upload import upload
from core.publish.validate import Options, validate
from core.publish.verify import verify
from core.resources.child import peak_rss_mb

REPO, TOKEN = "owner/name", "hf_benchmark"


def run(plan: Plan, staging: Staging, url: str, steps: tuple[str, ...]) -> str:
    """These steps, one after the other; what the last one found."""
    said = ""
    hub, pusher = Hub(url, TOKEN), Pusher(url, TOKEN)
    for step in steps:
        if step in ("rolling", "checked"):
            roll(plan, staging, hub, pusher, 2 * plan.largest, read_back=step == "checked")
            finish(staging, hub, pusher)
        elif step == "build":
            said = f"{len(build(plan, staging).made)} built"
        elif step == "upload":
            done = upload(staging, hub, pusher)
            finish(staging, hub, pusher)
            said = f"{len(done.sent)} sent, {done.commits} commits"
        else:
            found = verify(staging, hub, read_back=None if step == "readback" else 0)
            assert found.ok, found
            said = f"{found.verified} of {found.shards} verified, {found.images} images compared"
    pusher.close()
    hub.close()
    return said


STEPS = {"whole": ("build", "upload", "verify"), "rolling": ("rolling", "verify"), "checked": ("checked", "verify")}
STEPS |= {step: (step,) for step in ("build", "upload", "verify", "readback")}


def main(step: str, source: str, schema: str, staging: str, url: str) -> None:
    """One step."""
    tree = scan(Path(source), schema_named(schema))
    if step == "validate":
        said = f"{validate(tree, Options(counts=False)).read} images read"
    else:
        plan = make_plan(tree)
        with begin(Path(staging), plan, REPO, "main") as folder:
            said = run(plan, folder, url, STEPS[step])
    sys.stdout.write("\n" + json.dumps({"peak": peak_rss_mb() * 1e6, "said": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
