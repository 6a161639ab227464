"""The test Hub against the real client: if these fail, nothing that the other tests show is worth anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem, RepoFile, close_session, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, case, shard


@pytest.fixture(autouse=True)
def _sessions_closed() -> Iterator[None]:
    yield
    close_session()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {"data/train-00000-of-00001.parquet": shard([case(1)]), "README.md": b"# strokes\n", "a/b/c.txt": b"c"}


@pytest.fixture(params=[False, True], ids=["direct", "redirect"])
def hub(request: pytest.FixtureRequest, files: dict[str, bytes]) -> Iterator[HubServer]:
    with HubServer(redirect=request.param, page=2) as server:
        server.add_dataset(REPO, COMMIT, files)
        yield server


def test_the_real_client_sees_the_dataset(hub: HubServer, files: dict[str, bytes]) -> None:
    api = HfApi(endpoint=hub.url, token=False)
    assert api.dataset_info(REPO).sha == COMMIT
    listed = [e for e in api.list_repo_tree(REPO, repo_type="dataset", recursive=True) if isinstance(e, RepoFile)]
    assert {e.path: e.size for e in listed} == {path: len(content) for path, content in files.items()}
    found = api.get_paths_info(REPO, ["README.md"], repo_type="dataset")
    assert [e.path for e in found] == ["README.md"]


@pytest.mark.parametrize("name", ["data/train-00000-of-00001.parquet", "README.md"])
def test_the_real_client_downloads(hub: HubServer, files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    got = hf_hub_download(REPO, name, repo_type="dataset", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert Path(got).read_bytes() == files[name]


def test_the_real_file_system_reads_ranges(hub: HubServer, files: dict[str, bytes]) -> None:
    name = "data/train-00000-of-00001.parquet"
    fs = HfFileSystem(endpoint=hub.url, token=False, skip_instance_cache=True)
    with fs.open(f"datasets/{REPO}@{COMMIT}/{name}", "rb", block_size=4096) as file:
        file.seek(1000)
        assert file.read(100) == files[name][1000:1100]


def test_errors_have_the_codes_the_real_client_knows(hub: HubServer, tmp_path: Path) -> None:
    api = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("tester/none")
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(REPO, revision="none")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(REPO, "none", repo_type="dataset", endpoint=hub.url, cache_dir=tmp_path, token=False)


def test_faults_strike_as_often_as_asked_and_are_counted(hub: HubServer) -> None:
    hub.faults.add(Fault("status", where="/api/", status=404, times=1))
    api = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(Exception, match="404"):
        api.dataset_info(REPO)
    assert api.dataset_info(REPO).sha == COMMIT
    assert hub.counts[f"/api/datasets/{REPO}"] == 2
    hub.reset_counts()
    assert hub.requests == 0
