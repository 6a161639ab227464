"""Real kills in a real control group: the worker goes, the app stays and answers, and both know why.

A stand-in app with the watchdog runs in a group of its own; its worker takes memory slowly or fast, in Python,
numpy, C, through mmap, /dev/shm, children and (in the campaign) torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.stress.campaign import play, sizes
from tests.stress.groups import entering, limited_group

ROOT = Path(__file__).resolve().parents[2]
SMALL, LARGE = 256 << 20, 1 << 30
KINDS = ("python", "shm", "c", "numpy", "mmap", "children")
PACES = ("60", "400", "100000")  # MB/s: slow, fast, as fast as it goes
WITHIN_S, WITHIN_BUSY_S = 1.0, 20.0  # what is promised; and what a sample on a busy machine may take


@sizes(sample=3, campaign=50)
def test_the_worker_dies_and_the_app_knows_why(tmp_path: Path, count: int) -> None:
    ends: Counter[str] = Counter()
    slowest: list[float] = []

    def one(number: int, random: Random) -> None:
        kinds = (*KINDS, "torch") if count > 3 else KINDS
        kind, pace = kinds[number % len(kinds)], random.choice(PACES if count > 3 else PACES[1:])
        limit = LARGE if kind == "torch" or (count > 3 and number % 5 == 0) else SMALL
        folder = tmp_path / f"strokescope-{number}-{tmp_path.name}"
        folder.mkdir()
        with limited_group(limit) as group:
            if group is None:
                pytest.skip("no control group can be made here")
            end, longest = run_app(group, folder, kind, pace)
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        assert end["limit"] == limit
        assert end["rc"] == -9, end
        assert end["watchdog"] or end["kernel_kills"] >= 1, end
        assert end["watchdog"] == any(event["event"] == "kill_intent" for event in events)
        assert "RAM" in end["told"]
        assert end["used_after"] < 0.7, end  # /dev/shm too
        assert not Path("/dev/shm", folder.name).exists()
        slowest.append(longest)
        ends[f"{'watchdog ' + end['reason'] if end['watchdog'] else 'kernel'}, {pace} MB/s"] += 1

    play(count, one)
    sys.stderr.write(f"\n{dict(ends)}, slowest health answer {max(slowest):.3f} s\n")
    assert max(slowest) < (WITHIN_S if count > 3 else WITHIN_BUSY_S)


def run_app(group: Path, folder: Path, kind: str, pace: str) -> tuple[dict[str, Any], float]:
    """The end that the app tells, and its slowest health answer."""
    command = [*entering(group), sys.executable, "-m", "tests.stress.guarded_app", str(folder), kind, pace]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdin is not None and app.stdout is not None
        port = int(json.loads(app.stdout.readline())["port"])
        stop, times = threading.Event(), [0.0]
        poller = threading.Thread(target=poll, args=(port, stop, times), daemon=True)
        poller.start()
        try:
            line = app.stdout.readline()
        finally:
            stop.set()
            poller.join(60)
            app.stdin.close()
        assert line, f"the app died with {app.wait(60)}"
        assert app.wait(60) == 0
    end: dict[str, Any] = json.loads(line)["end"]
    return end, max(times)


def poll(port: int, stop: threading.Event, times: list[float]) -> None:
    """Ask for health every 50 ms; a question without an answer takes for ever."""
    while not stop.wait(0.05):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
                assert answer.read() == b"ok"
            times.append(time.monotonic() - began)
        except OSError:
            times.append(float("inf"))
