"""The token: it goes to the Hub's own origin and nowhere else, and is found nowhere afterwards."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.errors import BadSettings, HubDenied, HubError, StrokescopeError
from core.hub.cache import Cache
from core.hub.client import Hub, RemoteFile
from core.hub.ranges import Line, read_range
from core.hub.refusal import error_of
from core.sources.hub import open_hub
from tests.hub.conftest import PATIENT, settings_for
from tests.hubserver import Fault, HubServer
from tests.hubserver.answers import Answer
from tests.hubserver.shards import COMMIT, REPO

TOKEN = "hf_abcdefSECRETabcdef"


def test_a_private_fetch_leaves_the_token_nowhere(
    shards: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[StrokescopeError] = []
    with HubServer(redirect=True) as server:
        server.add_dataset(REPO, COMMIT, shards, token=TOKEN)
        settings = settings_for(server, tmp_path, HF_TOKEN=TOKEN)
        source = open_hub(REPO, None, settings, Cache(tmp_path), PATIENT)
        source.check()
        assert set(source.fetch("sub-stroke0001", ["dwi", "adc"]).files) == {"dwi", "adc"}
        source.header("sub-stroke0002", "dwi")
        for status in (401, 403, 404, 429, 500):
            server.faults.add(Fault("status", status=status, times=None, headers=(("Retry-After", "400"),)))
            with pytest.raises(HubError) as caught:
                source.fetch("sub-stroke0003", ["dwi"])
            errors.append(caught.value)
            server.faults.clear()
        assert {(seen.origin, seen.authorized) for seen in server.seen} == {("hub", True), ("cdn", False)}
        assert not any(TOKEN in seen.path for seen in server.seen)
    said = [caplog.text, repr(settings), repr(source), *(f"{e!r} {e.sentence()} {e.__cause__!r}" for e in errors)]
    assert not any("SECRET" in text for text in said)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(b"SECRET" in path.read_bytes() or "SECRET" in path.name for path in files)


@pytest.mark.parametrize("to", ["cdn", "other name", "other port"])
def test_no_other_origin_gets_it(shards: dict[str, bytes], to: str) -> None:
    with HubServer() as server, HubServer() as other:
        place = {
            "cdn": f"{server.cdn_url}/cdn/x",
            "other name": f"{server.url.replace('127.0.0.1', 'localhost')}/x",
            "other port": f"{other.url}/x",
        }[to]
        server.answers["/resolve/"] = lambda path: Answer(302, {"Location": place})
        hub = Hub(server.url, token=TOKEN, policies=PATIENT)
        with pytest.raises(HubError):
            read_range(Line(hub, PATIENT.transfer, lambda: False), RemoteFile(REPO, COMMIT, "a.bin"), 0, 10)
        hub.close()
        asked = [seen for seen in (*server.seen, *other.seen) if "/resolve/" not in seen.path]
        assert asked
        assert not any(seen.authorized for seen in asked)


def test_a_token_that_cannot_be_sent_is_an_error_that_hides_it(server: HubServer) -> None:
    for bad in ("hf_SECRET\nX: y", "hf_SECRETé", "hf_SECRET x"):
        with pytest.raises(BadSettings, match="HF_TOKEN") as caught:
            Hub(server.url, token=bad, policies=PATIENT)
        assert "SECRET" not in f"{caught.value!r} {caught.value.sentence()}"


@pytest.mark.parametrize(
    ("code", "has_token", "what", "step"),
    [
        ("GatedRepo", False, "gated or private", "set HF_TOKEN"),
        ("GatedRepo", True, "gated or private", "ask for access on its page"),
        ("RepoNotFound", False, "does not exist or is private", "set HF_TOKEN"),
        ("RepoNotFound", True, "does not exist or is private", "another HF_TOKEN"),
        ("", True, "gated or private", "another HF_TOKEN"),
    ],
)
def test_gated_and_private_have_their_next_step(code: str, has_token: bool, what: str, step: str) -> None:
    for status in (401, 403):
        error = error_of(status, {"x-error-code": code}, has_token)
        assert isinstance(error, HubDenied)
        assert what in str(error)
        assert step in error.hint
