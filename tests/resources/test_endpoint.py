"""The endpoint answers two addresses, minds a taken port, and does not wait for slow clients."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from core.errors import BadSettings
from core.resources.endpoint import Endpoint, address_of
from core.resources.metrics import CONTENT_TYPE


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint(lambda: (False, {"app": {"alive": False}}), lambda: "# EOF\n")
    assert one.start(("127.0.0.1", 0))
    yield one
    one.stop()


def fetch(endpoint: Endpoint, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}{path}", timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_answers(endpoint: Endpoint) -> None:
    code, kind, body = fetch(endpoint, "/health?x=1")
    assert (code, kind, json.loads(body)) == (503, "application/json", {"app": {"alive": False}})
    assert fetch(endpoint, "/metrics") == (200, CONTENT_TYPE, b"# EOF\n")
    assert fetch(endpoint, "/../etc/passwd")[0] == 404


def test_a_silent_client_keeps_nobody_waiting(endpoint: Endpoint) -> None:
    assert endpoint.port is not None
    with socket.create_connection(("127.0.0.1", endpoint.port)), socket.create_connection(("127.0.0.1", endpoint.port)):
        assert fetch(endpoint, "/health")[0] == 503


def test_a_taken_port_costs_the_endpoint_only(endpoint: Endpoint) -> None:
    assert endpoint.port is not None
    other = Endpoint(lambda: (True, {}), str)
    assert not other.start(("127.0.0.1", endpoint.port))
    assert other.port is None
    other.stop()


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("", ("127.0.0.1", 8502)),
        ("9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("off", None),
        ("0", None),
    ],
)
def test_addresses(setting: str, address: tuple[str, int] | None) -> None:
    assert address_of(setting, 8501) == address
    assert address_of("", 65535) is None


@pytest.mark.parametrize("setting", ["yes", "99999", "host:", "-1"])
def test_what_is_no_port(setting: str) -> None:
    with pytest.raises(BadSettings, match="STROKESCOPE_HEALTH_PORT"):
        address_of(setting, 8501)
