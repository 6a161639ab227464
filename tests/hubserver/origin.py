"""Origin: one address of the test Hub: receives requests, counts them, sends answers, with the faults of both."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

from tests.hubserver.answers import Answer, answer_for
from tests.hubserver.faults import Fault
from tests.hubserver.seen import Seen

if TYPE_CHECKING:
    from tests.hubserver.server import HubServer

_BLOCK = 65536


class Origin(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, hub: HubServer, origin: str, port: int) -> None:
        self.hub, self.origin = hub, origin
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def verify_request(self, request: object, client_address: object) -> bool:
        return not self.hub.refuses

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """End every conversation."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what we test."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm: ClassVar[bool] = True
    server: Origin

    def do_GET(self) -> None:
        self._serve(body=b"")

    def do_HEAD(self) -> None:
        self._serve(body=b"")

    def do_POST(self) -> None:
        self._serve(body=self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_PUT(self) -> None:
        self._serve(body=None)

    def _received(self, fault: Fault | None) -> bytes | None:
        """The body of an upload, counted as it comes; None if the connection was torn on purpose."""
        size, body = int(self.headers.get("Content-Length") or 0), bytearray()
        oid = self.path.split("/")[2]
        torn = fault is not None and fault.kind == "tear"
        while len(body) < (size // 2 if torn else size):
            block = self.rfile.read(min(_BLOCK, size - len(body)))
            if not block:
                raise ConnectionResetError
            body += block
            with self.server.hub.lock:
                self.server.hub.writes.received[oid] += len(block)
        if torn:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        return None if torn else bytes(body)

    def _serve(self, body: bytes | None) -> None:
        hub = self.server.hub
        path = self.path.partition("?")[0]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        with hub.lock:
            hub.counts[path] += 1
            asked = self.headers.get("Range")
            hub.seen.append(
                Seen(self.command, self.path, asked, token is not None, self.server.origin, "Cookie" in self.headers)
            )
        fault = hub.faults.take(self.path)
        hub.while_silent()
        if hub.latency_s:
            time.sleep(hub.latency_s)
        if fault and fault.kind == "delay":
            hub.stopping.wait(fault.delay_s)
        if fault and fault.kind in ("silent", "drop"):
            if fault.kind == "silent":
                hub.stopping.wait()
            self.close_connection = True
            return
        try:
            content = self._received(fault) if body is None else body
            if content is None:
                self.close_connection = True
                return
            self._send(answer_for(hub, self, content, token, fault), path, fault)
        except (OSError, ValueError):
            self.close_connection = True

    def _send(self, answer: Answer, path: str, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        half = answer.length // 2
        promised = {"short": half, "longer": answer.length - 1}.get(kind or "", answer.length)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(max(promised, 0)))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = {"short": half, "hang": half, "reset": half, "truncate": half, "trickle": min(half, 64)}
        self._body(answer, path, sent.get(kind or "", answer.length), fault)
        self.wfile.flush()
        if kind in ("hang", "trickle"):
            self.server.hub.stopping.wait()
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if kind in ("hang", "trickle", "reset", "truncate", "longer"):
            self.close_connection = True

    def _body(self, answer: Answer, path: str, count: int, fault: Fault | None) -> None:
        hub = self.server.hub
        slow = fault.rate if fault and fault.kind == "slow" else None
        step = 1 if fault and fault.kind == "drip" else min(_BLOCK, 4096 if slow else _BLOCK)
        for at in range(0, count, step):
            rate = slow or hub.bandwidth
            hub.while_silent()
            block = bytearray(answer.read(at, min(at + step, count)))
            if fault and fault.kind == "flip" and at <= count // 2 < at + len(block):
                block[count // 2 - at] ^= 0x40
            self.wfile.write(block)
            with hub.lock:
                hub.bytes_served[path] += len(block)
            if fault and fault.kind == "drip":
                self.wfile.flush()
                if hub.stopping.wait(fault.delay_s):
                    return
            elif rate:
                self.wfile.flush()
                time.sleep(len(block) / rate)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
