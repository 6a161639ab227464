"""Server: answers what huggingface_hub 2.4 and our own reader ask of a Hub, and counts it.

Dataset info, tree with paging, paths-info, and resolve (HEAD, GET, Range; optionally by way of a second origin). Knows
datasets that are put into it; takes no uploads. Misbehaves on demand (faults).
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from tests.hubserver.answers import Answer, answer_for
from tests.hubserver.faults import Fault, Faults

_BLOCK = 65536


@dataclass(frozen=True)
class Stored:
    """One file of a dataset; large ones stay on disk."""

    content: bytes | Path
    lfs: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop (exclusive)."""
        if isinstance(self.content, bytes):
            return self.content[start:stop]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def digest(self, git: bool) -> str:
        """sha256 of the content, or git's blob id."""
        hasher = hashlib.sha1(f"blob {self.size}\0".encode()) if git else hashlib.sha256()
        for at in range(0, self.size, 2**20):
            hasher.update(self.read(at, at + 2**20))
        return hasher.hexdigest()


@dataclass
class Dataset:
    """One repository at one commit, which `main` names."""

    commit: str
    files: dict[str, Stored]
    token: str | None = None
    tree: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    range: str | None
    authorized: bool
    origin: str  # "hub" or "cdn"
    cookie: bool = False


class HubServer:
    """A Hub on loopback; use as a context manager.

    Args:
        redirect: large files are answered by 302 to a second origin.
        page: entries of one page of a tree.
        latency_s: before each answer. bandwidth: bytes per second of each answer; None for no limit.
    """

    def __init__(
        self,
        redirect: bool = False,
        page: int = 1000,
        latency_s: float = 0.0,
        bandwidth: float | None = None,
        port: int = 0,
    ) -> None:
        self.redirect, self.page, self.latency_s, self.bandwidth = redirect, page, latency_s, bandwidth
        self.datasets: dict[str, Dataset] = {}
        self.faults = Faults()
        self.answers: dict[str, Callable[[str], Answer]] = {}  # to paths that match, instead of a dataset's
        self.counts: Counter[str] = Counter()
        self.bytes_served: Counter[str] = Counter()
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._plugged, self._refuses = threading.Event(), False
        self._plugged.set()
        self.lock = threading.Lock()
        self._servers = [_Server(self, "hub", port), _Server(self, "cdn", 0)]
        self.url, self.cdn_url = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))  # and does not listen: its port refuses whoever knocks
        self.dead_url = f"http://127.0.0.1:{self._nobody.getsockname()[1]}/gone"
        self._threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers]

    def __enter__(self) -> HubServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._nobody.close()
        for server in self._servers:
            server.shutdown()
            server.drop_connections()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def add_dataset(
        self, repo: str, revision_sha: str, files: Mapping[str, bytes | Path], token: str | None = None
    ) -> None:
        """Serve the files as owner/name at this commit, which is also `main`. A token makes it private."""
        stored = {path: Stored(content, _is_lfs(path)) for path, content in files.items()}
        self.datasets[repo] = Dataset(revision_sha, stored, token)

    def pull(self, silent: bool = False) -> None:
        """Pull the cable: every conversation ends and new ones are refused; or all of them just fall silent."""
        self._refuses = not silent
        self._plugged.clear()
        for server in self._servers if self._refuses else ():
            server.drop_connections()

    def plug(self) -> None:
        """Put the cable back."""
        self._refuses = False
        self._plugged.set()

    @property
    def refuses(self) -> bool:
        """Whether new conversations are ended at once."""
        return self._refuses

    def while_silent(self) -> None:
        """Wait until the cable is in, or the server stops."""
        while not self._plugged.wait(0.05) and not self._refuses and not self.stopping.is_set():
            pass

    @property
    def requests(self) -> int:
        """Requests so far, those to the second origin included."""
        return sum(self.counts.values())

    @property
    def total_bytes(self) -> int:
        """Body bytes sent so far."""
        return sum(self.bytes_served.values())

    def reset_counts(self) -> None:
        """Count from zero."""
        with self.lock:
            self.counts.clear()
            self.bytes_served.clear()
            self.seen.clear()


def _is_lfs(path: str) -> bool:
    return path.endswith((".parquet", ".nii.gz", ".nii", ".bin"))


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, hub: HubServer, origin: str, port: int) -> None:
        self.hub, self.origin = hub, origin
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm: ClassVar[bool] = True
    server: _Server

    def do_GET(self) -> None:
        self._serve(body=b"")

    def do_HEAD(self) -> None:
        self._serve(body=b"")

    def do_POST(self) -> None:
        self._serve(body=self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _serve(self, body: bytes) -> None:
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
            self._send(answer_for(hub, self, body, token, fault), path, fault)
        except OSError:
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
