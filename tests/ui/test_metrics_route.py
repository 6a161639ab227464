"""The app's own /metrics: the format's rules, numbers only, and a switch."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from core.resources.cost import fetch_step
from core.ui import loaders, metrics_route

LINE = re.compile(r'strokescope_[a-z_]+(?:\{[a-z]+="[a-z ]+"\})? -?[0-9.e+-]+')


def ask(path: str = "/metrics") -> tuple[int, str, str]:
    """Status, kind and body of one request, straight into the application."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    scope |= {"query_string": b"", "root_path": "", "http_version": "1.1", "server": ("t", 80), "scheme": "http"}
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    asyncio.run(Starlette(routes=metrics_route.routes())(scope, receive, send))
    head = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], head["content-type"], b"".join(m.get("body", b"") for m in said).decode()


@contextmanager
def quiet() -> Iterator[None]:
    """Ends the threads that the app's objects began."""
    try:
        yield
    finally:
        loaders.guard().watchdog.stop()
        loaders.sampler().stop()


def test_numbers_and_no_names(world: Path) -> None:
    with quiet():
        inside, leave = threading.Event(), threading.Event()

        def step() -> None:
            with loaders.guard().admission.enter(fetch_step(10, "fetching", "sub-secret0001"), "anna"):
                inside.set()
                leave.wait(60)

        thread = threading.Thread(target=step)
        thread.start()
        assert inside.wait(60)
        loaders.sessions().arrive("a-session", "anna")
        code, kind, text = ask()
        leave.set()
        thread.join(60)
    assert code == 200
    assert kind.startswith("application/openmetrics-text")
    values = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in values), values
    assert text.endswith("# EOF\n")
    for line in ("steps_running 1", "steps_waiting 0", "safe_mode 0", "sessions 1", 'watchdog_rung{of="ram"} 0'):
        assert f"strokescope_{line}" in values
    assert any(line.startswith("strokescope_memory_limit_bytes ") for line in values)
    for word in ("secret", "anna", "a-session", str(world)):
        assert word not in text


def test_the_switch(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKESCOPE_METRICS", "off")
    assert ask()[0] == 404
