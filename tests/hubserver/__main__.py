"""python -m tests.hubserver --port 8799: serve 149 small shards as the pinned dataset until interrupted.

Then: HF_ENDPOINT=http://127.0.0.1:8799 make run
"""

from __future__ import annotations

import argparse
import sys
import threading

from core.settings import PINNED_REPO, PINNED_REVISION
from tests.hubserver.server import HubServer
from tests.hubserver.shards import isles24


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.hubserver", description="A Hub on loopback.")
    parser.add_argument("--port", type=int, default=8799)
    parser.add_argument("--dataset", choices=["isles24"], default="isles24")
    parser.add_argument("--size", choices=["small"], default="small")
    parser.add_argument("--redirect", action="store_true", help="answer files by way of a second origin")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--bandwidth", type=float, default=None, help="bytes per second of each answer")
    chosen = parser.parse_args()
    try:
        server = HubServer(chosen.redirect, latency_s=chosen.latency, bandwidth=chosen.bandwidth, port=chosen.port)
    except OSError:  # whatever answers there is not us: asking it would show another server's cases
        sys.exit(f"error: port {chosen.port} is taken; choose another one with --port")
    files = isles24()
    with server as hub:
        hub.add_dataset(PINNED_REPO, PINNED_REVISION, dict(files))
        sys.stderr.write(f"HF_ENDPOINT={hub.url} serves {PINNED_REPO} with {len(files)} shards; Ctrl-C ends it\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
