"""Sockets: connections whose thread is let go as soon as nobody waits for it.

Every read of a connection is made in slices; between two of them its thread looks whether its request still has a
reader. A server that drips, or falls silent, thus holds neither thread nor connection for longer than POLL_S once the
request is left. Reads and writes are otherwise those of the library below.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2

from core.hub.policy import POLL_S

_Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Readers:
    """Whether the request that the present thread works for still has a reader."""

    def __init__(self) -> None:
        self._mine = threading.local()

    @contextmanager
    def reading(self, left: Callable[[], bool]) -> Iterator[None]:
        """What this thread does in the block is for a reader who has gone once `left` says so."""
        self._mine.left = left
        try:
            yield
        finally:
            self._mine.left = None

    def gone(self) -> bool:
        """Whether the reader has gone; False for threads that work for none."""
        left: Callable[[], bool] | None = getattr(self._mine, "left", None)
        return left is not None and left()


def watch(client: httpx2.Client, readers: Readers) -> None:
    """Let every connection of the client, proxies included, ask the readers. Before its first request."""
    # The library takes no backend for its sockets as an argument; a name that changed there is an error here.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Backend(transport._pool._network_backend, readers)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, below: httpcore2.NetworkBackend, readers: Readers) -> None:
        self._below, self._readers = below, readers

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> httpcore2.NetworkStream:
        if self._readers.gone():
            raise httpcore2.ConnectError("nobody waits for this connection")
        return _Stream(self._below.connect_tcp(host, port, timeout, local_address, socket_options), self._readers)

    def sleep(self, seconds: float) -> None:
        self._below.sleep(seconds)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, below: httpcore2.NetworkStream, readers: Readers) -> None:
        self._below, self._readers = below, readers

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._readers.gone():
                raise httpcore2.ReadError("nobody waits for these bytes")
            left = POLL_S if end is None else end - time.monotonic()
            try:
                return self._below.read(max_bytes, max(0.001, min(left, POLL_S)))
            except httpcore2.ReadTimeout:
                if left <= POLL_S and end is not None:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._readers.gone():
            raise httpcore2.WriteError("nobody waits for the answer")
        self._below.write(buffer, timeout)

    def close(self) -> None:
        self._below.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._below.start_tls(ssl_context, server_hostname, timeout), self._readers)

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)
