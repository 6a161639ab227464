"""Sockets: a request that was left holds neither a connection nor a thread, whatever its server does."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import HubTimeout
from core.hub.client import Hub
from core.hub.policy import Policies, Policy
from core.hub.sockets import Readers
from core.hub.wire import Traffic
from tests.hub.conftest import PATIENT, alike
from tests.hubserver.raw import raw_server
from tests.hubserver.shards import COMMIT, REPO

SHA = b'{"sha": "' + COMMIT.encode() + b'"}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SHA), SHA)
CALLS = 80  # more than the connections that one endpoint gets
# Who asks leaves soon; by itself, a connection would stay for five minutes.
HASTY = alike(Policy(30.0, 0.3, 300.0, 0.3, 0.3, attempts=1))


def ask(hub: Hub, policies: Policies) -> str:
    hub.policies = policies
    return hub.commit_of(REPO, "main", Traffic(), lambda: False)


def wait_for_the_end(threads: set[threading.Thread]) -> None:
    end = time.monotonic() + 60
    while any(thread.is_alive() for thread in threads):
        assert time.monotonic() < end, "threads outlive their requests"
        time.sleep(0.05)


@pytest.mark.parametrize("said", [b"a", b""], ids=["drips", "silent"])
def test_a_hub_that_never_ends_its_heads_holds_nothing(said: bytes) -> None:
    well, over = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def talk(connection: socket.socket) -> None:
        if well.is_set():
            connection.sendall(GOOD)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not over.wait(0.2):
            connection.sendall(said)

    def leave(number: int) -> None:
        with pytest.raises(HubTimeout):
            ask(hub, HASTY)

    with raw_server(talk, linger=False) as url:
        hub = Hub(url)
        with ThreadPoolExecutor(40) as pool:
            list(pool.map(leave, range(CALLS)))
        well.set()
        assert ask(hub, PATIENT) == COMMIT
        wait_for_the_end({t for t in set(threading.enumerate()) - before if t.name == "hub-get"})
        over.set()
        hub.close()


def test_a_reader_is_of_one_thread_and_one_request() -> None:
    readers, seen = Readers(), list[bool]()
    with readers.reading(lambda: True):
        assert readers.gone()
        other = threading.Thread(target=lambda: seen.append(readers.gone()))
        other.start()
        other.join()
    assert seen == [False]
    assert not readers.gone()
