"""A small Hub for the tests of core.hub and the sources on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.hub.cache import Cache
from core.hub.client import Hub
from core.hub.policy import Policies, Policy
from core.settings import Settings
from core.sources.hub import open_hub
from core.sources.protocol import Source
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, case, shard

PAUSE_S = 0.01


def alike(policy: Policy) -> Policies:
    """The same limits for every kind of call."""
    return Policies(control=policy, listing=policy, transfer=policy)


# For success without a stall, and for errors that need none: no deadline that a busy machine could miss.
PATIENT = alike(Policy(30.0, 30.0, 30.0, 35.0, 120.0, attempts=4, pause_s=PAUSE_S))
# For success after a stall: it is given up soon, but there is time for many attempts.
PERSISTENT = alike(Policy(30.0, 0.25, 0.25, 60.0, 120.0, attempts=100, pause_s=PAUSE_S))
# Only where an error is expected of a stall: a busy machine may miss these deadlines at any time.
IMPATIENT = alike(Policy(0.2, 0.1, 0.1, 0.15, 0.3, attempts=3, pause_s=PAUSE_S))


@pytest.fixture(scope="session")
def shards() -> dict[str, bytes]:
    """Three shards of one case each."""
    return {f"data/train-{n:05d}-of-00003.parquet": shard([case(n + 1)]) for n in range(3)}


@pytest.fixture
def server(shards: dict[str, bytes]) -> Iterator[HubServer]:
    """A Hub that serves them."""
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, shards)
        yield hub


@pytest.fixture
def hub(server: HubServer) -> Iterator[Hub]:
    """Our client of it, patient."""
    client = Hub(server.url, policies=PATIENT)
    yield client
    client.close()


@pytest.fixture
def persistent(server: HubServer) -> Iterator[Hub]:
    """Our client of it, which gives an attempt up soon and a call late."""
    client = Hub(server.url, policies=PERSISTENT)
    yield client
    client.close()


@pytest.fixture
def impatient(server: HubServer) -> Iterator[Hub]:
    """Our client of it, which gives a call up soon."""
    client = Hub(server.url, policies=IMPATIENT)
    yield client
    client.close()


def settings_for(server: HubServer, folder: Path, **more: object) -> Settings:
    """Settings that point at the server and the folder."""
    return Settings.model_validate({"HF_ENDPOINT": server.url, "STROKESCOPE_CACHE_DIR": folder, **more})


def source_on(
    server: HubServer,
    folder: Path,
    repo: str = REPO,
    revision: str | None = COMMIT,
    policies: Policies = PATIENT,
) -> Source:
    """The repository as a source with its cache in the folder."""
    return open_hub(repo, revision, settings_for(server, folder), Cache(folder), policies)


def drafts(folder: Path) -> list[Path]:
    """Files that a broken transfer left behind."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name.startswith((".part", "tmp"))]
