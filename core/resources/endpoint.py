"""The endpoint: /health and /metrics over HTTP from a thread of the supervisor, which answers while the app is busy.

Standard library only; on this computer alone unless a setting says otherwise. Answers with what it is given and knows
nothing of the app. A port that is taken costs the endpoint, never the app.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core.errors import BadSettings
from core.resources.metrics import CONTENT_TYPE

LOG = logging.getLogger("strokescope.endpoint")
LOCAL, EVERYWHERE = "127.0.0.1", "0.0.0.0"
TIMEOUT_S = 5.0  # for one slow client
AT_ONCE = 16
Address = tuple[str, int]


def address_of(setting: str, app_port: int) -> Address | None:
    """Where to listen: "PORT", "HOST:PORT", "off", or by default the port after the app's; None for nowhere.

    Raises:
        BadSettings: the setting is none of these.
    """
    text = setting.strip()
    if text.lower() in ("off", "none", "0"):
        return None
    if not text:
        return (LOCAL, app_port + 1) if app_port < 65535 else None
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        hint = 'write a port, HOST:PORT such as 0.0.0.0:9100, or "off"'
        raise BadSettings(f"STROKESCOPE_HEALTH_PORT is {text!r}, which is no port", hint=hint)
    return host.strip("[]") or LOCAL, int(port)


class Endpoint:
    """A small HTTP server.

    Args:
        health: gives whether all is well (200 or 503) and the JSON for /health.
        metrics: gives the text for /metrics.
    """

    def __init__(self, health: Callable[[], tuple[bool, Mapping[str, Any]]], metrics: Callable[[], str]) -> None:
        self._health, self._metrics = health, metrics
        self._server: ThreadingHTTPServer | None = None

    def start(self, address: Address) -> bool:
        """Listen; False, with a line in the log, when the port cannot be had."""
        try:
            self._server = _Server(address, self._handler())
        except OSError as error:
            LOG.warning("no health endpoint: port %d cannot be used (%s)", address[1], error.strerror)
            return False
        threading.Thread(target=self._server.serve_forever, args=(0.5,), name="endpoint", daemon=True).start()
        LOG.info("health and metrics on port %d", self._server.server_address[1])
        return True

    @property
    def port(self) -> int | None:
        """The port it has."""
        return None if self._server is None else int(self._server.server_address[1])

    def stop(self) -> None:
        """End it."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/health":
            well, said = self._health()
            return 200 if well else 503, "application/json", json.dumps(said, allow_nan=False).encode() + b"\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE, self._metrics().encode()
        return 404, "text/plain; charset=utf-8", b"there are /health and /metrics\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S
            server_version, sys_version = "strokescope", ""

            def do_GET(self) -> None:
                code, kind, body = answer(self.path.partition("?")[0])
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Scrapes are no news."""

        return Handler


class _Server(ThreadingHTTPServer):
    """At most AT_ONCE clients at a time; one that goes away is no news."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Address, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(timeout=TIMEOUT_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("a client went away")
