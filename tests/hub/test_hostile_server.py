"""A server that means harm: each of its answers is a clear HubError in bounded time and memory."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from core.errors import HubCorrupt, HubError, HubServerError, HubTimeout
from core.hub import client
from core.hub.client import Hub, RemoteFile, file_of
from core.hub.policy import Policies
from core.hub.ranges import Line, read_range
from core.hub.wire import Traffic
from core.resources.child import peak_rss_mb
from tests.hub.conftest import IMPATIENT, PATIENT, alike
from tests.hubserver import HubServer
from tests.hubserver.answers import Answer
from tests.hubserver.raw import raw_server
from tests.hubserver.shards import COMMIT, REPO

SOON_S = 60.0  # on any machine; it takes about a second


def never() -> bool:
    return False


def body(text: str, headers: dict[str, str] | None = None, status: int = 200) -> Answer:
    data = text.encode("utf-8", "surrogatepass")
    return Answer(status, headers or {}, len(data), lambda start, stop: data[start:stop])


def tree(hub: Hub) -> tuple[RemoteFile, ...]:
    return hub.tree(REPO, COMMIT, Traffic(), never)


PAGE = json.dumps([{"type": "file", "path": f"{n}.txt", "size": 1, "oid": "0" * 40} for n in range(20_000)])


def test_a_million_files_are_refused(server: HubServer, hub: Hub) -> None:
    asked = 0

    def endless(path: str) -> Answer:
        nonlocal asked
        asked += 1
        after = f'<{server.url}/api/datasets/{REPO}/tree/{COMMIT}?cursor={asked}>; rel="next"'
        return body(PAGE, {"Link": after})

    server.answers["/tree/"] = endless
    before, begun = peak_rss_mb(), time.monotonic()
    with pytest.raises(HubCorrupt, match="too many files"):
        tree(hub)
    assert asked <= client.MAX_ENTRIES // 20_000 + 1
    assert time.monotonic() - begun < SOON_S
    assert peak_rss_mb() - before < 300


def test_pages_without_entries_end_too(server: HubServer, hub: Hub) -> None:
    asked = 0

    def empty(path: str) -> Answer:
        nonlocal asked
        asked += 1
        return body("[]", {"Link": f'<{server.url}/api/datasets/{REPO}/tree/{COMMIT}?cursor={asked}>; rel="next"'})

    server.answers["/tree/"] = empty
    with pytest.raises(HubCorrupt, match="too many files"):
        tree(hub)
    assert asked <= client.MAX_PAGES + 1


def test_a_tree_that_takes_too_long_is_told(server: HubServer) -> None:
    asked = 0

    def slow(path: str) -> Answer:
        nonlocal asked
        asked += 1
        time.sleep(0.1)
        return body("[]", {"Link": f'<{server.url}/api/datasets/{REPO}/tree/{COMMIT}?cursor={asked}>; rel="next"'})

    server.answers["/tree/"] = slow
    hub = Hub(server.url, policies=Policies(PATIENT.control, IMPATIENT.listing, PATIENT.transfer))
    with pytest.raises(HubTimeout, match="whole list"):
        tree(hub)
    hub.close()
    assert asked <= 10


@pytest.mark.parametrize(
    "text",
    [
        "[" + "0," * 20_000_000 + "0]",
        "[" * 500_000,
        '[{"a":' * 200_000,
        "[" + "9" * 10_000 + "]",
        '{"files": []}',
        "null",
        "",
        "[1, 2",
        "<html>please sign in</html>",
        '[{"path": "a", "size": true}]',
        '[{"path": "a", "size": 1e400}]',
        '[{"path": "a", "size": ' + "9" * 40 + "}]",
        '[{"path": ["a"], "size": 1}]',
        '["a"]',
    ],
    ids=range(14),
)
def test_no_page_of_a_tree_is_too_odd(server: HubServer, hub: Hub, text: str) -> None:
    server.answers["/tree/"] = lambda path: body(text)
    begun = time.monotonic()
    with pytest.raises(HubCorrupt):
        tree(hub)
    assert time.monotonic() - begun < SOON_S


@pytest.mark.parametrize(
    "path",
    [
        "../a.txt",
        "/etc/passwd",
        "a/../../b",
        "a\x00b",
        "a\x1b[31m",
        "x" * 10_000,
        "a\u202eb",
        "\ud800",
        "a\\..\\b",
        "./a",
    ],
)
def test_a_path_that_leads_elsewhere_is_left_out(path: str) -> None:
    assert file_of(REPO, COMMIT, {"type": "file", "path": path, "size": 1}) is None


@pytest.mark.parametrize(
    "link", ["http://169.254.169.254/x", "//elsewhere/x", "http://[", "file:///etc/passwd", "\x7f"]
)
def test_a_list_goes_on_nowhere_else(server: HubServer, hub: Hub, link: str) -> None:
    server.answers["/tree/"] = lambda path: body("[]", {"Link": f'<{link}>; rel="next"'})
    with pytest.raises(HubError):
        tree(hub)


def test_a_long_link_header_costs_no_time(server: HubServer, hub: Hub) -> None:
    server.answers["/tree/"] = lambda path: body("[]", {"Link": "<a>;" * 12_000})
    begun = time.monotonic()
    assert tree(hub) == ()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "javascript:0", "http://", "http://[", "http://a b/", "//"],
)
def test_a_redirect_leads_to_the_web_or_nowhere(server: HubServer, hub: Hub, location: str) -> None:
    server.answers["."] = lambda path: body("Found", {"Location": location}, 302)
    with pytest.raises(HubError):
        read_range(Line(hub, PATIENT.transfer, never), RemoteFile(REPO, COMMIT, "a.bin"), 0, 10)


def test_redirects_end(server: HubServer, hub: Hub) -> None:
    numbers = iter(range(10_000))
    server.answers["."] = lambda path: body("Found", {"Location": f"{server.url}/{next(numbers)}"}, 302)
    with pytest.raises(HubServerError, match="circle"):
        tree(hub)
    assert server.requests < 40


OK, SHA = b"HTTP/1.1 200 OK\r\n", b'{"sha": "' + COMMIT.encode() + b'"}'
TALKS: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n" * 50,
    "a status of four digits": b"HTTP/1.1 9999 OK\r\n\r\n",
    "a length that is none": OK + b"Content-Length: many\r\n\r\n" + SHA,
    "a negative length": OK + b"Content-Length: -5\r\n\r\n" + SHA,
    "a length of 5000 digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + SHA,
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n" + SHA,
    "a length that is too great": OK + b"Content-Length: 1000\r\n\r\n" + SHA,
    "a length that is too small": OK + b"Content-Length: 9\r\n\r\n" + SHA,
    "broken chunks": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SHA,
    "a chunk of 5000 digits": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n" + SHA,
    "a header without an end": OK + b"X: " + b"x" * 2_000_000,
    "headers without an end": OK + b"X: x\r\n" * 200_000,
    "bytes that are no text": OK + b"X: \xff\xfe\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
    "a place that is no text": b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe://\xfd\r\nContent-Length: 0\r\n\r\n",
    "packed, although we want it plain": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "HTTP 2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 20,
}


@pytest.mark.parametrize("said", TALKS.values(), ids=TALKS)
def test_no_answer_is_too_odd(said: bytes) -> None:
    begun = time.monotonic()
    with raw_server(lambda connection: connection.sendall(said)) as url:
        hub = Hub(url, policies=PATIENT)
        with pytest.raises(HubError) as caught:
            hub.commit_of(REPO, "main", Traffic(), never)
        hub.close()
    assert caught.value.hint
    assert time.monotonic() - begun < SOON_S


def test_a_head_that_drips_is_told_in_time() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(OK)
        while not over.wait(0.01):
            connection.sendall(b"X")

    with raw_server(drip, linger=False) as url:
        hub = Hub(url, policies=IMPATIENT)
        with pytest.raises(HubTimeout):
            hub.commit_of(REPO, "main", Traffic(), never)
        over.set()
        hub.close()


def test_a_redirect_that_drips_is_told_in_time() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 4000\r\n\r\n")
        while not over.wait(0.01):
            connection.sendall(b"X")

    with raw_server(drip, linger=False) as url:
        hub = Hub(url, policies=alike(IMPATIENT.control))
        with pytest.raises(HubTimeout):
            hub.commit_of(REPO, "main", Traffic(), never)
        over.set()
        hub.close()


def test_cookies_are_not_kept(server: HubServer, hub: Hub) -> None:
    sent: list[str] = []
    server.answers["/revision/"] = lambda path: body(SHA.decode(), {"Set-Cookie": f"a{len(sent)}={'x' * 3000}; Path=/"})
    for _ in range(3):
        assert hub.commit_of(REPO, "main", Traffic(), never) == COMMIT
        sent.append("")
    assert not any(seen.cookie for seen in server.seen)
