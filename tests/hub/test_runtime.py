"""The Hub's word on a Space's container: asked by a program of its own, whose every failure is no word."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from core.errors import BadSource, HubDenied
from core.hub import runtime
from core.hub.client import Hub
from core.settings import Settings
from tests.hubserver.answers import Answer
from tests.hubserver.server import HubServer

TOKEN = "hf_" + "s" * 20
FULL = "Memory limit exceeded (16Gi)"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def put(hub: HubServer, body: object, status: int = 200) -> None:
    """What the Hub says of every Space."""
    text = json.dumps(body).encode()
    answer = Answer(status, {"Content-Type": "application/json"}, len(text), lambda start, stop: text[start:stop])
    hub.answers[r"^/api/spaces/tester/space/runtime$"] = lambda path: answer


def asked(
    monkeypatch: pytest.MonkeyPatch, url: str, token: str | None = TOKEN, offline: bool = False, **more: object
) -> str | None:
    """The program's answer, with the environment of a Space."""
    env = {"SPACE_ID": "tester/space", "HF_ENDPOINT": url, **({"HF_TOKEN": token} if token else {})}
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = Settings(space_id="tester/space", hf_endpoint=url, hf_token=token, hf_hub_offline=offline)
    return runtime.ask(settings, **more)  # type: ignore[arg-type]


def test_the_message_of_the_hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    put(hub, {"stage": "RUNTIME_ERROR", "errorMessage": FULL, "hardware": {"current": "cpu-basic"}})
    assert asked(monkeypatch, hub.url) == FULL
    (seen,) = hub.seen
    assert (seen.path, seen.authorized) == ("/api/spaces/tester/space/runtime", True)


@pytest.mark.parametrize("body", [{"stage": "RUNNING"}, {"errorMessage": None}, {"errorMessage": 7}, ["x"], "x"])
def test_no_message(hub: HubServer, body: object) -> None:
    put(hub, body)
    assert Hub(hub.url, TOKEN).space_error("tester/space") is None
    assert hub.requests == 1


def test_a_hub_that_refuses_and_a_name_that_is_none(hub: HubServer) -> None:
    put(hub, {"error": "Access denied"}, 403)
    with pytest.raises(HubDenied):
        Hub(hub.url, TOKEN).space_error("tester/space")
    with pytest.raises(BadSource):
        Hub(hub.url, TOKEN).space_error("../../etc")
    assert hub.requests == 1


def test_the_program_that_cannot_ask(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SPACE_ID": "tester/space", "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    put(hub, {"error": f"not for {TOKEN}"}, 403)
    assert runtime.main() == 1
    monkeypatch.setenv("HF_HUB_OFFLINE", "perhaps")
    assert runtime.main() == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("without", [{"token": None}, {"offline": True}])
def test_nobody_is_asked_who_may_not_be(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, without: Mapping[str, bool | None]
) -> None:
    put(hub, {"errorMessage": FULL})
    assert asked(monkeypatch, hub.url, **without) is None  # type: ignore[arg-type]
    assert runtime.ask(Settings(space_id="", hf_token=TOKEN, hf_endpoint=hub.url)) is None
    assert hub.requests == 0


def test_a_program_that_hangs_fails_or_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(code: str, timeout_s: float = 60.0) -> str | None:
        return asked(monkeypatch, "http://127.0.0.1:9", command=[sys.executable, "-c", code], timeout_s=timeout_s)

    said = json.dumps({"errorMessage": FULL})
    assert answer(f"print({said!r})") == FULL
    assert answer(f"print({said!r}); raise SystemExit(1)") is None
    assert answer("import time; time.sleep(60)", timeout_s=0.2) is None
    assert answer("print('x' * 10_000_000)") is None
    assert answer("print('[' * 4000)") is None
    assert asked(monkeypatch, "http://127.0.0.1:9", command=["/nowhere/at/all"]) is None


def test_long_messages_are_cut() -> None:
    assert runtime.message_in(json.dumps({"errorMessage": "x" * 3000}).encode()) == "x" * runtime.LONGEST
    assert runtime.message_in(b'{"errorMessage": "  "}') is None


def test_asking_loads_nothing_heavy() -> None:
    code = "import sys, core.hub.runtime; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=runtime.ROOT)
    assert done.stdout.strip() == "False"
