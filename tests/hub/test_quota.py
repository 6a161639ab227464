"""The quota: what the Hub allows is kept to, and background work leaves room for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import HubRateLimited
from core.hub.cache import Cache
from core.hub.client import Hub
from core.hub.hubs import Hubs
from core.hub.quota import Quota, Window, retry_after, window_of
from core.hub.refusal import error_of
from core.hub.wire import Traffic
from core.settings import Settings
from core.sources.opening import open_source
from core.sources.protocol import Source
from tests.hub.conftest import PATIENT, settings_for
from tests.hubserver import Fault, HubServer
from tests.hubserver.answers import Answer
from tests.hubserver.shards import COMMIT, REPO

THEN, LATER = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:40 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"api";r=7;t=55', "retry-after": "3"}, 3),
        ({"ratelimit": '"api";r=7;t=55, "resolvers";r=0;t=11'}, 11),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "9" * 30}, 3600),
        ({"retry-after": LATER, "date": THEN}, 40),
        ({"retry-after": THEN, "date": LATER}, 0),
        ({"retry-after": THEN}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": "-5"}, 60),
        ({"retry-after": "²"}, 60),
        ({}, 60),
        ({"ratelimit": '"api";r=0;t=' + "9" * 5000}, 60),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == seconds


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["ratelimit", "ratelimit-policy", "retry-after", "date"]), st.text()))
def test_no_header_is_too_odd(headers: dict[str, str]) -> None:
    assert 0 <= retry_after(headers) <= 3600
    window_of(headers)


def test_windows_are_read() -> None:
    said = {"ratelimit": '"api";r=489;t=300', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}
    assert window_of(said) == Window(489, 500, 300)
    assert window_of({"ratelimit": "none"}) is None


def test_a_refusal_is_in_force_for_its_kind_and_its_time() -> None:
    now = [0.0]
    quota = Quota(lambda: now[0])
    quota.refuse("api", 40)
    assert (quota.wait_s("api"), quota.wait_s("resolvers"), quota.is_ample()) == (40, 0, False)
    now[0] = 41
    assert (quota.wait_s("api"), quota.is_ample()) == (0, True)


def test_a_window_without_requests_is_a_refusal() -> None:
    quota = Quota(lambda: 0.0)
    quota.hear("resolvers", {"ratelimit": '"resolvers";r=0;t=12'})
    assert quota.wait_s("resolvers") == 12


@pytest.mark.parametrize(("left", "ample"), [(500, True), (101, True), (100, False), (1, False)])
def test_background_work_leaves_a_fifth(left: int, ample: bool) -> None:
    now = [0.0]
    quota = Quota(lambda: now[0])
    quota.hear("api", {"ratelimit": f'"api";r={left};t=60', "ratelimit-policy": '"w";"api";q=500;w=300'})
    assert quota.is_ample() is ample
    now[0] = 61
    assert quota.is_ample()


def ask(hub: Hub) -> str:
    return hub.commit_of(REPO, "main", Traffic(), lambda: False)


def test_while_a_limit_is_in_force_nobody_is_asked(server: HubServer, hub: Hub) -> None:
    assert hub.spare()
    server.faults.add(Fault("status", status=429, headers=(("Retry-After", "400"),)))
    for _ in range(3):
        with pytest.raises(HubRateLimited) as caught:
            ask(hub)
        assert 380 < caught.value.retry_after_s <= 400
        assert "try again in 4" in caught.value.hint or "try again in 3" in caught.value.hint
    assert server.requests == 1
    assert not hub.spare()


def shared(server: HubServer, folder: Path, **more: object) -> tuple[Hubs, Source, Source]:
    hubs, cache = Hubs(PATIENT), Cache(folder)
    settings = settings_for(server, folder, STROKESCOPE_SOURCE=f"hub:{REPO}", **more)
    one, other = (open_source(spec, settings, cache, hubs=hubs) for spec in (f"hub:{REPO}", "hub:tester/other"))
    return hubs, one, other


def test_what_one_source_heard_holds_for_all_of_the_hub(server: HubServer, tmp_path: Path) -> None:
    hubs, one, other = shared(server, tmp_path)
    server.faults.add(Fault("status", status=429, headers=(("Retry-After", "400"),)))
    for source in (one, other):
        with pytest.raises(HubRateLimited):
            source.listing()
    hubs.close()
    assert server.requests == 1


def test_a_visitor_of_a_space_has_limits_of_their_own(server: HubServer, tmp_path: Path) -> None:
    hubs, one, other = shared(server, tmp_path, HF_TOKEN="hf_ownertoken", SPACE_ID="owner/space")
    server.faults.add(Fault("status", status=429, headers=(("Retry-After", "400"),), times=2))
    for source in (one, other):
        with pytest.raises(HubRateLimited):
            source.listing()
    hubs.close()
    assert [seen.authorized for seen in server.seen] == [True, False]


def test_each_identity_has_one_client(tmp_path: Path) -> None:
    def at(**values: object) -> Settings:
        return Settings.model_validate({"STROKESCOPE_CACHE_DIR": tmp_path, "HF_ENDPOINT": "http://a.test", **values})

    hubs = Hubs()
    first = hubs.of(at())
    assert hubs.of(at(HF_ENDPOINT="http://a.test/")) is first
    others = [at(HF_TOKEN="hf_x"), at(HF_HUB_OFFLINE=True), at(HF_ENDPOINT="http://b.test")]
    assert len({id(hubs.of(s)) for s in others} | {id(first)}) == 4
    hubs.close()


def test_a_limit_for_questions_is_none_for_files(server: HubServer, hub: Hub) -> None:
    server.faults.add(Fault("status", where="/api/", status=429, headers=(("Retry-After", "400"),)))
    with pytest.raises(HubRateLimited):
        ask(hub)
    with pytest.raises(HubRateLimited):
        hub.tree(REPO, COMMIT, Traffic(), lambda: False)
    assert server.requests == 1


def test_what_is_left_is_heard_by_the_way(server: HubServer, hub: Hub) -> None:
    said = {"RateLimit": '"api";r=50;t=300', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
    body = b'{"sha": "' + COMMIT.encode() + b'"}'
    server.answers["/revision/"] = lambda path: Answer(200, said, len(body), lambda start, stop: body[start:stop])
    assert ask(hub) == COMMIT
    assert not hub.spare()


def test_offline_nothing_is_spare(server: HubServer) -> None:
    hub = Hub(server.url, offline=True, policies=PATIENT)
    assert not hub.spare()
    hub.close()


def test_the_error_tells_the_seconds() -> None:
    error = error_of(429, {"retry-after": "40"}, has_token=True)
    assert isinstance(error, HubRateLimited)
    assert (error.retry_after_s, error.hint) == (40, "try again in 40 s")
    assert error_of(503, {"retry-after": "40"}, has_token=True).hint == "try again in 40 s"
