"""python -m tests.hub.other_process URL FOLDER CASE: fetch a case's default images in a process of its own.

Says what it cost as JSON: [requests, bytes].
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.hub.cache import Cache
from core.settings import Settings
from core.sources.hub import open_hub
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO

ROOT = Path(__file__).parents[2]
NAMES = ("dwi", "adc", "lesion_mask")


@contextmanager
def fetching(server: HubServer, folder: Path, case_id: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that fetches; it is gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "-m", "tests.hub.other_process", server.url, str(folder), case_id],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ.get("PATH", "")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def main(url: str, folder: str, case_id: str) -> None:
    """Fetch."""
    settings = Settings.model_validate({"HF_ENDPOINT": url, "STROKESCOPE_CACHE_DIR": folder})
    fetched = open_hub(REPO, COMMIT, settings, Cache(Path(folder))).fetch(case_id, NAMES)
    assert set(fetched.files) == set(NAMES)
    sys.stdout.write(json.dumps([fetched.requests, fetched.bytes_fetched]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
