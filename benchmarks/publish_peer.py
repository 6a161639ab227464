"""python -m benchmarks.publish_peer ROWS REPO SHARDS: the same rows by `datasets.push_to_hub`, in a process of its own.

Runs where `datasets` is installed and imports nothing of ours. ROWS is a JSON file of columns (images as paths) and
their features. Prints this process's peak of memory as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path


def main(rows: str, repo: str, shards: str) -> None:
    """Push it."""
    import datasets

    told = json.loads(Path(rows).read_text())
    wanted = datasets.Features.from_dict(told["features"]["info"]["features"])
    made = datasets.Dataset.from_dict(told["columns"], features=wanted)
    made.push_to_hub(repo, num_shards=int(shards))
    status = Path("/proc/self/status").read_text()  # getrusage would begin with what our parent had
    peak = 1024 * int(re.search(r"VmHWM:\s*(\d+)", status)[1])  # type: ignore[index]
    sys.stdout.write("\n" + json.dumps({"peak": peak, "said": f"{len(made)} rows"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
