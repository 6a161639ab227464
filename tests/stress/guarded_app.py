"""A stand-in for the app: a health endpoint, the watchdog, and one worker that takes memory until it is stopped.

`python -m tests.stress.guarded_app FOLDER WORKLOAD PACE` prints {"port": …}, then {"end": …}, and goes when its stdin
ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from core.resources.child import child_env, run_child
from core.resources.light import LightMemory
from core.resources.watchdog import Watchdog
from core.settings import load_settings
from tests.stress.eaters import EATERS


class Health(BaseHTTPRequestHandler):
    """Answers everything with ok."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Record:
    """Appends events to a file, fsynced."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, event: str, **facts: object) -> None:
        os.write(self._handle, (json.dumps({"event": event, **facts}) + "\n").encode())
        os.fsync(self._handle)


def say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(folder: Path, workload: str, pace: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(port=server.server_address[1])
    read = LightMemory(load_settings())
    shared = Path("/dev/shm", folder.name)  # stands for a container's own /dev/shm
    shared.mkdir()
    dog = Watchdog(read, record=Record(folder / "events.jsonl"), shm_root=shared, alone=True)
    dog.start()
    code = [sys.executable, "-I", "-c", EATERS[workload], pace, folder.name]
    with dog.watch(workload) as job:
        end = run_child(code, lambda line: None, lambda: False, 300, child_env(), on_handle=job.attach)
        error = job.ended(end)
    shared.rmdir()  # fails if something was left
    after = read()
    say(
        end={
            "rc": end.returncode,
            "watchdog": job.killed is not None,
            "reason": job.killed.reason if job.killed else "",
            "kernel_kills": job.kernel_kills,
            "told": "" if error is None else error.sentence(),
            "stderr": end.stderr_tail[-500:],
            "used_after": after.fraction,
            "limit": after.limit_bytes,
        }
    )
    sys.stdin.read()
    dog.stop()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
