"""Raw: a server that says what it likes to each connection, HTTP or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def raw_server(talk: Callable[[socket.socket], None], linger: bool = True) -> Iterator[str]:
    """Gives its address. What it says to a connection is told after the first bytes of a request.

    Args:
        linger: wait for the other side to close after the last byte; else the connection ends with the talk.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            talk(connection)
            if linger:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                connection.recv(65536)

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
