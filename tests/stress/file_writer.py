"""Writes a file, then reads it twice, under the watchdog's eyes: `python -m tests.stress.file_writer PATH MB`.

Prints {"highest": fraction of the limit, "working_set": the same with active page cache, "charged": with all of it,
"events": […], "limit": bytes}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from core.resources.cgroup import read_groups
from core.resources.light import LightMemory
from core.resources.watchdog import Watchdog
from core.settings import load_settings


class Handle:
    """This very process as the worker; it is not to be killed."""

    pid = os.getpid()

    def kill(self) -> bool:
        """Remembered by the event alone."""
        return False


def main(path: Path, megabytes: int) -> None:
    settings = load_settings()
    read, events = LightMemory(settings), list[str]()
    dog = Watchdog(read, record=lambda event, **facts: events.append(str(facts.get("rung", event))))
    highest = working_set = charged = 0.0

    def measure() -> None:
        nonlocal highest, working_set, charged
        now = read()
        highest = max(highest, now.fraction)
        working_set = max(working_set, (now.working_set_bytes or 0) / now.limit_bytes)
        groups = read_groups(settings.cgroup_root)
        charged = max([charged, *((g.current_bytes or 0) / g.limit_bytes for g in groups if g.limit_bytes)])

    dog.start()
    piece = os.urandom(1 << 20)
    with dog.watch("writing") as job:
        job.attach(Handle())
        with path.open("wb") as out:
            for number in range(megabytes):
                out.write(piece)
                if number % 16 == 0:
                    measure()
        for _ in range(2):
            with path.open("rb", buffering=0) as back:
                while back.read(1 << 20):
                    if time.monotonic_ns() % 16 == 0:
                        measure()
            measure()
    dog.stop()
    told = {"highest": highest, "working_set": working_set, "charged": charged, "events": events}
    sys.stdout.write(json.dumps({**told, "limit": read().limit_bytes}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
