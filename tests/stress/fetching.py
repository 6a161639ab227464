"""python -m tests.stress.fetching URL: fetch every case of the test Hub in processes that can be killed.

Reads lines of JSON, [folder, seconds or null]; for each, a fork of this process fetches into the folder and is killed
after so many seconds. Answers with [exit status or minus the signal, seconds it lived]. Forking saves the start of an
interpreter, and only a parent can kill without ever hitting another process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import pyarrow.parquet  # noqa: F401  (once, and not in every fork)

from core.hub.cache import Cache
from core.settings import Settings
from core.sources.hub import open_hub
from tests.hubserver.shards import COMMIT, REPO

NAMES = ("dwi", "adc", "lesion_mask")


def fetch(url: str, folder: Path) -> None:
    """All cases, one after the other."""
    settings = Settings.model_validate({"HF_ENDPOINT": url, "STROKESCOPE_CACHE_DIR": folder})
    source = open_hub(REPO, COMMIT, settings, Cache(folder))
    for case in source.refresh().cases:
        source.fetch(case.case_id, NAMES)


def forked(url: str, folder: Path, after_s: float | None) -> tuple[int, float]:
    """Fetch in a fork: (how it ended, seconds)."""
    begun, pid = time.monotonic(), os.fork()
    if pid == 0:
        try:
            fetch(url, folder)
            os._exit(0)
        finally:  # only after an exception
            traceback.print_exc()
            os._exit(1)
    while after_s is None or time.monotonic() < begun + after_s:
        ended, status = os.waitpid(pid, os.WNOHANG if after_s is not None else 0)
        if ended:
            return os.waitstatus_to_exitcode(status), time.monotonic() - begun
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), time.monotonic() - begun


def main(url: str) -> None:
    """Until stdin ends."""
    for line in sys.stdin:
        folder, after_s = json.loads(line)
        sys.stdout.write(json.dumps(forked(url, Path(folder), after_s)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
