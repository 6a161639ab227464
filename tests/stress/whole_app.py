"""The real app with a side door: Home's own `app`, and a thread that lets tests run eaters under the app's own guard.

For uvicorn. GET /KIND/PACE/NAME/CASE[/auto] on the port STROKESCOPE_SIDE_DOOR runs one eater (eaters.py) in the step
"engine", as if no person had asked for it with "auto", and answers with how it ended, as JSON. STROKESCOPE_LOADS is
"app:CASE" or "container:CASE": when the app starts it loads that case by itself, which kills it, or its supervisor too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from core.errors import Quarantined, StrokescopeError, WorkerDied
from core.resources.child import child_env, run_child
from core.resources.cost import Step
from core.resources.record import read_record
from core.ui import loaders
from tests.stress.eaters import EATERS

PREDICTED_MB = 100.0  # so that it is let in; it takes more


def run(kind: str, pace: str, name: str, case: str, auto: str = "") -> dict[str, Any]:
    """One job from the door to its end, as a page's job goes."""
    guard, said = loaders.guard(), dict[str, Any]()
    step = Step("engine:eater", f"eating with {kind}", PREDICTED_MB, heavy=True, case=case)
    try:
        with guard.enter(step, "engine", automatic=bool(auto)) as worker:
            code = [sys.executable, "-I", "-c", EATERS[kind], pace, name]
            env, backstop = child_env(), worker.backstop_mb
            end = run_child(
                code, lambda line: None, lambda: False, 300, env, on_handle=worker.attach, address_space_mb=backstop
            )
            said |= {"rc": end.returncode, "stderr": end.stderr_tail[-500:], "seconds": end.seconds}
            error = worker.ended(end)
            if error is not None or end.returncode:
                raise error or WorkerDied("the eater died", hint="choose another one")
    except StrokescopeError as error:
        said |= {"told": error.sentence(), "class": type(error).__name__}
    return {**said, "safe_mode": loaders.breaker().state().active, "ram": loaders.sampler().sample().memory.fraction}


class Door(BaseHTTPRequestHandler):
    """Runs what it is asked for."""

    def do_GET(self) -> None:
        words = [unquote(part) for part in self.path.removeprefix("/").split("/")]
        body = json.dumps(run(*words)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def load(word: str) -> None:
    """What the app of the seed did: it loads a case by itself, and dies of it."""
    what, _, case = word.partition(":")
    state_dir, here = loaders.settings().state_dir, os.getpid()
    with (
        suppress(Quarantined),
        loaders.guard().enter(Step("fetch", "loading", PREDICTED_MB, case=case), "fetch", automatic=True),
    ):
        while not any(e.event == "phase begin" and e.pid == here for e in read_record(state_dir).events):
            time.sleep(0.05)  # until the disk has it, however busy the machine is
        if what == "container":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


if loads := os.environ.get("STROKESCOPE_LOADS"):
    load(loads)  # before there is a page, as the seed's app did
app = import_module("Home").app
if port := os.environ.get("STROKESCOPE_SIDE_DOOR"):
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Door)
    threading.Thread(target=server.serve_forever, daemon=True, name="side-door").start()
