"""The client: answers, errors and deadlines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import (
    BadSettings,
    BadSource,
    FetchCancelled,
    HubCorrupt,
    HubDenied,
    HubNotFound,
    HubOffline,
    HubRateLimited,
    HubServerError,
    HubTimeout,
    StrokescopeError,
)
from core.hub.client import Hub, RemoteFile, check_repo, check_revision, is_safe
from core.hub.ranges import Line, read_range
from core.hub.refusal import error_of
from core.hub.wire import Traffic
from tests.hub.conftest import PATIENT
from tests.hubserver import Fault, HubServer
from tests.hubserver.faults import Kind
from tests.hubserver.shards import COMMIT, REPO

ROOT = Path(__file__).parents[2]


def never() -> bool:
    return False


def commit_of(hub: Hub, repo: str = REPO, revision: str = "main") -> str:
    return hub.commit_of(repo, revision, Traffic(), never)


def test_a_branch_names_a_commit(hub: Hub) -> None:
    assert commit_of(hub) == COMMIT


def test_the_tree_comes_in_pages(shards: dict[str, bytes]) -> None:
    with HubServer(page=2) as server:
        server.add_dataset(REPO, COMMIT, {**shards, "small.txt": b"x"})
        hub, traffic = Hub(server.url), Traffic()
        files = hub.tree(REPO, COMMIT, traffic, never)
        hub.close()
    assert {file.path: file.size for file in files} == {**{p: len(c) for p, c in shards.items()}, "small.txt": 1}
    assert traffic.requests == 2
    assert [file.path for file in files if file.git_oid] == ["small.txt"]
    assert all(file.sha256 or file.git_oid for file in files)


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc/passwd", "a/./b", "a\nb", "", "a\\b", "x" * 2000])
def test_paths_that_lead_elsewhere_are_left_out(path: str, server: HubServer, hub: Hub) -> None:
    assert not is_safe(path)
    tree: list[dict[str, object]] = [{"type": "file", "path": p, "size": 1, "oid": "0" * 40} for p in (path, "good")]
    server.datasets[REPO].tree = tree
    assert [file.path for file in hub.tree(REPO, COMMIT, Traffic(), never)] == ["good"]


@pytest.mark.parametrize("tree", [[{"type": "file", "path": "a", "size": -1}], [{"type": "file"}], [7]])
def test_a_tree_that_makes_no_sense_is_corrupt(tree: list[dict[str, object]], server: HubServer, hub: Hub) -> None:
    server.datasets[REPO].tree = tree
    with pytest.raises(HubCorrupt):
        hub.tree(REPO, COMMIT, Traffic(), never)


def test_a_tree_that_never_ends_is_refused(server: HubServer, hub: Hub) -> None:
    again = (("Link", f'<{server.url}/api/datasets/{REPO}/tree/{COMMIT}?recursive=true>; rel="next"'),)
    server.faults.add(Fault("status", where="/tree/", status=200, headers=again, times=None))
    with pytest.raises(HubCorrupt):
        hub.tree(REPO, COMMIT, Traffic(), never)


@pytest.mark.parametrize("repo", ["x", "a/b/c", "../b", "a/..", "a/b c", "a--b/c", "/b", "a/", "a/b?x=1", "a/b#"])
def test_bad_names_never_reach_the_network(repo: str) -> None:
    with pytest.raises(BadSource):
        check_repo(repo)


@pytest.mark.parametrize("revision", ["", "..", "a..b", "-x", "a b", "a?b", "x" * 300])
def test_bad_revisions_never_reach_the_network(revision: str) -> None:
    with pytest.raises(BadSource):
        check_revision(revision)


@pytest.mark.parametrize("endpoint", ["", "huggingface.co", "ftp://x", "file:///etc", "http://"])
def test_an_endpoint_must_be_a_web_address(endpoint: str) -> None:
    with pytest.raises(BadSettings):
        Hub(endpoint)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "says"),
    [
        (401, {}, HubDenied, "set HF_TOKEN"),
        (403, {}, HubDenied, "set HF_TOKEN"),
        (403, {"x-error-code": "GatedRepo"}, HubDenied, "set HF_TOKEN"),
        (401, {"x-error-code": "RepoNotFound"}, HubDenied, "check its name"),
        (404, {"x-error-code": "RepoNotFound"}, HubNotFound, "dataset"),
        (404, {"x-error-code": "RevisionNotFound"}, HubNotFound, "revision"),
        (404, {"x-error-code": "EntryNotFound"}, HubNotFound, "file"),
        (429, {"retry-after": "40"}, HubRateLimited, "again in 40 s"),
        (500, {}, HubServerError, "500"),
        (503, {}, HubServerError, "503"),
        (418, {}, HubServerError, "418"),
    ],
)
def test_each_status_has_its_error(
    status: int, headers: dict[str, str], kind: type[StrokescopeError], says: str
) -> None:
    error = error_of(status, headers, has_token=False)
    assert type(error) is kind
    assert says in error.sentence()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "", HubServerError),
        (401, "", HubServerError),
        (403, "", HubServerError),
        (404, "", HubServerError),
        (410, "", HubServerError),
        (429, "", HubRateLimited),
        (503, "", HubServerError),
        (403, "GatedRepo", HubDenied),
        (404, "EntryNotFound", HubNotFound),
    ],
)
def test_a_no_of_the_second_origin_is_not_about_the_dataset(
    status: int, code: str, kind: type[StrokescopeError]
) -> None:
    error = error_of(status, {"x-error-code": code} if code else {}, has_token=False, home=False)
    assert type(error) is kind
    assert "HF_TOKEN" not in error.hint or code or kind is HubRateLimited


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_that_has_expired_is_asked_for_again(shards: dict[str, bytes], status: int) -> None:
    with HubServer(redirect=True) as server:
        server.add_dataset(REPO, COMMIT, shards)
        hub, path = Hub(server.url, policies=PATIENT), next(iter(shards))
        server.faults.add(Fault("status", where="/cdn/", status=status))
        line = Line(hub, PATIENT.transfer, never)
        assert read_range(line, RemoteFile(REPO, COMMIT, path), 10, 20) == shards[path][10:20]
        hub.close()
        assert [seen.origin for seen in server.seen] == ["hub", "cdn", "hub", "cdn"]


def test_offline_by_choice_asks_nobody(server: HubServer) -> None:
    hub = Hub(server.url, offline=True)
    with pytest.raises(HubOffline, match="HF_HUB_OFFLINE"):
        commit_of(hub)
    hub.close()
    assert server.requests == 0


def test_a_hub_that_is_not_there_is_offline() -> None:
    with HubServer() as gone:
        pass
    hub = Hub(gone.url, policies=PATIENT)
    with pytest.raises(HubOffline):
        commit_of(hub)
    hub.close()


@pytest.mark.parametrize("kind", ["silent", "hang", "drip"])
def test_a_hub_that_says_nothing_is_told_in_time(server: HubServer, impatient: Hub, kind: Kind) -> None:
    server.faults.add(Fault(kind, times=None, delay_s=0.1))
    with pytest.raises(HubTimeout):
        commit_of(impatient)


def test_a_cancel_is_seen_while_nothing_comes(server: HubServer) -> None:
    server.faults.add(Fault("silent", times=None))
    hub, asked = Hub(server.url), iter(range(100))
    with pytest.raises(FetchCancelled):
        hub.commit_of(REPO, "main", Traffic(), lambda: next(asked) > 2)
    hub.close()


@pytest.mark.parametrize("status", [500, 503])
def test_a_passing_failure_is_asked_again(server: HubServer, hub: Hub, status: int) -> None:
    server.faults.add(Fault("status", status=status))
    assert commit_of(hub) == COMMIT
    assert server.requests == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_clear_no_is_not_asked_again(server: HubServer, hub: Hub, status: int) -> None:
    server.faults.add(Fault("status", status=status, times=None))
    with pytest.raises((HubDenied, HubNotFound)):
        commit_of(hub)
    assert server.requests == 1


def test_a_short_rate_limit_is_waited_for(server: HubServer, hub: Hub) -> None:
    server.faults.add(Fault("status", status=429, headers=(("Retry-After", "0"),)))
    assert commit_of(hub) == COMMIT
    server.faults.add(Fault("status", status=429, headers=(("Retry-After", "1"),)))
    assert commit_of(hub) == COMMIT


def test_the_token_stays_with_the_hub(shards: dict[str, bytes]) -> None:
    with HubServer(redirect=True) as server:
        server.add_dataset(REPO, COMMIT, shards, token="hf_secret")
        hub, path = Hub(server.url, token="hf_secret"), next(iter(shards))
        line = Line(hub, PATIENT.transfer, never)
        assert read_range(line, RemoteFile(REPO, COMMIT, path), 10, 20) == shards[path][10:20]
        hub.close()
        assert {(seen.origin, seen.authorized) for seen in server.seen} == {("hub", True), ("cdn", False)}
        assert line.traffic.requests == 2


def test_a_private_dataset_asks_for_a_token(shards: dict[str, bytes]) -> None:
    with HubServer() as server:
        server.add_dataset(REPO, COMMIT, shards, token="hf_secret")
        hub = Hub(server.url)
        with pytest.raises(HubDenied) as caught:
            commit_of(hub)
        hub.close()
    assert "HF_TOKEN" in caught.value.hint


def test_making_a_client_and_a_source_asks_nothing(server: HubServer, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from core.hub.cache import Cache; from core.settings import load_settings\n"
        "from core.sources.opening import open_source\n"
        "open_source('hub:a/b', load_settings(), Cache(Path(sys.argv[1])))\n"
    )
    env = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hf"), "PATH": "", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT, env=env)
    assert server.requests == 0
